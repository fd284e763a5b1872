"""The short table of the front page and of the page of results: methods x domains, from result files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from monai_degia.experiments.tables import markdown

HERE = Path(__file__).parent
HEADINGS = {
    "photo": "photographs",
    "depth": "depth maps",
    "xray": "X-rays, MedNIST",
    "xray_expert": "X-rays, experts' points",
}
METHODS = {
    "erm": "plain",
    "randconv": "random convolution",
    "degia": "DeGIA",
    "degia_randconv": "DeGIA + random convolution",
}


class Line(NamedTuple):
    """One line: the training, forward passes an image, and the metrics of each seed, by domain."""

    training: str
    passes: str
    seeds: Sequence[dict[str, Any]]


def method(name: str, passes: int) -> Line:
    """A method on three sets, the seeds that have run: result files of the grid ``more_hands``; 64 passes on a part."""
    suffix = "+as_inference_part" if passes > 1 else ""
    files = sorted((HERE / "more_hands").glob(f"resnet_{name}_seed=?{suffix}.json"))
    return Line(METHODS[name], f"{passes}, part" if passes > 1 else "1", [_read(file)["metrics"] for file in files])


def shipped(passes: int) -> Line:
    """The weights that ship."""
    file = HERE / "weights" / ("as_inference.json" if passes > 1 else "one_pass.json")
    return Line("DeGIA, as it ships", str(passes), [_read(file)])


def full() -> str:
    """All methods and the weights that ship, in one pass and in 64."""
    return _table([*(method(name, passes) for passes in (1, 64) for name in METHODS), shipped(1), shipped(64)])


def front() -> str:
    """Six of these lines."""
    lines = [method(name, passes) for passes in (1, 64) for name in ("erm", "degia")]
    return _table([*lines, shipped(1), shipped(64)])


def _table(lines: Sequence[Line]) -> str:
    """NME in %, and the distance in millimetres where all of a domain's files tell the size of a pixel."""
    head = ["training", "passes", *HEADINGS.values(), "the same in mm"]
    return markdown(head, [_cells(line) for line in lines])


def _cells(line: Line) -> list[str]:
    errors = [_spread([100 * metrics[domain]["nme"] for metrics in line.seeds], ".2f") for domain in HEADINGS]
    distance = _spread([metrics["xray_expert"]["mre_mm"] for metrics in line.seeds], ".1f")
    return [line.training, line.passes, *errors, distance]


def _spread(values: Sequence[float], form: str) -> str:
    return f"{mean(values):{form}}" + (f" ± {stdev(values):{form}}" if len(values) > 1 else "")


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
