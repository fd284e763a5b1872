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
    """One line: the training, on how many sets, forward passes an image, and the metrics of each seed, by domain."""

    training: str
    sets: int
    passes: int
    seeds: Sequence[dict[str, Any]]


def one_set(method: str, passes: int) -> Line:
    """A method on one of the three sets, three seeds, the result files of the grid of hands."""
    suffix = "+self_consistent" if passes > 1 else ""
    names = [f"hands/resnet_{method}_seed={seed}{suffix}" for seed in (0, 1, 2)]
    return Line(METHODS[method], 1, passes, [_read(name)["metrics"] for name in names])


def three_sets(method: str, passes: int, name: str) -> Line:
    """A network on all three sets, one seed."""
    return Line(method, 3, passes, [_read(f"weights/{name}")])


def full() -> str:
    """All methods in one pass and in 32, and the weights that ship beside plain training."""
    return _table(
        [
            *(one_set(method, passes) for passes in (1, 32) for method in METHODS),
            three_sets("plain, right hands", 1, "plain_one_pass"),
            three_sets("DeGIA, right hands", 1, "before_one_pass"),
            three_sets("DeGIA, both hands", 1, "one_pass"),
            three_sets("DeGIA, both hands", 56, "as_inference"),
        ]
    )


def front() -> str:
    """Six of these lines."""
    return _table(
        [
            *(one_set(method, 32) for method in ("erm", "randconv", "degia_randconv")),
            three_sets("plain, right hands", 1, "plain_one_pass"),
            three_sets("DeGIA, right hands", 1, "before_one_pass"),
            three_sets("DeGIA, both hands", 1, "one_pass"),
            three_sets("DeGIA, both hands", 56, "as_inference"),
        ]
    )


def _table(lines: Sequence[Line]) -> str:
    """NME in %, and the distance in millimetres where all of a domain's files tell the size of a pixel."""
    head = ["training", "sets", "passes", *HEADINGS.values(), "the same in mm"]
    return markdown(head, [_cells(line) for line in lines])


def _cells(line: Line) -> list[str]:
    errors = [_spread([100 * metrics[domain]["nme"] for metrics in line.seeds], ".2f") for domain in HEADINGS]
    distance = _spread([metrics["xray_expert"]["mre_mm"] for metrics in line.seeds], ".1f")
    return [line.training, str(line.sets), str(line.passes), *errors, distance]


def _spread(values: Sequence[float], form: str) -> str:
    return f"{mean(values):{form}}" + (f" ± {stdev(values):{form}}" if len(values) > 1 else "")


def _read(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
