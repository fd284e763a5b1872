"""Command line: ``python -m monai_degia.experiments GRID``, ``... evaluate RUN_DIR`` or ``... picture RUN_DIR``."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml

from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.engines.errors import show_short_errors
from monai_degia.errors import UserError
from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.comparison import comparison_table
from monai_degia.experiments.curves import plot_landmarks, plot_pck
from monai_degia.experiments.digit_picture import draw_digits
from monai_degia.experiments.evaluation import evaluate_digits, find_sets, source_domain
from monai_degia.experiments.grids import Run
from monai_degia.experiments.pictures import collect_pictures
from monai_degia.experiments.plots import plot_results
from monai_degia.experiments.runner import evaluate_grid, read_results, run_grid
from monai_degia.experiments.tables import domain_table, markdown, markdown_table, write_tables

Result = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Run an experiment, print its table and say where everything is; or evaluate a finished run."""
    show_short_errors()
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {"evaluate": _evaluate, "picture": _picture}
    if arguments and arguments[0] in commands:
        commands[arguments[0]](arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m monai_degia.experiments",
        description="Train and compare the rows of a table.",
        epilog="evaluate RUN_DIR FOLDER: accuracy of a finished run on every set of digits in a folder. "
        "picture RUN_DIR [RUN_DIR ...] --mnist PATH --unseen PATH: generated digits, of one run round by round, of "
        "several those of each.",
    )
    parser.add_argument("grid", choices=sorted(GRIDS), help="demo: rendered hands, a few minutes; hands: real hands")
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds bundle/ and configs/")
    parser.add_argument("--output_dir", type=Path, help="default: runs/<grid>")
    parser.add_argument("--dataset_dir", type=Path, help="folder of the data sets; default: <output_dir>/data")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: those of the grid")
    parser.add_argument("--only", nargs="+", help="labels of the rows to run, e.g. resnet erm degia; default: all")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="config entries for all runs, e.g. max_epochs=2"
    )
    parser.add_argument(
        "--methods", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of further methods, a row each"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument(
        "--evaluate_with", metavar="OVERLAY", help="evaluate the runs a second time, e.g. with run/self_consistent"
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="run nothing: tables and plots of the result files in this folder"
    )
    options = parser.parse_args(arguments)
    output_dir = options.output_dir or Path("runs") / options.grid
    grid = GRIDS[options.grid].with_methods(options.methods)
    runs = grid.runs(options.seeds, options.only, _overrides(options.set))
    results, again = _read(options, runs) if options.results else _run(options, runs, output_dir)
    comparisons = [comparison_table(some, grid.figure, grid.published) for some in (results, again)]
    if again:
        results = [{**result, "labels": {**result["labels"], "inference": "1 pass"}} for result in results] + again
    output_dir.mkdir(parents=True, exist_ok=True)
    write_tables(results, output_dir, grid.columns)
    print(f"\n{grid.caption}\n\n{markdown_table(results, grid.figure, grid.columns)}\n")
    if grid.columns:
        print(f"{domain_table(results, grid.figure)}\n")
    for evaluation, table in zip(("", f", evaluated with {options.evaluate_with}"), comparisons, strict=True):
        if table:
            print(f"DeGIA over plain training{evaluation}, beside the paper's:\n\n{table}\n")
    print(f"Tables:           {output_dir / 'summary.md'}, {output_dir / 'summary.csv'}")
    print(f"Plot:             {plot_results(results, grid.figure, output_dir / 'summary.png', grid.columns)}")
    for draw, name in ((plot_pck, "pck.png"), (plot_landmarks, "landmarks.png")):
        if path := draw(results, output_dir / name):
            print(f"                  {path}")
    _pictures(runs, output_dir)


def _run(options: argparse.Namespace, runs: list[Run], output_dir: Path) -> tuple[list[Result], list[Result]]:
    """The results of all runs, and of their second evaluation if there is one."""
    dataset_dir = options.dataset_dir or output_dir / "data"
    if options.grid == "demo":
        _render(dataset_dir)
    where = (options.root.resolve(), output_dir, dataset_dir, options.jobs)
    results = run_grid(runs, *where)
    return results, evaluate_grid(runs, options.evaluate_with, *where) if options.evaluate_with else []


def _read(options: argparse.Namespace, runs: list[Run]) -> tuple[list[Result], list[Result]]:
    """The same from result files."""
    overlay = options.evaluate_with
    return read_results(runs, options.results), read_results(runs, options.results, overlay) if overlay else []


def _overrides(entries: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` as the bundle's command line would read them."""
    wrong = [entry for entry in entries if not entry.partition("=")[0] or "=" not in entry]
    if wrong:
        raise UserError(f"--set takes KEY=VALUE, such as max_epochs=2, got {', '.join(wrong)}.")
    return {key: yaml.safe_load(value) for key, _, value in (entry.partition("=") for entry in entries)}


def _pictures(runs: list[Run], output_dir: Path) -> None:
    overlay, generated = collect_pictures(runs, output_dir)
    if overlay is not None:
        print(f"Overlay picture:  {overlay} (dots predicted, rings labelled)")
    if generated is not None:
        print(f"Generated images: {generated} (rows in pairs: source images, and what the ascent made of them)")


def _evaluate(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m monai_degia.experiments evaluate")
    parser.add_argument("run_dir", type=Path, help="folder of a finished run of digits")
    parser.add_argument(
        "sets", type=Path, help="a folder of sets (sub-folders or files, in any of their published forms), or one set"
    )
    parser.add_argument("--split", choices=("train", "test"), default="test", help="where a set holds both")
    options = parser.parse_args(arguments)
    sets = find_sets(options.sets, options.split)
    accuracies = evaluate_digits(options.run_dir, sets, options.split)
    rows = [[name, f"{100 * accuracy:.2f}", str(count)] for name, (accuracy, count) in accuracies.items()]
    unseen = [name for name in accuracies if name != source_domain(options.run_dir)]
    for label, names in {"mean": list(accuracies), "mean of unseen": unseen}.items():
        # A mean of one set, or one that stands there already, would say nothing.
        if len(names) > 1 and (label == "mean" or len(names) < len(accuracies)):
            mean = statistics.mean(accuracies[name][0] for name in names)
            rows.append([label, f"{100 * mean:.2f}", str(sum(accuracies[name][1] for name in names))])
    print(f"{options.run_dir}:\n\n{markdown(['set', 'accuracy (%)', 'images'], rows)}")


def _picture(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m monai_degia.experiments picture")
    parser.add_argument(
        "run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="of finished runs of digits with an ascent"
    )
    parser.add_argument("--output", type=Path, help="default: digits.png in the folder of the run, or of all runs")
    parser.add_argument("--mnist", type=Path, required=True, help="the source digits")
    parser.add_argument("--unseen", type=Path, required=True, help="file or folder of the unseen digits")
    parser.add_argument("--name", default="MNIST-M", help="what to call them in the picture")
    options = parser.parse_args(arguments)
    first = options.run_dirs[0]
    path = options.output or (first if len(options.run_dirs) == 1 else first.parent) / "digits.png"
    print(f"Picture: {draw_digits(options.run_dirs, options.mnist, options.unseen, path, options.name)}")


def _render(folder: Path) -> None:
    # Before the runs start: two of them must not write the same files.
    for modality, count, seed in (("photo", 600, 0), ("depth", 120, 1), ("xray", 120, 2)):
        write_synthetic_dataset(folder / modality, modality, count, seed=seed)


if __name__ == "__main__":
    main()
