"""Compare rules for the radius of a landmark on source validation and shifted copies of it, each kind left out once.

    python docs/benchmarks/confidence_rules.py DATA [--every N] [--output FILE] [--cache_dir FOLDER]

DATA holds the photographs of configs/data/hands.yaml (docs/results.md). Prints, for each rule, the level that it needs
to hold 90 % of the kinds left out in the mean, the least that it holds of a kind, and the median of its radius in % of
the hand: over the kinds left out, and for photographs as they are.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from ignite.engine import Engine
from monai.bundle import ConfigWorkflow
from torch import Tensor

from monai_degia import CalibrationWriter
from monai_degia.metrics.conformal import conformal_radius

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "bundle/configs/train.json",
    "configs/data/hands.yaml",
    "bundle/configs/evaluate.json",
    "configs/run/calibrate.yaml",
]
LARGEST = 4.0  # standard deviations of the likelihood that count: beyond, a straight line would run away


def _kept(known: dict[str, Tensor]) -> list[Tensor]:
    return [known["own"], known["image"], known["side"], known["side"] * known["image"]]


#: Name to what the logarithm of the radius is a sum of, beside a constant.
RULES: dict[str, Callable[[dict[str, Tensor]], list[Tensor]]] = {
    "the same for all": lambda known: [],
    "disagreement of the landmark": lambda known: [known["own"]],
    "... and mean of the image": lambda known: [known["own"], known["image"]],
    "... and other side": lambda known: [known["own"], known["image"], known["side"]],
    "... and its product with the mean (kept)": _kept,
    "... and domain shift": lambda known: [*_kept(known), known["shift"]],
}


class RowsWriter(CalibrationWriter):
    """Hands over what a calibration would be fitted on."""

    rows: list[dict[str, Any]]

    def _write(self, engine: Engine) -> None:
        type(self).rows = self._rows


def observed(arguments: argparse.Namespace, folder: str) -> list[dict[str, Any]]:
    """Predict for the images of source validation and their copies."""
    workflow = ConfigWorkflow(
        [str(ROOT / name) for name in FILES],
        workflow_type="train",
        logging_file=False,
        dataset_dir=arguments.data,
        ckpt_dir=str(ROOT / "bundle" / "models"),
        output_dir=folder,
        cache_dir=arguments.cache_dir,
        **{
            "validate::dataset::data": f"$monai_degia.calibration_copies(@splits[1][::{arguments.every}])",
            "validate::handlers": [RowsWriter(folder, ["photo"])],
        },
    )
    workflow.initialize()
    workflow.run()
    return RowsWriter.rows


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row of the table for each rule."""
    wanted = [key for key in ("disagreement", "refined of found", "bits", "other_side") if key in rows[0]]
    columns = {key: torch.stack([row[key] for row in rows]).double() for key in wanted}
    # A network of both sides is not asked about the other one: nothing speaks for it.
    columns.setdefault("other_side", torch.zeros(len(rows), dtype=torch.float64))
    as_is = torch.tensor([not row["kinds"] for row in rows])
    own, bits = columns["disagreement"].log(), columns["bits"]
    shift = ((bits - bits[as_is].mean()).abs() / bits[as_is].std()).clamp_max(LARGEST)
    of_image = {"image": own.mean(1), "side": columns["other_side"], "shift": shift}
    known = {"own": own, **{key: value[:, None].expand_as(own) for key, value in of_image.items()}}
    names = list(dict.fromkeys(row["file"] for row in rows))
    half = torch.tensor([names.index(row["file"]) % 2 == 0 for row in rows])
    table = []
    for name, rule in RULES.items():
        parts = rule(known)
        features = torch.stack([torch.ones_like(own), *parts], -1)
        found = conformal_radius(features, columns["refined of found"], [row["kinds"] for row in rows], half, 0.9)
        radius = (features @ torch.tensor(found.weights, dtype=torch.float64)).exp()
        table.append(
            {
                "rule": name,
                "level": found.level,
                "least": min(found.left_out.values()),
                "left_out": median(found.median_left_out.values()),
                "as_is": float(radius[as_is].median()),
            }
        )
    return table


def markdown(table: list[dict[str, Any]]) -> str:
    """The table as the page shows it."""
    lines = [
        "| radius by | level | least of a kind | radius, left out | radius, as they are |",
        "|---|---|---|---|---|",
    ]
    for row in table:
        radii = " | ".join(f"{100 * row[key]:.1f} %" for key in ("left_out", "as_is"))
        lines.append(f"| {row['rule']} | {row['level']:.3f} | {100 * row['least']:.0f} % | {radii} |")
    return "\n".join(lines)


def main() -> None:
    """Predict, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--every", type=int, default=4, help="take every so manyth image of source validation")
    parser.add_argument("--cache_dir")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = compare(observed(arguments, folder))
    if arguments.output:
        arguments.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(markdown(table))


if __name__ == "__main__":
    main()
