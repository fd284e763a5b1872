"""The calibration of a trained network, fitted on an evaluator's validation images and written as a file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from ignite.engine import Engine
from monai.utils import CommonKeys

from monai_degia.metrics.calibration import fit_calibration
from monai_degia.metrics.errors import nme
from monai_degia.model.trained_model import TrainedModel
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.results.keys import DeGIAKeys

__all__ = ["CalibrationWriter"]


class CalibrationWriter(CollectingWriter):
    """Fit a :class:`monai_degia.ScoreCalibration` on the images of an evaluator, which must be source images alone.

    Attach it behind a :class:`monai_degia.ScoresHandler` that refines: landmarks of one look are then fitted as well.

    Args:
        output_dir: folder of the file, ``calibration.json``.
        source_domains: domains of images as they are; those of other domains, shifted copies, count for the confidence
            and not for what the flow calls usual.
        tolerance: the error that counts as small, as a fraction of the hand size.
        model: that predicts; the file says which of its weights and copies it was fitted for, without which no model
            uses it.

    """

    def __init__(
        self,
        output_dir: str | Path,
        source_domains: Collection[str],
        tolerance: float = 0.1,
        model: TrainedModel | None = None,
    ) -> None:
        super().__init__(output_dir)
        self.source_domains, self.tolerance, self.model = set(source_domains), tolerance, model

    def _collect(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        size = batch[CommonKeys.IMAGE].shape[2:]
        found = {"error": output[CommonKeys.PRED], "one_look_error": output.get(DeGIAKeys.ONE_LOOK)}
        label, bits = denormalize_landmarks(output[CommonKeys.LABEL], size), output.get(DeGIAKeys.BITS_PER_DIM)
        columns = {
            key: nme(denormalize_landmarks(points, size), label).cpu()
            for key, points in found.items()
            if points is not None
        }
        columns["disagreement"] = output[DeGIAKeys.DISAGREEMENT].cpu()
        for index, domain in enumerate(batch["domain"]):
            row = {key: values[index] for key, values in columns.items()}
            if bits is not None and domain in self.source_domains:
                row["bits"] = bits[index].cpu()
            self._rows.append(row)

    def _write(self, engine: Engine) -> None:
        bits = [row["bits"] for row in self._rows if "bits" in row]
        columns = {key: torch.cat([row[key] for row in self._rows]) for key in self._rows[0] if key != "bits"}
        calibration = fit_calibration(
            **columns, bits_per_dim=torch.stack(bits) if bits else None, tolerance=self.tolerance
        )
        if self.model is not None:
            calibration = replace(calibration, weights=self.model.weights_hash, copies=self.model.calibrated_for)
        calibration.save(self.output_dir / "calibration.json")
        engine.logger.info(f"Calibration on {len(self._rows)} images written to {self.output_dir}")
