"""Which part of a picture the network is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Frames"]

_SMALLEST = 0.05  # of the picture: a frame that shows less shows pixels
_LARGEST = 2.0  # frames show no more than twice the picture, as a rule
_FINEST = 4  # samples on a side of a pixel, at most


@dataclass(frozen=True)
class Frames:
    """One frame a picture, of the picture's proportions, in coordinates normalised by the sides.

    Args:
        centre: middle of each frame (x, y), shape (B, 2).
        scale: share of the picture's sides that each frame shows; above 1 it reaches beyond, shape (B,).

    """

    centre: Tensor
    scale: Tensor

    @classmethod
    def whole(cls, pictures: Tensor) -> Frames:
        """Frames that show all of the pictures (B, C, X, Y)."""
        return cls(pictures.new_full((len(pictures), 2), 0.5), pictures.new_ones(len(pictures)))

    @classmethod
    def around(cls, landmarks: Tensor, margin: float) -> Frames:
        """Frames in whose middle the landmarks are, and in which their box is one ``margin``-th of the sides.

        Args:
            landmarks: shape (B, K, 2), normalised to the picture's sides.
            margin: side of the frame over the longer side of the box.

        """
        low, high = landmarks.amin(1), landmarks.amax(1)
        return cls((low + high) / 2, margin * (high - low).amax(1).clamp_min(_SMALLEST))

    def wider(self, factor: float) -> Frames:
        """Frames about the same middles that show ``factor`` times as much."""
        return Frames(self.centre, self.scale * factor)

    def cut(self, pictures: Tensor, size: Sequence[int]) -> Tensor:
        """What the frames show, shape (B, C) and ``size``; beyond the picture its border is repeated.

        Args:
            pictures: shape (B, C, X, Y).
            size: of the result, (X, Y) in pixels.

        """
        if tuple(size) == tuple(pictures.shape[2:]) and bool((self.scale == 1).all() and (self.centre == 0.5).all()):
            return pictures  # exactly, and not but for rounding
        # Several samples a pixel: one alone would miss what lies between. As many as a frame of twice the picture
        # needs, whatever this one shows, so that no picture gets other samples because of those beside it.
        shrink = _LARGEST * max(side / wanted for side, wanted in zip(pictures.shape[2:], size, strict=True))
        fine = min(max(math.ceil(shrink), 1), _FINEST)
        # torch wants the last axis of the pictures first.
        offset = (2 * self.centre - 1).flip(1)
        theta = torch.diag_embed(self.scale[:, None].expand(-1, 2))
        theta = torch.cat([theta, offset[..., None]], 2).to(pictures)
        grid = F.affine_grid(theta, [*pictures.shape[:2], *(side * fine for side in size)], align_corners=False)
        shown = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return F.avg_pool2d(shown, fine) if fine > 1 else shown

    def to_picture(self, points: Tensor) -> Tensor:
        """Points (B, ..., 2) normalised to the frames' sides, normalised to those of the pictures."""
        shape = (-1, *[1] * (points.ndim - 2))
        scale, centre = self.scale.view(*shape, 1), self.centre.view(*shape, 2)
        return (points - 0.5) * scale.to(points) + centre.to(points)

    def __getitem__(self, rows: Tensor) -> Frames:
        return Frames(self.centre[rows], self.scale[rows])
