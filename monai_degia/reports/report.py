"""The report of an evaluation: figures per domain and landmark, every prediction, and pictures of the first few."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.inferers.passes import passes_of
from monai_degia.io.files import whole_file
from monai_degia.io.spreadsheets import plain_row
from monai_degia.metrics.errors import landmark_size
from monai_degia.metrics.summary import summarize_landmarks
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.results.overlay import draw_landmarks, save_overlay_grid

__all__ = ["LandmarkReport"]

_logger = logging.getLogger(__name__)


class LandmarkReport(CollectingWriter):
    """Collect predictions of an evaluator and write what they are worth, per domain.

    Files in ``output_dir``: ``metrics.json`` (:func:`summarize_landmarks`, and ``passes``, the forward passes that each
    prediction took, fewer where an image's side is known, None where the inferer does not tell), ``errors.csv`` (one
    row an image and labelled landmark, error in network pixels and over the size) and ``overlay.png`` (rows are
    domains; dots are predictions, rings the labels).

    Args:
        output_dir: folder of the report.
        landmarks: the K landmarks, see :func:`monai_degia.landmark_set`; their ``size`` is what errors are measured in.
        image_size: (X, Y) of the network.
        pictures: pictures a domain, spread over its images.

    """

    def __init__(
        self, output_dir: str | Path, landmarks: Landmarks, image_size: Sequence[int], pictures: int = 6
    ) -> None:
        super().__init__(output_dir)
        self.landmarks = landmark_set(landmarks)
        self.names = self.landmarks.names
        self.image_size, self.pictures = tuple(image_size), pictures

    def _collect(self, engine: Engine) -> None:
        output, batch = engine.state.output, engine.state.batch
        images, predictions, labels = (
            output[key].detach().cpu() for key in (CommonKeys.IMAGE, CommonKeys.PRED, CommonKeys.LABEL)
        )
        spacings = batch.get("spacing", torch.full((len(images), 2), torch.nan))
        for index, domain in enumerate(batch["domain"]):
            known = bool(torch.isfinite(spacings[index]).all())
            self._rows.append(
                {
                    "domain": domain,
                    "image": images[index],
                    "prediction": predictions[index],
                    "label": labels[index],
                    "spacing": spacings[index].tolist() if known else None,
                }
            )

    def _write(self, engine: Engine) -> None:
        columns = {key: [row[key] for row in self._rows] for key in ("prediction", "label", "domain", "spacing")}
        summary = summarize_landmarks(
            columns["prediction"],
            columns["label"],
            self.image_size,
            self.landmarks,
            columns["domain"],
            columns["spacing"],
        )
        passes = passes_of(getattr(engine, "inferer", None))
        told = {domain: {"passes": passes, **values} for domain, values in summary.items()}
        with whole_file(self.output_dir / "metrics.json") as partial:
            partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        with whole_file(self.output_dir / "errors.csv") as partial:
            self._write_errors(partial)
        rows = {domain: self._pictures(domain) for domain in summary}
        title = "dots: predicted, rings: labelled"
        save_overlay_grid(self.output_dir / "overlay.png", rows, title=title)
        for domain, values in summary.items():
            _logger.info(
                f"{domain}: {values['count']} images{_passes_in_words(passes)}, "
                f"NME {100 * values['nme']:.2f} % of {self.landmarks.size_name}, "
                f"MSE {values['mse']:.5f}, AUC {values['auc']:.3f}"
                + (f"; {values['missing']} landmarks without a label" if values["missing"] else "")
            )
        _logger.info(f"Evaluation written to {self.output_dir}")

    def _write_errors(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["domain", "index", "landmark", "error_px", "error_over_size"])
            for index, row in enumerate(self._rows):
                prediction, label = (
                    denormalize_landmarks(row[key], self.image_size) for key in ("prediction", "label")
                )
                error = (prediction - label).norm(dim=-1)
                size = landmark_size(label[None], self.landmarks.size_ends)
                for name, value, relative in zip(self.names, error, error / size, strict=True):
                    if not value.isnan():
                        over = "" if relative.isnan() else f"{relative:.5f}"
                        writer.writerow(plain_row([row["domain"], str(index), name, f"{value:.4f}", over]))

    def _pictures(self, domain: str) -> list[Any]:
        rows = [row for row in self._rows if row["domain"] == domain]
        count = min(self.pictures, len(rows))
        chosen = [rows[i * len(rows) // count] for i in range(count)]
        drawn: list[Any] = [self._draw(row["image"], row["prediction"], row["label"]) for row in chosen]
        return drawn + [None] * (self.pictures - count)

    def _draw(self, image: Tensor, prediction: Tensor, label: Tensor) -> Any:
        points, target = (
            denormalize_landmarks(prediction, self.image_size),
            denormalize_landmarks(label, self.image_size),
        )
        return draw_landmarks(image, points, self.landmarks, target=target)


def _passes_in_words(passes: int | None) -> str:
    return "" if passes is None else f", {passes} forward pass{'es' if passes > 1 else ''} each"
