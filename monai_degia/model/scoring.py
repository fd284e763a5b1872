"""From how far copies disagree and how likely the flow finds a picture to confidence and domain shift."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.flows.source_likelihood import source_bits_per_dim
from monai_degia.inferers.frames import Frames
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.results.keys import DeGIAKeys

__all__ = ["add_scores"]


def add_scores(
    output: dict[Any, Any],
    pictures: Tensor,
    flow: FlowPrior | None,
    calibration: ScoreCalibration | None,
    one_look: bool = False,
    confident: bool = True,
) -> None:
    """Add ``bits_per_dim`` (B,), ``confidence`` (B, K) and ``domain_shift`` (B,) to what was found, where known.

    Args:
        output: has ``disagreement`` (B, K); gets the scores.
        pictures: shape (B, C, X, Y) in [0, 1].
        flow: trained on source images; its images may be smaller than the pictures.
        calibration: of the network and of the copies that disagree.
        one_look: the landmarks are those of one forward pass, not of the copies.
        confident: the calibration was fitted for such copies; else there is no confidence.

    """
    if flow is not None:
        seen = Frames.whole(pictures).cut(pictures, flow.spatial_shape)
        output[DeGIAKeys.BITS_PER_DIM] = source_bits_per_dim(flow, seen)
    if calibration is None:
        return
    if confident and (calibration.knows_one_look or not one_look):
        output["confidence"] = calibration.confidence(output[DeGIAKeys.DISAGREEMENT], one_look=one_look)
    if flow is not None and calibration.bits_mean is not None:
        output["domain_shift"] = calibration.domain_shift(output[DeGIAKeys.BITS_PER_DIM])
