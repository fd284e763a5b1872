"""The experiments by name."""

from __future__ import annotations

import itertools

from monai_degia.experiments.grids import Grid, Row

__all__ = ["GRIDS"]

HANDS_CAPTION = "Error in % of hand size (NME), lower is better; trained on photographs alone:"
DIGITS_CAPTION = "Accuracy in %, trained on MNIST alone:"


def _hands(data: str, backbones: tuple[str, ...], seeds: tuple[int, ...], extra: tuple[str, ...] = ()) -> Grid:
    rows = [
        Row(
            {"network": backbone, "method": method},
            (f"data/{data}", f"backbone/{backbone}", f"method/{method}", *extra),
        )
        for backbone, method in itertools.product(backbones, ("erm", "degia"))
    ]
    return Grid(rows, seeds, "NME (% of hand size)", HANDS_CAPTION)


GRIDS: dict[str, Grid] = {
    "demo": _hands("synthetic", ("lenet", "resnet"), (0,), ("run/demo",)),
    "hands": _hands("hands", ("resnet",), (0, 1, 2)),
}
