"""Volumes as pictures: the slices through the middle, across each axis."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["middle_slices"]


def middle_slices(images: Tensor) -> Tensor:
    """The slices of each volume through its middle, side by side along x; images stay as they are.

    The order is (x, y), (x, z), (y, z). The third axis of a volume runs upwards in most orientations, and a picture's
    second axis downwards, so z is turned over.

    Args:
        images: shape (B, C, X, Y), or (B, C, X, Y, Z).

    Returns:
        Shape (B, C, W, H); slices with a shorter second axis are filled up with zeros.

    """
    if images.ndim == 4:
        return images
    axes = range(2, images.ndim)
    slices = []
    for shown in combinations(axes, 2):
        (across,) = set(axes) - set(shown)
        cut = images.select(across, images.shape[across] // 2)
        slices.append(cut.flip(3) if shown[1] == axes[-1] else cut)
    height = max(cut.shape[3] for cut in slices)
    return torch.cat([pad(cut, (0, height - cut.shape[3])) for cut in slices], dim=2)
