"""The tables of the page of volumes, from result files."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from monai_degia.experiments.tables import markdown

HERE = Path(__file__).parent / "volumes"
SETS = ("source_heldout", "unseen_D")
#: What a trial is, by the file it left; the first one is the method of the table.
TRIALS = {
    "segmentation/degia": "appearance, 3 steps, a round every 2 epochs (kept)",
    "trials/each_epoch": "a round every epoch",
    "trials/steps6": "6 steps",
    "trials/task10": "task loss weighted by 10",
    "trials/texture": "with a smooth texture",
    "trials/fading": "with fading",
    "trials/ri_degia": "on top of random intensity",
}
CONTROLS = {
    "segmentation/degia": "as above",
    "controls/steps0": "no step: the random maps of appearance alone",
    "controls/alpha01_task10": "`alpha` 0.1, task loss and shift of the prediction weighted by 10",
}
TERMS = {
    "task": "task loss",
    "nll": "negative log-likelihood",
    "transport": "cost of transport",
    "prediction": "shift of the prediction",
}


@cache
def example() -> dict[str, Any]:
    """What docs/examples/segmentation/compare.py defines."""
    return runpy.run_path(str(HERE.parents[1] / "examples" / "segmentation" / "compare.py"))


def compared(task: str, index: int) -> str:
    """One of the tables that the example prints."""
    return example()["tables"](HERE / task)[index]


def settings(of: dict[str, str], unseen: bool) -> str:
    """Dice by setting: held out, held out and changed, and on the unseen group or the number of seeds."""
    rows = []
    for name, label in of.items():
        runs = [_read(path) for path in sorted(HERE.glob(f"{name}_seed=*.json"))]
        changed = [mean(_mean(run, f"source_heldout, {shift}") for shift in example()["SHIFTS"]) for run in runs]
        held = [[_mean(run, "source_heldout") for run in runs], changed]
        held += [[_mean(run, "unseen_D") for run in runs]] if unseen else []
        rows.append([label, *(_spread(values) for values in held), str(len(runs))])
    last = ["unseen"] if unseen else []
    return markdown(["rounds" if unseen else "setting", "held out", "held out, changed", *last, "seeds"], rows)


def ascent() -> str:
    """Loss and bits along an ascent, of both tasks."""
    mask, landmarks = (_read(HERE / "terms.json")[task] for task in ("segmentation", "landmarks"))
    rows = [["source", *_along(mask["source"].values(), 3), *_along(landmarks["source"].values(), 4)]]
    for steps in mask["steps"]:
        label = "random map of appearance, no step" if steps == "0" else f"{steps} steps"
        rows.append([label, *_along(mask["steps"][steps], 3), *_along(landmarks["steps"][steps], 4)])
    bits = (f"{task['unseen_D']['bits']:.2f}" for task in (mask, landmarks))
    rows.append(["unseen group", "", next(bits), "", next(bits)])
    return markdown(["images", "Dice loss", "bits", "squared error of landmarks", "bits"], rows)


def gradients() -> str:
    """Length and cosine of each term's gradient at the start."""
    found = [_read(HERE / "terms.json")[task]["gradient"] for task in ("segmentation", "landmarks")]
    rows = [
        [label, *(text for own in found for text in (f"{own[term][0]:.3f}", f"{own[term][1]:.2f}"))]
        for term, label in TERMS.items()
    ]
    return markdown(["term", "mask: length", "cosine", "landmarks: length", "cosine"], rows)


def _along(values: Any, digits: int) -> list[str]:
    loss, bits = values
    rounded = Decimal(str(loss)).quantize(Decimal(10) ** -digits, ROUND_HALF_UP)  # the files hold rounded numbers
    return [str(rounded), f"{bits:.2f}"]


def _mean(run: dict[str, Any], name: str) -> float:
    return mean(run["figures"][name].values())


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


VOLUME_TABLES: dict[str, Callable[[], str]] = {
    **{
        f"volumes, {task}, {part}": partial(compared, task, index)
        for task in ("segmentation", "landmarks")
        for index, part in enumerate(("means", "differences"))
    },
    "volumes, settings": partial(settings, TRIALS, False),
    "volumes, controls": partial(settings, CONTROLS, True),
    "volumes, ascent": ascent,
    "volumes, gradients": gradients,
}
