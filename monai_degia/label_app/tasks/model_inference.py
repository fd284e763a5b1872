"""The bundle's model kept ready, for one image at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription
from monai_degia.model.trained_model import TrainedModel
from monai_degia.results.landmark_tables import landmark_entry
from monai_degia.results.markups import markups_text

__all__ = ["ModelInference"]


class ModelInference:
    """Predict for one file after the other, as ``configs/inference.json`` does; threads wait for each other.

    Args:
        trained: folder of the trained model.
        weights: state dict of the task network; the rest is that of the folder. A calibration does not hold for weights
            that were trained on, so these come without confidence.
        version: what to add to the model's version in results, such as ``+label.1``.
        max_pixels: largest image, see :class:`monai_degia.LoadAnyImaged`.
        **options: of :meth:`monai_degia.TrainedModel.load`, such as ``device``.

    Raises:
        ValueError: if there is no model.

    """

    def __init__(
        self,
        trained: str | Path,
        weights: str | Path,
        version: str = "",
        max_pixels: int | None = None,
        **options: Any,
    ) -> None:
        folder = Path(trained)
        if not (folder / DESCRIPTION_FILE).is_file():
            raise UserError(
                f"There is no model in {folder}. Name the bundle, --conf bundle FOLDER, or a trained model, "
                "--conf trained FOLDER."
            )
        whole = ModelDescription.load(folder / DESCRIPTION_FILE).version + version
        self._model = TrainedModel.load(folder, weights=weights, version=whole, **options)
        self._lock, self._max_pixels = threading.Lock(), max_pixels
        self.names: tuple[str, ...] = self._model.names

    def __call__(self, file: str | Path) -> tuple[str, dict[str, Any]]:
        """Find the landmarks of one image.

        Args:
            file: the image.

        Returns:
            Text of the Slicer markups, and the entry of ``landmarks.json``.

        Raises:
            RefusedRequest: if the file cannot be read as an image, or has no place for landmarks.

        """
        file = Path(file)
        with self._lock:
            try:
                (prediction,) = self._model.predict(file, num_workers=0, progress=False, max_pixels=self._max_pixels)
                return markups_text(prediction), landmark_entry(prediction)
            except UserError as error:
                reason = " ".join(str(error).split())
                raise RefusedRequest(reason.replace(str(file), file.name)) from None
