"""Which part of a picture the network is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
        rows, columns = (
            _axis_weights(self.centre[:, axis], self.scale, pictures.shape[2 + axis], size[axis], fine)
            for axis in range(2)
        )
        return rows.to(pictures)[:, None] @ pictures @ columns.to(pictures)[:, None].transpose(2, 3)

    def to_picture(self, points: Tensor) -> Tensor:
        """Points (B, ..., 2) normalised to the frames' sides, normalised to those of the pictures."""
        shape = (-1, *[1] * (points.ndim - 2))
        scale, centre = self.scale.view(*shape, 1), self.centre.view(*shape, 2)
        return (points - 0.5) * scale.to(points) + centre.to(points)

    def __getitem__(self, rows: Tensor) -> Frames:
        return Frames(self.centre[rows], self.scale[rows])


def _axis_weights(centre: Tensor, scale: Tensor, side: int, wanted: int, fine: int) -> Tensor:
    """What each pixel of the frame takes of each of the picture's along one axis, shape (B, wanted, side).

    The mean of ``fine`` samples a pixel, bilinear between pixel centres: frames are not turned, so both axes act one by
    one, and two small matrix products take the place of ``grid_sample`` with as many points as there are samples.

    Args:
        centre: middle of each frame along the axis, in [0, 1] of the picture, shape (B,).
        scale: share of the side that each frame shows, shape (B,).
        side: of the picture, in pixels.
        wanted: side of the result, in pixels.
        fine: samples a pixel.

    """
    # Half precision cannot tell the pixels of a picture apart.
    dtype = torch.promote_types(centre.dtype, torch.float32)
    centre, scale = centre.to(dtype), scale.to(dtype)
    samples = (torch.arange(wanted * fine, device=centre.device, dtype=centre.dtype) + 0.5) / (wanted * fine) - 0.5
    places = ((centre[:, None] + scale[:, None] * samples) * side - 0.5).clamp(0, side - 1)
    distances = places[..., None] - torch.arange(side, device=centre.device, dtype=centre.dtype)
    return (1 - distances.abs()).clamp_min(0).unflatten(1, (wanted, fine)).mean(2)
