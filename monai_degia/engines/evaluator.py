"""MONAI's evaluator, for inferers that tell more than where the landmarks are."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.engines.keys import DeGIAKeys
from monai_degia.inferers.self_consistent import SelfConsistentInferer

__all__ = ["LandmarkEvaluator"]


class LandmarkEvaluator(SupervisedEvaluator):
    """``SupervisedEvaluator`` whose output has all that a :class:`SelfConsistentInferer` found, in one prediction.

    Beside ``pred`` that is ``disagreement`` (B, K) and, if the inferer asks for either side, ``mirrored`` (B,). Images
    whose meta data have a ``thumb_side`` are not asked mirrored: what goes by that stands before. Any other inferer is
    used as MONAI does. The arguments are those of MONAI's class.
    """

    def _iteration(self, engine: SupervisedEvaluator, batchdata: dict[str, Any]) -> dict:
        inferer = engine.inferer
        if not isinstance(inferer, SelfConsistentInferer):
            return super()._iteration(engine, batchdata)
        images, labels = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        output = engine.state.output = {CommonKeys.IMAGE: images, CommonKeys.LABEL: labels}
        with engine.mode(engine.network):
            found = inferer.predict(images, engine.network, side_known=_side_known(batchdata[CommonKeys.IMAGE]))
        output[CommonKeys.PRED], output[DeGIAKeys.DISAGREEMENT] = found.landmarks, found.disagreement
        if inferer.either_side:
            output[DeGIAKeys.MIRRORED] = found.mirrored
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output


def _side_known(images: Any) -> Tensor | None:
    sides = getattr(images, "meta", {}).get("thumb_side")
    return None if sides is None else torch.tensor([bool(side) for side in sides])
