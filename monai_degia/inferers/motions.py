"""Turned, scaled and moved copies of images, and landmarks carried back from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Motions"]


@dataclass(frozen=True, eq=False)
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

    @lru_cache(maxsize=8)  # noqa: B019 - few motions are ever made, and each picture gets the same
    def split(self, size: int) -> list[Motions]:
        """The same motions in groups of ``size``, in order; the last group may be smaller."""
        parts = (self.angle.split(size), self.scale.split(size), self.shift.split(size))
        return [Motions(*part) for part in zip(*parts, strict=True)]

    def matrices(self, image_size: Sequence[int]) -> Tensor:
        """Turns and scales in coordinates normalised by the sides (X, Y), shape (N, 2, 2)."""
        cos, sin = self.scale * self.angle.cos(), self.scale * self.angle.sin()
        # A turn is one in pixels: normalised by sides of different length it is a shear as well.
        ratio = image_size[1] / image_size[0]
        return torch.stack([torch.stack([cos, -sin * ratio], -1), torch.stack([sin / ratio, cos], -1)], -2)

    def move(self, images: Tensor, context: float = 1.0, size: Sequence[int] | None = None) -> Tensor:
        """Images (B, C, X, Y) whose content went through each motion, shape (N, B, C) and ``size``.

        Args:
            images: they show ``context`` times the field of the result, about the same middle. Beyond their edge the
                border is repeated.
            context: 1 or more.
            size: of the result, (X, Y) in pixels; default: that of the images.

        """
        wanted = tuple(images.shape[2:] if size is None else size)
        grid = self._grid(tuple(images.shape[2:]), wanted, context, images.device).to(images)
        # One motion samples the channels of all images at once, which computes its grid once.
        together = images.flatten(0, 1)[None].expand(len(self), -1, -1, -1)
        moved = F.grid_sample(together, grid, padding_mode="border", align_corners=False)
        return moved.view(len(self), *images.shape[:2], *wanted)

    @lru_cache(maxsize=4)  # noqa: B019 - as many as a picture needs
    def _grid(self, sides: tuple[int, ...], size: tuple[int, ...], context: float, device: torch.device) -> Tensor:
        """Where each pixel of the moved images comes from, for ``grid_sample``, shape (N, *size, 2)."""
        inverse = self._inverse(sides)
        with _unaware(device):
            offset = -2 * (inverse @ self.shift[..., None])
            # torch wants the last axis of the images first.
            theta = torch.cat([inverse.flip(1, 2), offset.flip(1)], 2).to(device) / context
            return F.affine_grid(theta, [len(self), 1, *size], align_corners=False)

    def carry_back(self, points: Tensor, image_size: Sequence[int]) -> Tensor:
        """Normalised landmarks (N, B, K, 2) of moved images, in the coordinates of the images before each motion."""
        inverse = self._inverse(tuple(image_size)).to(points)
        centred = points - 0.5 - self.shift.to(points)[:, None, None]
        return centred @ inverse.transpose(1, 2)[:, None] + 0.5

    @lru_cache(maxsize=8)  # noqa: B019
    def _inverse(self, sides: tuple[int, ...]) -> Tensor:
        with _unaware(self.angle.device):
            return torch.linalg.inv(self.matrices(sides))

    def neighbours(self, count: int) -> Tensor:
        """Indices of the nearest motions to each, itself among them, shape (N, count); each range counts alike."""
        parts = torch.cat([self.angle[:, None], self.scale.log()[:, None], self.shift], 1)
        spans = (parts.amax(0) - parts.amin(0)).clamp_min(1e-6)
        return torch.cdist(parts / spans, parts / spans).topk(count, largest=False).indices


@contextmanager
def _unaware(device: torch.device) -> Iterator[None]:
    """What is kept for later calls must not depend on the mode of the first: its precision, its lack of gradients."""
    with torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        yield
