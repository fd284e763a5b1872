"""MONAI Label's training task: fine-tune the bundle on the labels of the data store."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.train import TrainTask

from monai_degia.label_app.store.image_files import single_file
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.label_app.tasks.fine_tuning import FineTuning, TuningOptions, labelled_items

__all__ = ["LandmarkTrainTask"]

logger = logging.getLogger(__name__)


class LandmarkTrainTask(TrainTask):
    """Train on all final labels, from the weights in use; better weights take their place when the run has ended.

    Args:
        bundle_dir: root of the bundle.
        model: which weights serve.
        names: the K landmarks.
        **overrides: of :class:`FineTuning`, such as ``device``.

    """

    def __init__(self, bundle_dir: str | Path, model: ModelFolder, names: tuple[str, ...], **overrides: Any) -> None:
        super().__init__("Fine-tune the landmark network on corrected landmarks")
        self.bundle_dir, self.model, self.names, self.overrides = Path(bundle_dir), model, names, overrides

    def config(self) -> dict[str, Any]:
        """The options of a request and their defaults."""
        return asdict(TuningOptions())

    def stats(self) -> dict[str, Any]:
        """The last training, and how many there were; clients show ``best_metric`` as a percentage of success."""
        history = self.model.history()
        if not history:
            return {}
        last = history[-1]
        finished = {"epoch": last["epochs"], "total_epochs": last["epochs"], "total_time": last["seconds"]}
        error = min(last["error_before"], last["error_after"])
        return {**last, **finished, "trainings": len(history), "best_metric": max(0.0, 1.0 - error)}

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train and, if that was an improvement on validation, publish the weights."""
        options = TuningOptions.of_request(request)
        items = labelled_items(_labels(datastore), self.names)
        start = datetime.now(timezone.utc)
        with tempfile.TemporaryDirectory(prefix="landmark_training_") as folder:
            tuning = FineTuning(
                self.bundle_dir, self.model.trained, self.model.weights, folder, options, **self.overrides
            )
            weights, summary = tuning.run(items)
            end = datetime.now(timezone.utc)
            seconds = round((end - start).total_seconds(), 1)
            entry = {**summary, **asdict(options), "finished": end.isoformat(timespec="seconds"), "seconds": seconds}
            self.model.add_training({**entry, "improved": weights is not None}, weights)
        outcome = "in use from now on" if weights is not None else "no improvement, the weights stay as they were"
        logger.info(f"Training on {len(items)} labels done: {outcome}. {summary}")
        return entry


def _labels(datastore: Datastore) -> list[tuple[Path, str]]:
    tag = DefaultLabelTag.FINAL.value
    labels = []
    for image in sorted(datastore.get_labeled_images()):
        instance = str(datastore.get_label_info(image, tag).get("instance") or "")
        labels.append((single_file(datastore.get_image_uri(image), instance), datastore.get_label_uri(image, tag)))
    return labels
