"""Command line: ``python -m monai_degia.experiments demo|hands``."""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import replace
from pathlib import Path

from monai_degia.data.synthetic import write_synthetic_dataset
from monai_degia.engines.errors import show_short_errors
from monai_degia.experiments.grids import GRIDS
from monai_degia.experiments.pictures import side_by_side
from monai_degia.experiments.runner import run_grid
from monai_degia.experiments.tables import markdown_table, write_tables


def main(arguments: list[str] | None = None) -> None:
    """Run an experiment, print its table and say where everything is."""
    show_short_errors()
    parser = argparse.ArgumentParser(prog="python -m monai_degia.experiments", description=__doc__)
    parser.add_argument("grid", choices=sorted(GRIDS), help="demo: rendered hands, a few minutes; hands: real hands")
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds bundle/ and configs/")
    parser.add_argument("--output_dir", type=Path, help="default: runs/<grid>")
    parser.add_argument("--dataset_dir", type=Path, help="folder of the data sets; default: <output_dir>/data")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: those of the grid")
    parser.add_argument("--methods", nargs="+", help="default: those of the grid")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    options = parser.parse_args(arguments)
    output_dir = options.output_dir or Path("runs") / options.grid
    dataset_dir = options.dataset_dir or output_dir / "data"
    grid = GRIDS[options.grid]
    if options.methods:
        grid = replace(grid, methods=options.methods)
    if options.grid == "demo":
        _render(dataset_dir)
    results = run_grid(grid.runs(options.seeds), options.root.resolve(), output_dir, dataset_dir, options.jobs)
    write_tables(results, output_dir)
    print("\nError in % of hand size (NME), lower is better; trained on photographs alone:\n")
    print(markdown_table(results))
    backbone, seed = grid.backbones[-1], (options.seeds or grid.seeds)[0]
    folders = {method: output_dir / f"{backbone}_{method}_seed={seed}" for method in grid.methods}
    overlay = side_by_side(
        {method: folder / "evaluation" / "overlay.png" for method, folder in folders.items()},
        output_dir / "overlay.png",
    )
    if "degia" not in folders:
        return
    last = max(folders["degia"].glob("generated_round=*.png"))
    generated = Path(shutil.copyfile(last, output_dir / "generated.png"))
    print(f"\nTables:           {output_dir / 'summary.md'}, {output_dir / 'summary.csv'}")
    print(f"Overlay picture:  {overlay} ({backbone}; dots predicted, rings labelled)")
    print(f"Generated images: {generated} (rows in pairs: photographs, and what the ascent made of them)")


def _render(folder: Path) -> None:
    # Before the runs start: two of them must not write the same files.
    for modality, count, seed in (("photo", 600, 0), ("depth", 120, 1), ("xray", 120, 2)):
        write_synthetic_dataset(folder / modality, modality, count, seed=seed)


if __name__ == "__main__":
    main()
