"""Landmarks of an inference as files: CSV for spreadsheets and data lists, JSON for programs."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import MetaTensor, decollate_batch
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.data.files import whole_file
from monai_degia.data.landmark_sets import landmark_names
from monai_degia.transforms.landmarks import denormalize_landmarks, landmarks_to_original
from monai_degia.writers.collecting import CollectingWriter

__all__ = ["LandmarkFileWriter"]


class LandmarkFileWriter(CollectingWriter):
    """Collect predictions of an evaluator and write the landmarks of each image in pixels of its file.

    ``landmarks.csv`` has a row an image: ``image``, then ``<joint>_x`` and ``<joint>_y`` in pixels (pixel centres at
    integers), ``outside`` (1 if any landmark lies beyond the image's edge) and ``spacing_mm`` (mm a pixel, or x and y
    where they differ; empty if unknown). ``load_datalist`` reads it, so corrected predictions can be trained on.
    ``landmarks.json`` has the same as a list of objects. Nothing else of a file's header is written.

    The evaluator's batches hold images from :class:`FileGeometryd` and, optionally, their ``spacing``; its output holds
    normalised landmarks (B, K, 2).

    Args:
        output_dir: folder of the two files.
        landmarks: name of the landmark set, or the K names.
        image_dir: folder that image names are relative to; None leaves the file names alone.
        model_version: name and version of the model, for the JSON file.

    Raises:
        ValueError: while the evaluator runs, if a prediction is not finite, or has another number of landmarks.

    """

    def __init__(
        self,
        output_dir: str | Path,
        landmarks: str | Sequence[str],
        image_dir: str | Path | None = None,
        model_version: str = "",
    ) -> None:
        super().__init__(output_dir)
        self.names = landmark_names(landmarks)
        self.image_dir, self.model_version = image_dir, model_version

    def _collect(self, engine: Engine) -> None:
        images = decollate_batch(engine.state.batch[CommonKeys.IMAGE])
        predictions = torch.as_tensor(engine.state.output[CommonKeys.PRED]).detach().cpu()
        spacings = engine.state.batch.get("spacing", torch.full((len(images), 2), torch.nan))
        for image, prediction, spacing in zip(images, predictions, spacings, strict=True):
            self._rows.append(self._entry(image, prediction, spacing))

    def _entry(self, image: MetaTensor, prediction: Tensor, spacing: Tensor) -> dict[str, Any]:
        name = self._image_name(image.meta["filename_or_obj"])
        if prediction.shape != (len(self.names), 2):
            raise ValueError(
                f"The network gives predictions of shape {tuple(prediction.shape)}, {len(self.names)} landmarks are "
                "named: use the landmarks that it was trained on."
            )
        if not torch.isfinite(prediction).all():
            raise ValueError(f"The prediction for {name} is not finite: the weights are of no use. Train anew.")
        points = landmarks_to_original(denormalize_landmarks(prediction, image.shape[1:]), image, self.names)
        edge = torch.as_tensor(image.meta["spatial_shape"]) - 0.5
        return {
            "image": name,
            "landmarks": {n: [round(float(v), 2) for v in p] for n, p in zip(self.names, points, strict=True)},
            "outside": bool(((points < -0.5) | (points > edge)).any()),
            "spacing_mm": [round(float(s), 6) for s in spacing] if torch.isfinite(spacing).all() else None,
            "model_version": self.model_version,
        }

    def _image_name(self, file: str) -> str:
        if self.image_dir is None:
            return Path(file).name
        return Path(os.path.relpath(file, self.image_dir)).as_posix()

    def _write(self, engine: Engine) -> None:
        with whole_file(self.output_dir / "landmarks.json") as partial:
            partial.write_text(json.dumps(self._rows, indent=2) + "\n", encoding="utf-8")
        with (
            whole_file(self.output_dir / "landmarks.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f, lineterminator="\n")
            columns = [f"{name}_{axis}" for name in self.names for axis in "xy"]
            writer.writerow(["image", *columns, "outside", "spacing_mm"])
            writer.writerows(map(_csv_row, self._rows))
        engine.logger.info(f"Landmarks of {len(self._rows)} images written to {self.output_dir}")


def _csv_row(entry: dict[str, Any]) -> list[str]:
    spacing = dict.fromkeys(f"{side:g}" for side in entry["spacing_mm"] or [])  # one number where both are the same
    values = [f"{value:.2f}" for point in entry["landmarks"].values() for value in point]
    return [entry["image"], *values, str(int(entry["outside"])), " ".join(spacing)]
