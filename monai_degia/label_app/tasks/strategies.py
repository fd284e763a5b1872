"""Which image to label next."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.tasks.infer_task import LandmarkInferTask

__all__ = ["MostDoubtfulFirst", "RandomUnlabelled"]

logger = logging.getLogger(__name__)


class RandomUnlabelled(Strategy):
    """Any image without a final label, each as likely as any other."""

    def __init__(self) -> None:
        super().__init__("Any image without a final label")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Choose; None if all are labelled."""
        images = datastore.get_unlabeled_images()
        return {"id": random.choice(images)} if images else None


class MostDoubtfulFirst(Strategy):
    """The image without a final label on whose landmarks the copies of the image disagree most.

    That ranks images as their confidence does, and needs no calibration, which does not hold after a training. Doubts
    are kept in the data store's information about each image, with the weights that they belong to, so they
    survive a restart and are found anew after a training. A request predicts no more than ``max_new`` images that have
    none yet, and chooses among all that have one: on a large folder the first choices are rough, and come soon.

    Args:
        task: finds landmarks and their confidence.
        max_new: images to predict in one request, unless the request says otherwise.

    """

    def __init__(self, task: LandmarkInferTask, max_new: int = 20) -> None:
        super().__init__("The image without a final label that the network is least sure of")
        self.task, self.max_new = task, max_new

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Choose; None if all images that can be read are labelled."""
        max_new = request.get("max_new", self.max_new)
        if isinstance(max_new, bool) or not isinstance(max_new, int) or max_new < 1:
            raise RefusedRequest(f"max_new must be a positive integer, got {str(max_new)[:80]!r}.", 400)
        weights = self.task.model.weights.name
        images = list(datastore.get_unlabeled_images())
        kept = {image: datastore.get_image_info(image).get("doubt", {}) for image in images}
        new = [image for image in images if kept[image].get("weights") != weights]
        for image in random.sample(new, min(max_new, len(new))):
            kept[image] = {"weights": weights, **self._look(image, datastore)}
            datastore.update_image_info(image, {"doubt": kept[image]})
        known = {image: doubt["disagreement"] for image, doubt in kept.items() if _is_scored(doubt, weights)}
        if not known:
            return None
        chosen = max(known, key=lambda image: known[image])
        return {"id": chosen, "disagreement": known[chosen], "compared": len(known)}

    def _look(self, image: str, datastore: Datastore) -> dict[str, Any]:
        try:
            _, entry = self.task.find(datastore.get_image_uri(image))
        except RefusedRequest as error:
            logger.warning(f"{image} is not proposed for labelling: {error}")
            return {"error": str(error)}
        return {"disagreement": entry["disagreement"]}


def _is_scored(doubt: Mapping[str, Any], weights: str) -> bool:
    return doubt.get("weights") == weights and "disagreement" in doubt
