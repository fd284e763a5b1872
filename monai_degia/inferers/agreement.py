"""What predictions of copies of an image say together: the better neighbours agree, the more they are believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_degia.metrics.errors import hand_size

__all__ = ["SMALLEST_SPREAD", "Agreement", "weigh_by_agreement", "weigh_frames"]

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


def weigh_frames(found: Sequence[Agreement], counts: Sequence[int]) -> Agreement:
    """Weigh what copies of several frames of the same pictures say, each by the mean weight of its copies.

    A frame about wrong landmarks shows little of the object, and its copies disagree: the whole picture is believed.
    More copies of a frame lie nearer to each other and agree better, so that their numbers shift the balance.

    Args:
        found: of each frame, with landmarks normalised to the side of the picture.
        counts: how many copies, under all curves, each was weighed from.

    Returns:
        The landmarks and variances of all; ``log_weight`` has a column a frame, shape (B, F).

    """
    log_weight = torch.stack(
        [one.log_weight.logsumexp(1) - math.log(count) for one, count in zip(found, counts, strict=True)], 1
    )
    weights = log_weight.softmax(1)
    landmarks = torch.stack([one.landmarks for one in found], 1)
    variance = torch.stack([one.variance for one in found], 1)
    return Agreement((weights[..., None, None] * landmarks).sum(1), (weights[..., None] * variance).sum(1), log_weight)
