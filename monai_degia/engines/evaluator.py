"""MONAI's evaluator, for models and inferers that tell more than where the landmarks are."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from monai.utils import CommonKeys
from torch import Tensor, nn

from monai_degia.engines.batches import PrepareLandmarkBatch
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.model.trained_model import TrainedModel
from monai_degia.model.usable import predict_each, set_aside
from monai_degia.results.keys import DeGIAKeys

__all__ = ["LandmarkEvaluator"]


class LandmarkEvaluator(SupervisedEvaluator):
    """``SupervisedEvaluator`` whose output has all that was found, in one prediction.

    With a ``model`` that is what :meth:`TrainedModel.predict_batch` gives: ``disagreement`` (B, K), ``confidence``
    and ``radius`` (B, K), ``domain_shift`` (B,) and so on. Without one, a :class:`SelfConsistentInferer` adds
    ``disagreement`` and, if it predicts either side, ``mirrored`` (B,); any other inferer is used as MONAI does. Images
    whose meta data have a ``thumb_side`` are not predicted mirrored: what uses that side has been done before.

    Args:
        device: to predict on.
        val_data_loader: batches.
        network: default: the model's; else the same network in another form, such as an export.
        model: what predicts; ``None`` leaves it to network and inferer.
        inferer: default: the model's.
        one_look: see :meth:`TrainedModel.predict_batch`.
        **options: of MONAI's class.

    """

    def __init__(
        self,
        device: torch.device | str,
        val_data_loader: Any,
        network: nn.Module | None = None,
        model: TrainedModel | None = None,
        inferer: Inferer | None = None,
        one_look: bool = False,
        **options: Any,
    ) -> None:
        if model is not None:
            network, inferer = network or model.network, inferer or model.inferer
            # The preprocessing of a model gives landmarks in pixels, and batches of pictures cannot be split again.
            options = {"prepare_batch": PrepareLandmarkBatch(), "decollate": False, **options}
        super().__init__(device=device, val_data_loader=val_data_loader, network=network, inferer=inferer, **options)
        self.model, self.one_look = model, one_look

    def _iteration(self, engine: LandmarkEvaluator, batchdata: dict[str, Any]) -> dict:
        if self.model is None and not isinstance(engine.inferer, SelfConsistentInferer):
            return super()._iteration(engine, batchdata)
        set_aside(batchdata)
        images, labels = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        output = engine.state.output = {CommonKeys.IMAGE: images, CommonKeys.LABEL: labels}
        output |= self._found(images, _side_known(batchdata[CommonKeys.IMAGE]), batchdata.get("error"))
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _found(self, images: Tensor, side_known: Tensor | None, errors: list[str] | None) -> dict[str, Tensor]:
        if self.model is not None and errors is not None:
            return self._found_in_good(self.model, images, side_known, errors)
        if self.model is not None:
            return self.model.predict_batch(images, side_known, self.network, self.inferer, self.one_look)
        with self.mode(self.network):
            found = self.inferer.predict(images, self.network, side_known=side_known)
        output = {CommonKeys.PRED: found.landmarks, DeGIAKeys.DISAGREEMENT: found.disagreement}
        return output | ({DeGIAKeys.MIRRORED: found.mirrored} if self.inferer.either_side else {})

    def _found_in_good(
        self, model: TrainedModel, images: Tensor, side_known: Tensor | None, errors: list[str]
    ) -> dict[str, Tensor]:
        """What was found, rows of zeros for images that have an error; those of which nothing can be made get one."""
        how = {"network": self.network, "inferer": self.inferer, "one_look": self.one_look}
        good = [row for row, error in enumerate(errors) if not error]
        known = torch.zeros(len(images), dtype=torch.bool) if side_known is None else side_known
        found, failed = predict_each(partial(model.predict_batch, **how), images[good], known[good])
        for place, reason in failed.items():
            errors[good[place]] = reason
        kept = [row for row in good if not errors[row]]
        output = {CommonKeys.PRED: images.new_zeros(len(images), len(model.names), 2)}
        for key, values in found.items():
            output[key] = values.new_zeros(len(images), *values.shape[1:])
            output[key][kept] = values
        return output


def _side_known(images: Any) -> Tensor | None:
    sides = getattr(images, "meta", {}).get("thumb_side")
    return None if sides is None else torch.tensor([bool(side) for side in sides])
