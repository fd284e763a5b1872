"""The tables of the pages of results by name, each made from result files."""

from __future__ import annotations

import csv
import json
import runpy
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any

from overview_tables import front, full
from volume_tables import VOLUME_TABLES

from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.comparison import comparison_table
from monai_degia.experiments.runner import read_results
from monai_degia.experiments.tables import domain_table, markdown, markdown_table

HERE = Path(__file__).parent
SEVERAL = "run/self_consistent"
PART = "run/as_inference_part"
DOMAINS = ("photo", "depth", "xray", "xray_expert", "xray_dicom")
HEADINGS = ("photographs", "depth maps", "X-rays, MedNIST", "X-rays, experts' points", "X-ray, DICOM")
FIRST_SHIFTS = ("negative", "dark", "solarize", "equalize", "edges")


@cache
def kept(grid: str, folder: str, overlay: str = "", inference: str = "") -> list[dict[str, Any]]:
    """Results of a grid's rows that have a result file in a folder, with a second evaluation behind the first.

    Args:
        grid: a key of ``GRIDS``.
        folder: folder of result files, beside this file.
        overlay: that of the second evaluation; "" for none.
        inference: what the second is called in the table; "" for the overlay's name.

    """
    results = read_results(GRIDS[grid].runs(), HERE / folder)
    if not overlay:
        return results
    more = read_results(GRIDS[grid].runs(), HERE / folder, overlay)
    return _called(results, "1 pass") + (_called(more, inference) if inference else more)


def _called(results: list[dict[str, Any]], inference: str) -> list[dict[str, Any]]:
    return [{**result, "labels": {**result["labels"], "inference": inference}} for result in results]


def of_runs(grid: str, figure: str) -> str:
    """One line a row of a grid of hands, one column a domain; millimetres where all files tell the size of a pixel."""
    columns = {"xray_expert": ["xray_expert"]} if figure == MM else None
    return markdown_table(kept(grid, *_PLACE[grid]), figure, columns)


def beside_the_paper(grid: str, overlay: str) -> str:
    """DeGIA over plain training beside the paper's ratios."""
    results = read_results(GRIDS[grid].runs(), HERE / _PLACE[grid][0], overlay)
    return comparison_table(results, GRIDS[grid].figure, GRIDS[grid].published)


def digits() -> str:
    """The methods under the short protocol, means over domains."""
    return markdown_table(kept("peers_short", "peers_short"), GRIDS["peers_short"].figure, GRIDS["peers_short"].columns)


def weights(first: str, *rows: tuple[str, str]) -> str:
    """NME of evaluations of single networks: the first cell of a line, and its file, which may name an entry."""
    return markdown([first, *HEADINGS], [[label, *_percent(name)] for label, name in rows])


def photographs() -> str:
    """NME on each kind of held-out photographs, of the weights that ship and of those before."""
    held = json.loads((HERE / "weights" / "photographs.json").read_text(encoding="utf-8"))
    rows = [[label, *(f"{100 * value:.2f}" for value in kinds.values())] for label, kinds in held["mean_nme"].items()]
    return markdown(["weights, passes", *next(iter(held["mean_nme"].values()))], rows)


def either_side() -> str:
    """NME of the same images as they are and in a mirror."""
    held = json.loads((HERE / "weights" / "either_side.json").read_text(encoding="utf-8"))
    kinds = {"source": "source validation", "xray": "X-rays, MedNIST"}
    rows = [
        [label, str(held[kind]["count"]), *(f"{100 * held[kind + side]['nme']:.2f}" for side in ("", "_mirrored"))]
        for kind, label in kinds.items()
    ]
    return markdown(["images", "count", "as they are", "mirrored"], rows)


def _percent(name: str) -> list[str]:
    file, _, entry = name.partition("#")
    held = json.loads((HERE / "weights" / f"{file}.json").read_text(encoding="utf-8"))
    values = held[entry] if entry else {domain: held[domain]["nme"] for domain in DOMAINS}
    return [f"{100 * values[domain]:.2f}" for domain in DOMAINS]


def of_file(name: str) -> str:
    """A CSV file as it is."""
    header, *rows = csv.reader((HERE / "trials" / f"{name}.csv").open(encoding="utf-8"))
    return markdown(header, rows)


def hand_trials() -> str:
    """Every trial of hands on one set, by its rounds."""
    rows = [
        [row["trial"], row["what"], row["epochs"], row["criterion"], f"{100 * float(row['val_nme']):.2f}"]
        for row in _rows("trials.csv")
    ]
    return markdown(["trial", "what it is", "epochs", "criterion", "NME (%)"], rows)


def fourth_round() -> str:
    """NME on photographs, on shifted copies and their mean; clutter counts for nothing in it."""
    rows = []
    for row in _rows("trial_shifts_fourth.csv"):
        photo, shifted = float(row["photo"]), mean(float(row[shift]) for shift in FIRST_SHIFTS)
        cells = [photo, shifted, (photo + shifted) / 2, *(float(row[s]) for s in (*FIRST_SHIFTS, "clutter"))]
        rows.append([row["trial"], *(f"{100 * cell:.2f}" for cell in cells)])
    return markdown(["trial", "photographs", "shifted", "mean", *FIRST_SHIFTS, "clutter"], rows)


def more_hands() -> str:
    """NME on source validation of the trials on three sets, at some epochs."""
    held: dict[str, dict[str, float]] = {}
    for row in _rows("more_hands_trials.csv"):
        held.setdefault(row["trial"], {})[row["epoch"]] = float(row["val_nme_percent"])
    epochs = ("5", "15", "24", "30", "60")
    rows = [[trial, *(f"{own[epoch]:.2f}" if epoch in own else "" for epoch in epochs)] for trial, own in held.items()]
    return markdown(["trial", *(f"{epoch} epochs" for epoch in epochs)], rows)


def digit_trials() -> str:
    """Accuracy of the trials on digits by which the present settings were chosen."""
    rows = [[row["trial"], *(_tenth(row[key]) for key in ("plain", "shifted", "mean"))] for row in _new()]
    return markdown(["trial", "as they are", "shifted", "mean"], rows)


def digit_changes() -> str:
    """The same, read over all combinations that hold a change."""
    rows = _new()
    changes = list(rows[0])[5:]
    head = ["change", "plain", "random convolution", "pixels", "pixels, sharp grounds", "mixed"]
    head += ["pixels with random convolution", "the same, image among the views"]
    return markdown(head, [[change, *(_tenth(row[change]) for row in rows)] for change in changes])


def _tenth(share: str) -> str:
    return f"{round(100 * float(share), 2):.1f}"


def _new() -> list[dict[str, str]]:
    return [row for row in _rows("digit_trials.csv") if row["validation"].startswith("shape")]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((HERE / name).open(encoding="utf-8")))


def confidence_rules() -> str:
    """What each rule for the radius needs and gives."""
    rules = runpy.run_path(str(HERE.parent / "benchmarks" / "confidence_rules.py"))
    return rules["markdown"](json.loads((HERE / "confidence_rules.json").read_text(encoding="utf-8")))


#: Grid to the folder of its result files, the overlay of their second evaluation, and what tables call that.
_PLACE = {
    **dict.fromkeys(("hands", "table2"), ("hands", SEVERAL)),
    **dict.fromkeys(("more_hands", "more_table2"), ("more_hands", PART, "64 passes, part")),
}
NME, MSE, AUC, MM = "NME (% of hand size)", "MSE (normalised)", "PCK AUC (0 to 0.2)", "MRE (mm)"
TABLES: dict[str, Callable[[], str]] = {
    "front": front,
    "overview": full,
    **{f"hands, {figure}": partial(of_runs, "hands", figure) for figure in (NME, MSE, AUC, MM)},
    **{f"table2, {figure}": partial(of_runs, "table2", figure) for figure in (MSE, NME)},
    "table2, ratios, 1 pass": partial(beside_the_paper, "table2", ""),
    "table2, ratios, self_consistent": partial(beside_the_paper, "table2", SEVERAL),
    **{f"more_hands, {figure}": partial(of_runs, "more_hands", figure) for figure in (NME, MSE, MM)},
    **{f"more_table2, {figure}": partial(of_runs, "more_table2", figure) for figure in (NME, MSE)},
    "more_table2, ratios, 1 pass": partial(beside_the_paper, "more_table2", ""),
    "more_table2, ratios, 64 passes": partial(beside_the_paper, "more_table2", PART),
    "digits": digits,
    "digits, each domain": lambda: domain_table(kept("peers_short", "peers_short"), GRIDS["peers_short"].figure),
    "weights": partial(weights, "passes", ("1", "one_pass"), ("64", "as_inference")),
    "weights, median": partial(weights, "passes, median", ("64", "as_inference_images#median_nme")),
    "weights, beside plain training": partial(
        weights,
        "training, passes",
        ("plain training, 1", "long_plain_one_pass"),
        ("DeGIA, 1", "long_degia_one_pass"),
        ("plain training, 56, part", "long_plain_as_inference_part"),
        ("DeGIA, 56, part", "long_degia_images#nme_of_plain_subset"),
    ),
    "weights, photographs": photographs,
    "weights, either side": either_side,
    "weights, beside the weights before": partial(
        weights,
        "weights, passes",
        ("before, 1", "before_one_pass"),
        ("before, 56", "before"),
        ("now, 1", "one_pass"),
        ("now, 64", "as_inference"),
    ),
    "trials, hands on one set": hand_trials,
    "trials, fourth round": fourth_round,
    "trials, hands on three sets": more_hands,
    "trials, confidence": confidence_rules,
    "trials, digits": digit_trials,
    "trials, digits by change": digit_changes,
    **{f"trials/{path.stem}": partial(of_file, path.stem) for path in sorted((HERE / "trials").glob("*.csv"))},
    **VOLUME_TABLES,
}
