"""Whether confidence and domain shift mean what they say, on labelled images: figures and a plot."""

from __future__ import annotations

import json
import logging
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
from monai_degia.metrics.errors import hand_size, nme, radial_error
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.results.keys import DeGIAKeys

__all__ = ["ScoreReport"]

_logger = logging.getLogger(__name__)

_BINS = 5
_ECE_BINS = 10


class ScoreReport(CollectingWriter):
    """Compare the scores of :class:`monai_degia.ScoresHandler` with errors and domains.

    ``scores.json`` has for each domain the mean confidence and error of landmarks in five bins of confidence, with
    equal numbers of landmarks; the area under the ROC curve with which low confidence finds large errors; ``ece``, the
    expected calibration error of the confidence over ten such bins (Naeini et al., AAAI 2015); ``coverage``, the share
    of labels within the radius, and ``radius``, its median over the landmarks, in hand sizes; ``withheld``, the share
    of images whose confidence and radius are withheld, and which none of these counts; and, for unseen domains, the
    area with which the domain shift tells their images from source images. ``confidence.png`` draws the error over the
    confidence.

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
        columns = {"error": nme(found, label, alone=max(size)), "confidence": output["confidence"]}
        extent = hand_size(found).nan_to_num(max(size))  # one landmark has no size of its own
        if DeGIAKeys.RADIUS in output:
            columns["radius"] = output[DeGIAKeys.RADIUS]
            columns["held"] = radial_error(found, label) <= output[DeGIAKeys.RADIUS] * extent[:, None]
        shifts = output.get(DeGIAKeys.DOMAIN_SHIFT)
        for index, domain in enumerate(batch["domain"]):
            row = {"domain": domain, **{key: values[index].cpu() for key, values in columns.items()}}
            self._rows.append(row if shifts is None else {**row, "shift": float(shifts[index])})

    def _write(self, engine: Engine) -> None:
        domains = list(dict.fromkeys(row["domain"] for row in self._rows))
        scores = {domain: self._scores(domain) for domain in domains}
        with whole_file(self.output_dir / "scores.json") as partial:
            partial.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        with whole_file(self.output_dir / "confidence.png") as partial:
            _plot(partial, scores)
        for domain, values in scores.items():
            told = {"auroc_confidence", "ece", "coverage", "radius", "auroc_domain_shift", "withheld"}
            figures = ", ".join(
                f"{key} {value:.3f}" for key, value in values.items() if key in told and value is not None
            )
            _logger.info(f"{domain}: {values['count']} images, {figures}")

    def _scores(self, domain: str) -> dict[str, Any]:
        rows = [row for row in self._rows if row["domain"] == domain]
        told = [row for row in rows if not row["confidence"].isnan().all()]
        scores: dict[str, Any] = {"count": len(rows), "withheld": 1 - len(told) / len(rows)}
        if told:
            scores |= self._of_told(told)
        source = [row["shift"] for row in self._rows if row["domain"] == self.source_domain and "shift" in row]
        shifts = [row["shift"] for row in rows if "shift" in row]
        if source and shifts and domain != self.source_domain:
            scores["auroc_domain_shift"] = _auroc(
                torch.tensor([*source, *shifts]), torch.tensor([0] * len(source) + [1] * len(shifts)) > 0
            )
        return scores

    def _of_told(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        # A landmark without a label has no error.
        labelled = ~torch.cat([row["error"] for row in rows]).isnan()
        error, confidence = (torch.cat([row[key] for row in rows])[labelled] for key in ("error", "confidence"))
        parts = _parts(confidence, _BINS)
        scores: dict[str, Any] = {
            "confidence": [float(confidence[part].mean()) for part in parts],
            "error": [float(error[part].mean()) for part in parts],
            "auroc_confidence": _auroc(-confidence, error > self.tolerance),
            "ece": _calibration_error(confidence, error <= self.tolerance),
        }
        if "radius" in rows[0]:
            held, radius = (torch.cat([row[key] for row in rows])[labelled] for key in ("held", "radius"))
            scores |= {"coverage": float(held.double().mean()), "radius": float(radius.double().quantile(0.5))}
        return scores


def _parts(confidence: Tensor, count: int) -> list[Tensor]:
    """Indices of landmarks of rising confidence, in bins of equal numbers."""
    return [part for part in confidence.argsort().tensor_split(count) if len(part)]


def _calibration_error(confidence: Tensor, small: Tensor) -> float:
    parts = _parts(confidence, _ECE_BINS)
    gaps = [len(part) * abs(float(confidence[part].double().mean() - small[part].double().mean())) for part in parts]
    return sum(gaps) / len(confidence)


def _auroc(score: Tensor, positive: Tensor) -> float | None:
    """None where all are of one kind."""
    if positive.all() or not positive.any():
        return None
    return float(compute_roc_auc(score.double(), positive.long()))


def _plot(path: Path, scores: dict[str, dict[str, Any]], size: Sequence[float] = (6.0, 4.0)) -> None:
    figure = Figure(figsize=(size[0], size[1]), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    drawn = {domain: values for domain, values in scores.items() if "confidence" in values}
    for (domain, values), marker in zip(drawn.items(), "os^Dv<>p" * len(drawn), strict=False):
        axes.plot(values["confidence"], [100 * error for error in values["error"]], marker=marker, label=domain)
    axes.set_xlabel("confidence (mean of a fifth of the landmarks)")
    axes.set_ylabel("error (% of hand size)")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend()
    figure.savefig(path, format="png", dpi=150)
