"""Batches of images or volumes pulled through displacement fields, and the landmarks that follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from monai_degia.errors import UserError

__all__ = ["PADDING_MODES", "follow_fields", "image_size", "pixel_grid", "sample_images", "warp_images"]

PADDING_MODES = ("border", "zeros", "reflection")


def pixel_grid(shape: Sequence[int], like: Tensor) -> Tensor:
    """The places (X, Y, 2) of all pixels, x then y, or (X, Y, Z, 3), with type and device of ``like``."""
    axes = [torch.arange(side, dtype=like.dtype, device=like.device) for side in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def sample_images(images: Tensor, points: Tensor, padding_mode: str = "border") -> Tensor:
    """Values of each image at places of its own, linear between pixels.

    Args:
        images: (B, C, X, Y), or volumes (B, C, X, Y, Z).
        points: (B, M, N, 2) in pixels, x then y, or (B, M, N, L, 3).
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.

    Returns:
        Shape (B, C, M, N), or (B, C, M, N, L).

    """
    sides = points.new_tensor(images.shape[2:])
    # grid_sample names the last axis first
    unit = torch.addcmul(1 / sides - 1, points, 2 / sides).flip(-1)
    return grid_sample(images, unit, padding_mode=padding_mode, align_corners=False)


def warp_images(images: Tensor, fields: Tensor, padding_mode: str = "border") -> Tensor:
    """Pull images through displacement fields: ``out[p] = image[p + field[p]]``, linear between pixels.

    Args:
        images: (B, C, X, Y), or volumes.
        fields: displacements (B, 2, X, Y) in pixels, x then y; of volumes (B, 3, X, Y, Z).
        padding_mode: see :func:`sample_images`.

    Returns:
        The warped images, of the same shape.

    """
    return sample_images(images, pixel_grid(fields.shape[2:], fields) + fields.movedim(1, -1), padding_mode)


def follow_fields(points: Tensor, fields: Tensor, tolerance: float = 1e-3, max_steps: int = 50) -> Tensor:
    """Where landmarks go when :func:`warp_images` pulls their images: the q with ``q + field(q) = p``.

    Args:
        points: (B, K, 2) in pixels, or (B, K, 3); NaN where missing, which stays so.
        fields: displacements (B, 2, X, Y), or (B, 3, X, Y, Z), in pixels with gradient norm below 1.
        tolerance: largest step in pixels at which a sample stops.
        max_steps: iterations at most.

    Returns:
        Moved points in pixels, of the same shape.

    """
    moved = points
    done = torch.zeros(len(points), 1, 1, dtype=torch.bool, device=points.device)
    for _ in range(max_steps):
        # In the form of a grid whose last axis but one runs over the points.
        places = moved.view(len(moved), *[1] * (fields.ndim - 3), *moved.shape[1:])
        step = points - sample_images(fields, places).flatten(2).mT
        found = done | ((step - moved).abs().nan_to_num(0).amax((1, 2), keepdim=True) < tolerance)
        # What has stopped stays, so that a sample does not depend on those beside it.
        moved, done = torch.where(done, moved, step), found
        if done.all():
            break
    return moved


def image_size(name: str, images: Mapping[Any, Any], batched: bool = False) -> tuple[int, ...]:
    """The size (X, Y) that all images of a sample, or of a batch, share; ``name`` asks for it.

    Raises:
        ValueError: if sizes differ, or the images are not flat.

    """
    shapes = {tuple(image.shape[1 + batched :]) for image in images.values()}
    if len(shapes) != 1:
        raise UserError(f"{name} needs images of one size, got {sorted(shapes)} in {list(images)}.")
    size = shapes.pop()
    if len(size) != 2:
        raise UserError(
            f"{name} moves flat images (C, X, Y), got a size of {size}. For volumes put MONAI's RandAffined between "
            "LandmarksToWorldd and LandmarksToImaged."
        )
    return size
