"""From how far copies disagree and how likely the flow finds a picture to confidence, radius and domain shift."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.flows.source_likelihood import source_bits_per_dim
from monai_degia.inferers.frames import Frames
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.results.keys import DeGIAKeys

__all__ = ["add_scores", "calibration_in_use"]

_logger = logging.getLogger(__name__)


def add_scores(
    output: dict[Any, Any],
    pictures: Tensor,
    flow: FlowPrior | None,
    calibration: ScoreCalibration | None,
    one_look: bool = False,
    confident: bool = True,
) -> None:
    """Add ``bits_per_dim`` (B,), ``confidence`` and ``radius`` (B, K) and ``domain_shift`` (B,), where known.

    Confidence and radius are NaN for pictures that lie beyond all that the calibration was fitted on: withheld.

    Args:
        output: has ``disagreement`` (B, K) and, where it was asked for, ``other_side`` (B,); gets the scores.
        pictures: shape (B, C, X, Y) in [0, 1].
        flow: trained on source images; its images may be smaller than the pictures.
        calibration: of the network and of the copies that disagree. Without the flow that it was fitted with nobody
            knows how far a picture lies from the source, so there is no confidence then.
        one_look: the landmarks are those of one forward pass, not of the copies.
        confident: the calibration was fitted for such copies; else there is no confidence.

    """
    if flow is not None:
        seen = Frames.whole(pictures).cut(pictures, flow.spatial_shape)
        output[DeGIAKeys.BITS_PER_DIM] = source_bits_per_dim(flow, seen)
    if calibration is None:
        return
    bits = output.get(DeGIAKeys.BITS_PER_DIM)
    if bits is not None and calibration.bits_mean is not None:
        output[DeGIAKeys.DOMAIN_SHIFT] = calibration.domain_shift(bits)
    judged = calibration.bits_range is None or bits is not None
    if confident and judged and (calibration.knows_one_look or not one_look):
        disagreement, other_side = output[DeGIAKeys.DISAGREEMENT], output.get(DeGIAKeys.OTHER_SIDE)
        beyond = calibration.beyond(disagreement, bits)[:, None]
        for key, told in (
            (DeGIAKeys.CONFIDENCE, calibration.confidence(disagreement, other_side, one_look)),
            (DeGIAKeys.RADIUS, calibration.radius(disagreement, other_side, one_look)),
        ):
            output[key] = told.masked_fill(beyond, float("nan"))


def calibration_in_use(
    calibration: ScoreCalibration | None,
    weights: str,
    flow_weights: str,
    copies: Mapping[str, Any],
    one_sided: bool = True,
) -> tuple[ScoreCalibration | None, bool]:
    """The calibration, if it holds for these weights, and whether it does for these copies; the log says why not.

    Args:
        calibration: that lies beside the weights.
        weights: hash of the network's.
        flow_weights: hash of the flow's, empty without one.
        copies: what decides how far copies disagree.
        one_sided: whether the mirrored picture is asked for, which says how much speaks for the other side.

    """
    if calibration is None:
        return None, False
    how = "Fit one by monai_degia calibrate (configs/run/calibrate.yaml)."
    if not calibration.fits(weights):
        whose = "was fitted for other weights" if calibration.weights else "does not say what it was fitted for"
        _logger.warning("No confidence and no domain shift: the calibration %s. %s", whose, how)
        return None, False
    if not calibration.fits_flow(flow_weights):
        whose = "another flow than that of flow.pt" if flow_weights else "a flow, and there is none"
        _logger.warning("No confidence and no domain shift: the calibration was fitted with %s. %s", whose, how)
        return None, False
    if calibration.needs_other_side and not one_sided:
        _logger.warning("No confidence: the calibration was fitted to a network of one side. %s", how)
        return calibration, False
    if differing := calibration.other_copies(copies):
        _logger.warning("No confidence: the calibration was fitted for %s. %s", differing, how)
    return calibration, not differing
