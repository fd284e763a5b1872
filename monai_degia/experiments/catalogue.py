"""The experiments by name."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from monai_degia.data.digits.corruptions import CORRUPTIONS
from monai_degia.data.digits.made_sets import MADE_SETS
from monai_degia.experiments.grids import Grid, Row

__all__ = ["GRIDS"]

PEERS = (
    "erm",
    "ada",
    "me_ada",
    "randconv",
    "degia_clamped",
    "degia_pixel",
    "degia_appearance",
    "degia_mixed",
    "degia_randconv",
)
#: What the digits' tables show of many domains; the unseen ones count alike in the mean.
DIGIT_COLUMNS = {
    "mnist": ("mnist",),
    "mnist_m": ("mnist_m",),
    "usps_like": ("usps_like",),
    "MNIST-C": tuple(CORRUPTIONS),
    "mean of unseen": ("mnist_m", *MADE_SETS),
}

#: The paper's Table 1: lambda, alpha and beta about its best point (0.1, 1, 20 %), then each term of Eq. (7) left out.
TABLE1: dict[str, dict[str, Any]] = {
    "lambda=0.1 alpha=1 beta=20%": {},
    "lambda=0": {"flow_def::shift_scale": 0.0},
    "lambda=1": {"flow_def::shift_scale": 1.0},
    "alpha=0.01": {"objective::alpha": 0.01},
    "alpha=0.1": {"objective::alpha": 0.1},
    "beta=1%": {"maximizer::fraction": 0.01},
    "beta=10%": {"maximizer::fraction": 0.1},
    "beta=30%": {"maximizer::fraction": 0.3},
    "without task loss": {"objective::task_weight": 0.0},
    "without NLL": {"objective::nll_weight": 0.0},
    "without transport cost": {"objective::alpha": 0.0},
    "without prediction term": {"objective::prediction_weight": 0.0},
}


#: The paper's Table 2: mean squared error of plain training and of DeGIA.
TABLE2 = {
    ("lenet", "photo"): (0.0506, 0.0345),
    ("lenet", "depth"): (0.0697, 0.0534),
    ("lenet", "xray"): (0.1266, 0.0735),
    ("alexnet", "photo"): (0.0105, 0.0102),
    ("alexnet", "depth"): (0.0484, 0.0401),
    ("alexnet", "xray"): (0.0472, 0.0336),
    ("vgg", "photo"): (0.0083, 0.0195),
    ("vgg", "depth"): (0.0822, 0.0709),
    ("vgg", "xray"): (0.0981, 0.0284),
    ("resnet", "photo"): (0.0982, 0.0295),
    ("resnet", "depth"): (0.2596, 0.1065),
    ("resnet", "xray"): (0.1447, 0.1140),
    ("densenet", "photo"): (0.0194, 0.0162),
    ("densenet", "depth"): (0.0958, 0.0863),
    ("densenet", "xray"): (0.1221, 0.1214),
}

#: Photographs of three sets, each mirrored to one side, and all that is unseen.
HANDS = ("data/hands", "data/hands_one_side", "data/hands_expert")
#: What a run on them takes: two thirds of the bundle's own schedule, and few of its validations, which are long.
HANDS_LENGTH = {"max_epochs": 16, "val_interval": 4}
#: The same for one set, and the paper's fully connected layer: what the tables up to November 2026 were made with.
SIGNDIGITS = ("data/signdigits", "data/hands_expert", "head/regression")


def _rows(
    backbones: tuple[str, ...],
    methods: tuple[str, ...],
    overlays: tuple[str, ...] = SIGNDIGITS,
    overrides: dict[str, Any] | None = None,
) -> list[Row]:
    return [
        Row(
            {"network": backbone, "method": method},
            (*overlays, f"backbone/{backbone}", f"method/{method}"),
            overrides or {},
        )
        for backbone, method in itertools.product(backbones, methods)
    ]


def _demo_rows() -> list[Row]:
    rows = _rows(("lenet", "resnet"), ("erm", "degia"), ("data/synthetic", "head/regression"))
    return [replace(row, overlays=(*row.overlays, "run/demo")) for row in rows]


def _hands(rows: list[Row], seeds: tuple[int, ...]) -> Grid:
    caption = "Error in % of hand size (NME), lower is better; trained on photographs alone:"
    return Grid(rows, seeds, "NME (% of hand size)", caption)


def _table2() -> Grid:
    """The paper's Table 2, then on one network random convolution, the other ascents, and the heatmap head."""
    rows = _rows(("lenet", "alexnet", "vgg", "resnet", "densenet"), ("erm", "degia"))
    rows += _rows(("resnet",), ("randconv", "degia_clamped", "degia_pixel", "degia_latent", "degia_randconv"))
    rows += [
        Row(
            {"network": "resnet heatmap", "method": method},
            (*SIGNDIGITS, "backbone/resnet", f"method/{method}"),
            {"network_def::head": "heatmap"},
        )
        for method in ("erm", "degia")
    ]
    caption = "Mean squared error of normalised coordinates, lower is better; trained on photographs alone:"
    return Grid(rows, (0, 1, 2), "MSE (normalised)", caption, TABLE2)


def _more_table2() -> Grid:
    """The paper's Table 2 on the photographs of three sets, with heatmaps."""
    rows = _rows(("lenet", "alexnet", "vgg", "resnet", "densenet"), ("erm", "degia"), HANDS, HANDS_LENGTH)
    caption = (
        "Mean squared error of normalised coordinates, lower is better; trained on photographs of three sets alone:"
    )
    return Grid(rows, (0, 1, 2), "MSE (normalised)", caption, TABLE2)


def _digits(
    labels: dict[str, str], settings: tuple[str, ...], method: str, overrides: dict[str, Any] | None = None
) -> Row:
    overlays = ("digits/task", *(f"digits/{setting}" for setting in settings), f"digits/method/{method}")
    return Row(labels, overlays, overrides or {})


def _peers(setting: str, seeds: tuple[int, ...], iterations: str) -> Grid:
    rows = [_digits({"method": method}, (setting,), method) for method in PEERS]
    caption = f"Accuracy in %, trained on 10,000 digits of MNIST, {iterations}:"
    return Grid(rows, seeds, "Accuracy (%)", caption, columns=DIGIT_COLUMNS)


def _table1(settings: tuple[str, ...], points: dict[str, dict[str, Any]], iterations: str) -> Grid:
    rows = [_digits({"setting": "plain"}, settings, "erm")]
    # The paper's alpha: the method's own is that of a start far from the source.
    rows += [
        _digits({"setting": name}, settings, "degia_pixel", {"objective::alpha": 1.0, **options})
        for name, options in points.items()
    ]
    caption = f"Accuracy in %, LeNet trained on MNIST, {iterations}:"
    return Grid(rows, (0, 1, 2), "Accuracy (%)", caption, columns=DIGIT_COLUMNS)


GRIDS: dict[str, Grid] = {
    "demo": _hands(_demo_rows(), (0,)),
    # Rows of table2: both grids share runs if they share their --output_dir.
    "hands": _hands(_rows(("resnet",), ("erm", "randconv", "degia", "degia_randconv")), (0, 1, 2)),
    # Their runs of one network and method are the same ones, if they share their --output_dir.
    "more_hands": _hands(
        _rows(("resnet",), ("erm", "randconv", "degia", "degia_randconv"), HANDS, HANDS_LENGTH), (0, 1, 2)
    ),
    "more_table2": _more_table2(),
    "peers": _peers("protocol", (0, 1, 2, 3, 4), "10,000 iterations of 32"),
    "peers_short": _peers("short", (0, 1, 2), "2,000 iterations of 64"),
    "table1": _table1(("paper", "paper_short"), TABLE1, "2,000 iterations of 64"),
    "table1_full": _table1(("paper",), dict(itertools.islice(TABLE1.items(), 1)), "3,000 iterations of 128"),
    "table2": _table2(),
}
