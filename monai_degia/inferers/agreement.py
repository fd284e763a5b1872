"""What predictions of copies of an image say together: the better neighbours agree, the more they are believed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_degia.metrics.errors import hand_size

__all__ = ["SMALLEST_SPREAD", "Agreement", "weigh_by_agreement"]

SMALLEST_SPREAD = 1e-4  # of the hand size; predictions that agree better than that agree


class Agreement(NamedTuple):
    """What copies of an image say together.

    Args:
        landmarks: shape (B, K, 2), normalised to the image side.
        variance: that of neighbouring copies which goes with the landmarks, in hand sizes squared, shape (B, K).
        log_weight: logarithm of the sum of each curve's weights before they are normalised, shape (B, C).

    """

    landmarks: Tensor
    variance: Tensor
    log_weight: Tensor


def weigh_by_agreement(
    views: Tensor, groups: Tensor, image_size: tuple[int, ...], sharpness: float, log_prior: Tensor | None = None
) -> Agreement:
    """Weigh predictions that were carried back to the image.

    Args:
        views: a prediction for each of N motions under each of C tone curves, shape (B, C, N, K, 2), normalised to the
            image side.
        groups: indices of the motions that are compared with each motion, itself among them, shape (N, G).
        image_size: (X, Y) in pixels.
        sharpness: power of the spread that makes the weights; 0 weighs all alike.
        log_prior: logarithm of what each curve's weights are multiplied by, shape (B, C); default: 1.

    """
    sides = torch.tensor(image_size).to(views)
    compared = (views * sides)[:, :, groups]  # (B, C, N, G, K, 2)
    means = compared.mean(3)
    variance = (compared - means[:, :, :, None]).square().sum(-1).mean(3)  # (B, C, N, K)
    # One landmark has no size: its copies are compared in pixels.
    sizes = hand_size(means.flatten(0, 2)).nan_to_num(1.0).view(means.shape[:3])
    variance = variance / sizes[..., None].clamp_min(1e-6).square()
    log_weights = -sharpness * variance.mean(3).sqrt().clamp_min(SMALLEST_SPREAD).log()
    if log_prior is not None:
        log_weights = log_weights + log_prior[..., None]
    weights = torch.softmax(log_weights.flatten(1), 1).view(log_weights.shape)
    landmarks = (weights[..., None, None] * means).sum((1, 2)) / sides
    return Agreement(landmarks, (weights[..., None] * variance).sum((1, 2)), log_weights.logsumexp(2))
