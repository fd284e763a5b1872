"""Turned, scaled and moved copies of images, and landmarks carried back from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Motions"]


@dataclass(frozen=True)
class Motions:
    """N motions about the image's middle: content is turned, scaled, then moved.

    Args:
        angle: radians, shape (N,).
        scale: factors of size, shape (N,).
        shift: moves (x, y) as fractions of the sides, shape (N, 2).

    """

    angle: Tensor
    scale: Tensor
    shift: Tensor

    @classmethod
    def spread_evenly(
        cls, count: int, rotation: float, scale_range: tuple[float, float], translation: float, seed: int = 0
    ) -> Motions:
        """Fill the ranges evenly, by a scrambled Sobol sequence; scales evenly in their logarithm.

        Args:
            count: number of motions.
            rotation: largest turn to either side, in radians.
            scale_range: least and greatest factor of size.
            translation: largest move along each axis, as a fraction of the side.
            seed: of the sequence.

        """
        draws = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed).draw(count)
        low, high = (math.log(scale) for scale in scale_range)
        return cls(
            rotation * (2 * draws[:, 0] - 1),
            (low + (high - low) * draws[:, 1]).exp(),
            translation * (2 * draws[:, 2:] - 1),
        )

    def __len__(self) -> int:
        return len(self.angle)

    def matrix(self, index: int, image_size: Sequence[int]) -> Tensor:
        """The turn and scale of one motion in coordinates normalised by the sides (X, Y), shape (2, 2)."""
        cos, sin = self.scale[index] * self.angle[index].cos(), self.scale[index] * self.angle[index].sin()
        # A turn is one in pixels: normalised by sides of different length it is a shear as well.
        ratio = image_size[1] / image_size[0]
        return torch.stack([torch.stack([cos, -sin * ratio]), torch.stack([sin / ratio, cos])])

    def move(self, images: Tensor, index: int) -> Tensor:
        """Images (B, C, X, Y) whose content went through one motion; beyond the edge the border is repeated."""
        inverse = torch.linalg.inv(self.matrix(index, images.shape[2:]))
        offset = -2 * (inverse @ self.shift[index][:, None])
        # torch wants the last axis of the images first.
        theta = torch.cat([inverse.flip(0, 1), offset.flip(0)], 1).to(images).expand(len(images), -1, -1)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def carry_back(self, points: Tensor, index: int, image_size: Sequence[int]) -> Tensor:
        """Normalised landmarks (B, K, 2) of moved images, in the coordinates of the images before the motion."""
        inverse = torch.linalg.inv(self.matrix(index, image_size)).to(points)
        return (points - 0.5 - self.shift[index].to(points)) @ inverse.T + 0.5

    def neighbours(self, count: int) -> Tensor:
        """Indices of the nearest motions to each, itself among them, shape (N, count); each range counts alike."""
        parts = torch.cat([self.angle[:, None], self.scale.log()[:, None], self.shift], 1)
        spans = (parts.amax(0) - parts.amin(0)).clamp_min(1e-6)
        return torch.cdist(parts / spans, parts / spans).topk(count, largest=False).indices
