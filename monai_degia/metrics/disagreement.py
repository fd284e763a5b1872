"""Predictions for moved copies of an image: their mean, and their spread, which is what a network is unsure of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_degia.metrics.errors import hand_size

__all__ = ["landmark_disagreement", "predict_views", "spread_of_views"]

_SMALLEST = 1e-4  # of the hand size; predictions that agree better than that agree


@torch.no_grad()
def predict_views(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    num_views: int = 8,
    rotation: float = 0.25,
    scale: float = 0.12,
    translation: float = 0.05,
    seed: int = 0,
) -> Tensor:
    """Landmarks of the image and of turned, scaled and moved copies, carried back to the image.

    Their mean is a better prediction than the first alone, and their spread says how far to trust it.

    Args:
        network: images (B, C, X, Y) to landmarks (B, K, 2), normalised to the image side.
        images: shape (B, C, X, Y).
        num_views: copies of each image, 1 or more.
        rotation: largest turn in radians.
        scale: largest natural logarithm of the factor of size.
        translation: largest move, as a fraction of the side.
        seed: decides the motions, which are the same for every image.

    Returns:
        Shape (B, num_views + 1, K, 2), the image itself first, normalised to the image side.

    Raises:
        ValueError: if ``num_views`` is less than 1.

    """
    if num_views < 1:
        raise ValueError(f"num_views must be at least 1: one prediction has nothing to disagree with, got {num_views}.")
    generator = torch.Generator().manual_seed(seed)
    found = [network(images)]
    for _ in range(num_views):
        # One motion for all images: the figure of an image must not depend on those beside it.
        motion = _random_motions(1, images.shape[2:], rotation, scale, translation, generator)
        matrix, shift = (part.to(images).expand(len(images), -1, -1) for part in motion)
        moved = network(_move(images, matrix, shift))
        found.append((moved - 0.5 - shift) @ torch.linalg.inv(matrix).transpose(1, 2) + 0.5)
    return torch.stack(found, 1)


def spread_of_views(views: Tensor, image_size: Sequence[int]) -> Tensor:
    """Root mean square distance of an image's predictions from their mean.

    Args:
        views: predictions of :func:`predict_views`, shape (B, V, K, 2), normalised to the image side.
        image_size: (X, Y) in pixels.

    Returns:
        Shape (B, K), as a fraction of the hand size (that of the image's own prediction), positive.

    """
    points = views * torch.tensor(image_size).to(views)
    spread = (points - points.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    return (spread / hand_size(points[:, 0]).clamp_min(1e-6)[:, None]).clamp_min(_SMALLEST)


def landmark_disagreement(
    network: Callable[[Tensor], Tensor], images: Tensor, num_views: int = 8, **options: Any
) -> Tensor:
    """How far the predictions for an image and its moved copies are apart; no label is needed.

    A network that moves its landmarks along with the hand gets 0.

    Args:
        network: images (B, C, X, Y) to landmarks (B, K, 2), normalised to the image side.
        images: shape (B, C, X, Y).
        num_views: copies of each image, 1 or more.
        **options: further ones of :func:`predict_views`.

    Returns:
        Shape (B, K), as a fraction of the hand size, positive; see :func:`spread_of_views`.

    Raises:
        ValueError: if ``num_views`` is less than 1.

    """
    return spread_of_views(predict_views(network, images, num_views, **options), images.shape[2:])


def _random_motions(
    count: int, sides: torch.Size, rotation: float, scale: float, translation: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Matrices (B, 2, 2) about the image's middle and shifts (B, 1, 2), in normalised coordinates (x, y)."""
    draws = 2 * torch.rand(count, 4, generator=generator) - 1
    angle, factor = rotation * draws[:, 0], torch.exp(scale * draws[:, 1])
    cos, sin = factor * angle.cos(), factor * angle.sin()
    # A turn is one in pixels: normalised by sides of different length it is a shear as well.
    ratio = sides[1] / sides[0]
    matrix = torch.stack([torch.stack([cos, -sin * ratio], -1), torch.stack([sin / ratio, cos], -1)], -2)
    return matrix, translation * draws[:, None, 2:]


def _move(images: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Images whose content at u, from the middle, is that of the source at matrix^-1 (u - shift)."""
    inverse = torch.linalg.inv(matrix)
    offset = -2 * (inverse @ shift.transpose(1, 2))
    # torch wants the last axis of the images first.
    theta = torch.cat([inverse.flip(1, 2), offset.flip(1)], -1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
