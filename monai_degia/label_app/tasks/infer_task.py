"""MONAI Label's inference task on the bundle."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.batch_infer import BatchInferTask
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.image_files import check_image_file, single_file
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.label_app.tasks.model_inference import ModelInference

__all__ = ["LandmarkBatchInferTask", "LandmarkInferTask"]

logger = logging.getLogger(__name__)


class LandmarkInferTask(InferTask):
    """Landmarks of one image as a file of Slicer markups, and the same as plain values.

    It is none of MONAI Label's tasks for networks that give images back, since the model itself knows all that happens
    between file and result. Its type is ``detection``: 3D Slicer offers only segmentation and detection
    models in its panel, and loads what a detection gives as markups.

    Args:
        model: which weights serve.
        max_pixels: largest image.
        **options: of :meth:`monai_degia.TrainedModel.load`, such as ``device``.

    """

    def __init__(self, model: ModelFolder, max_pixels: int, **options: Any) -> None:
        self.model, self.max_pixels, self.options = model, max_pixels, options
        self._ready: tuple[Path, ModelInference] | None = None
        names = self.inference.names
        super().__init__(
            type=InferType.DETECTION,
            labels={name: index for index, name in enumerate(names, start=1)},
            dimension=2,
            description=f"{len(names)} landmarks, as Slicer markups",
        )

    @property
    def inference(self) -> ModelInference:
        """The model with the weights in use; made anew after a training."""
        weights = self.model.weights
        if self._ready is None or self._ready[0] != weights:
            options = {"max_pixels": self.max_pixels, **self.options}
            self._ready = weights, ModelInference(self.model.trained, weights, self.model.version, **options)
        return self._ready[1]

    def is_valid(self) -> bool:
        """Whether there are weights."""
        return self.model.weights.is_file()

    def get_path(self, validate: bool = True) -> str | None:
        """Fine-tuned weights for download; never those of the bundle, which MONAI Label would also delete."""
        return str(self.model.fine_tuned) if self.model.fine_tuned else None

    def find(self, file: str | Path, instance: str = "") -> tuple[str, dict[str, Any]]:
        """Find the landmarks of one image.

        Args:
            file: the image, or the folder of a DICOM series.
            instance: SOPInstanceUID of the image, for a series of several.

        Returns:
            Text of the Slicer markups, and the entry of ``landmarks.json``.

        Raises:
            RefusedRequest: if the file cannot be used.

        """
        path = single_file(file, instance)
        check_image_file(path, self.max_pixels)
        return self.inference(path)

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Infer for a request: path of a new ``.mrk.json`` file, and the result as plain values."""
        markups, entry = self.find(request["image"], str(request.get("instance") or ""))
        # No dot in the name: MONAI Label takes all that follows the first one for the ending.
        handle, path = tempfile.mkstemp(prefix="landmarks_", suffix=".mrk.json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(markups)
        return path, {**entry, "label_names": self.labels}


class LandmarkBatchInferTask(BatchInferTask):
    """MONAI Label's, on machines without a GPU too: it would divide by their number."""

    def __call__(self, request: Mapping[str, Any], datastore: Datastore, infer: Callable[..., Any]) -> dict[str, Any]:
        """Infer on the images that the request asks for; the device is that of the app.

        An image of which nothing can be made has its ``error``, and the others are done.
        """

        def guarded(one: Mapping[str, Any], store: Datastore) -> dict[str, Any]:
            try:
                return infer(one, store)
            except RefusedRequest as error:
                logger.warning(f"{one.get('image')}: {error}")
                return {"error": str(error)}

        return super().__call__({**request, "multi_gpu": False, "gpus": "all", "device": "cpu"}, datastore, guarded)
