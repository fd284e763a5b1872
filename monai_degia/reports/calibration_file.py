"""The calibration of a trained network, fitted on an evaluator's validation images and written as a file."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import MetaTensor, decollate_batch
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.metrics.calibration_fit import ObservedErrors, fit_calibration
from monai_degia.metrics.errors import hand_size, nme
from monai_degia.model.trained_model import TrainedModel
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.results.keys import DeGIAKeys
from monai_degia.shifts.copies import kinds_of_copy

__all__ = ["CalibrationWriter"]

_logger = logging.getLogger(__name__)

_WAYS = {"refined": CommonKeys.PRED, "one_look": DeGIAKeys.ONE_LOOK}


class CalibrationWriter(CollectingWriter):
    """Fit a :class:`monai_degia.ScoreCalibration` on the images of an evaluator, which must be source images alone.

    Attach it behind a :class:`monai_degia.ScoresHandler` that refines: landmarks of a single forward pass are then
    fitted as well.

    Args:
        output_dir: folder of the file, ``calibration.json``.
        source_domains: domains of images as they are; those of other domains, shifted copies, do not count for what the
            flow calls usual. What their domains name beyond one of these are the kinds of their shift, see
            :func:`monai_degia.calibration_copies`.
        tolerance: the error that counts as small, as a fraction of the hand size.
        model: that predicts; the file says which of its weights and copies it was fitted for, without which no model
            uses it.
        coverage: share of the true places that a radius should hold.
        label_error: mean distance of the labels from the true places, as a fraction of the hand size.

    """

    def __init__(
        self,
        output_dir: str | Path,
        source_domains: Collection[str],
        tolerance: float = 0.1,
        model: TrainedModel | None = None,
        coverage: float = 0.9,
        label_error: float = 0.0,
    ) -> None:
        super().__init__(output_dir)
        self.source_domains, self.tolerance, self.model = sorted(set(source_domains)), tolerance, model
        self.coverage, self.label_error = coverage, label_error

    def _collect(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        size = batch[CommonKeys.IMAGE].shape[2:]
        label = denormalize_landmarks(output[CommonKeys.LABEL], size)
        columns = {"disagreement": output[DeGIAKeys.DISAGREEMENT].cpu()}
        further = {"bits": DeGIAKeys.BITS_PER_DIM, "other_side": DeGIAKeys.OTHER_SIDE}
        columns |= {name: output[key].cpu() for name, key in further.items() if key in output}
        for way, key in _WAYS.items():
            if output.get(key) is not None:
                columns |= _errors(way, denormalize_landmarks(output[key], size), label, max(size))
        files = _files(batch[CommonKeys.IMAGE])
        for index, domain in enumerate(batch["domain"]):
            row: dict[str, Any] = {key: values[index] for key, values in columns.items()}
            row["kinds"] = kinds_of_copy(domain, self.source_domains)
            row["file"] = files[index] or f"image {len(self._rows)}"
            self._rows.append(row)

    def _write(self, engine: Engine) -> None:
        told = {"kinds", "file"}
        columns = {key: torch.stack([row[key] for row in self._rows]) for key in self._rows[0] if key not in told}
        calibration = fit_calibration(
            columns["disagreement"],
            _observed("refined", columns),
            _observed("one_look", columns) if "one_look" in columns else None,
            bits_per_dim=columns.get("bits"),
            other_side=columns.get("other_side"),
            kinds=[row["kinds"] for row in self._rows],
            photographs=[row["file"] for row in self._rows],
            tolerance=self.tolerance,
            coverage=self.coverage,
            label_error=self.label_error,
        )
        if self.model is not None:
            calibration = replace(
                calibration,
                weights=self.model.weights_hash,
                flow_weights=self.model.flow_hash,
                copies=self.model.calibrated_for,
            )
        calibration.save(self.output_dir / "calibration.json")
        _logger.info(f"Calibration on {len(self._rows)} images written to {self.output_dir}")


def _errors(way: str, points: Tensor, label: Tensor, side: int) -> dict[str, Tensor]:
    error = nme(points, label, alone=side).cpu()
    if points.shape[1] == 1:  # it has no size, neither as labelled nor as found
        return {way: error, f"{way} of found": error}
    of_found = error * (hand_size(label) / hand_size(points).clamp_min(1e-6)).cpu()[:, None]
    return {way: error, f"{way} of found": of_found}


def _observed(way: str, columns: dict[str, Tensor]) -> ObservedErrors:
    return ObservedErrors(columns[way], columns[f"{way} of found"])


def _files(images: Tensor) -> list[str]:
    """Of each image of a batch; empty where it does not say."""
    if not isinstance(images, MetaTensor):
        return [""] * len(images)
    return [str(image.meta.get("filename_or_obj", "")) for image in decollate_batch(images)]
