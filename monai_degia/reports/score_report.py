"""Whether confidence and domain shift mean what they say, on labelled images: figures and a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from monai.metrics import compute_roc_auc
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.io.files import whole_file
from monai_degia.metrics.errors import nme
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reports.collecting import CollectingWriter

__all__ = ["ScoreReport"]

_BINS = 5


class ScoreReport(CollectingWriter):
    """Compare the scores of :class:`monai_degia.ScoresHandler` with errors and domains.

    ``scores.json`` has for each domain the mean confidence and error of landmarks in five bins of confidence, with
    equal numbers of landmarks; the area under the ROC curve with which low confidence finds large errors; and, for
    unseen domains, that with which the domain shift tells their images from source images. ``confidence.png`` draws the
    error over the confidence.

    Args:
        output_dir: folder of the files.
        source_domain: the domain that the network was trained on.
        tolerance: a larger error is one to find, as a fraction of the hand size.

    """

    def __init__(self, output_dir: str | Path, source_domain: str, tolerance: float = 0.1) -> None:
        super().__init__(output_dir)
        self.source_domain, self.tolerance = source_domain, tolerance

    def _collect(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        size = batch[CommonKeys.IMAGE].shape[2:]
        found, label = (denormalize_landmarks(output[key], size) for key in (CommonKeys.PRED, CommonKeys.LABEL))
        error = nme(found, label)
        shifts = output.get("domain_shift", [None] * len(error))
        for domain, own_error, confidence, shift in zip(
            batch["domain"], error, output["confidence"], shifts, strict=True
        ):
            row = {"domain": domain, "error": own_error.cpu(), "confidence": confidence.cpu()}
            self._rows.append(row if shift is None else {**row, "shift": float(shift)})

    def _write(self, engine: Engine) -> None:
        domains = list(dict.fromkeys(row["domain"] for row in self._rows))
        scores = {domain: self._scores(domain) for domain in domains}
        with whole_file(self.output_dir / "scores.json") as partial:
            partial.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        with whole_file(self.output_dir / "confidence.png") as partial:
            _plot(partial, scores)
        for domain, values in scores.items():
            found = {key.removeprefix("auroc_"): value for key, value in values.items() if key.startswith("auroc")}
            figures = ", ".join(f"{key} {value:.3f}" for key, value in found.items() if value is not None)
            engine.logger.info(f"{domain}: {values['count']} images, AUROC of {figures or 'nothing'}")

    def _scores(self, domain: str) -> dict[str, Any]:
        rows = [row for row in self._rows if row["domain"] == domain]
        error, confidence = (torch.cat([row[key] for row in rows]) for key in ("error", "confidence"))
        parts = [part for part in confidence.argsort().tensor_split(_BINS) if len(part)]
        scores: dict[str, Any] = {
            "count": len(rows),
            "confidence": [float(confidence[part].mean()) for part in parts],
            "error": [float(error[part].mean()) for part in parts],
            "auroc_confidence": _auroc(-confidence, error > self.tolerance),
        }
        source = [row["shift"] for row in self._rows if row["domain"] == self.source_domain and "shift" in row]
        shifts = [row["shift"] for row in rows if "shift" in row]
        if source and shifts and domain != self.source_domain:
            scores["auroc_domain_shift"] = _auroc(
                torch.tensor([*source, *shifts]), torch.tensor([0] * len(source) + [1] * len(shifts)) > 0
            )
        return scores


def _auroc(score: Tensor, positive: Tensor) -> float | None:
    """None where all are of one kind."""
    if positive.all() or not positive.any():
        return None
    return float(compute_roc_auc(score.double(), positive.long()))


def _plot(path: Path, scores: dict[str, dict[str, Any]], size: Sequence[float] = (6.0, 4.0)) -> None:
    figure = Figure(figsize=(size[0], size[1]), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (domain, values), marker in zip(scores.items(), "os^Dv<>p" * len(scores), strict=False):
        axes.plot(values["confidence"], [100 * error for error in values["error"]], marker=marker, label=domain)
    axes.set_xlabel("confidence (mean of a fifth of the landmarks)")
    axes.set_ylabel("error (% of hand size)")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png", dpi=150)
