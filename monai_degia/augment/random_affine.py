"""Random affine maps of a batch: MONAI's ranges, drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["AffineRanges"]


class AffineRanges:
    """The ranges of ``monai.transforms.RandAffine`` in the plane, and the maps that random numbers stand for in them.

    Args:
        rotate: radians; a number r stands for (-r, r), as everywhere here.
        shear: shear factors, one an axis.
        translate: pixels, one an axis.
        scale: changes of scale about 1, one an axis.
        zoom: least and greatest share of the scene that is shown, evenly on a logarithmic scale.

    Raises:
        ValueError: if there are more ranges than axes, one is not a number or a pair, or the zoom is no range of
            positive numbers.

    """

    #: Random numbers that a map takes: rotation, shear, translation and scale of both axes, zoom.
    num_draws = 8

    def __init__(
        self,
        rotate: Sequence[Any] | float | None = None,
        shear: Sequence[Any] | float | None = None,
        translate: Sequence[Any] | float | None = None,
        scale: Sequence[Any] | float | None = None,
        zoom: tuple[float, float] | None = None,
    ) -> None:
        ranges = {"rotate_range": (rotate, 1), "shear_range": (shear, 2), "translate_range": (translate, 2)}
        ranges["scale_range"] = (scale, 2)
        pairs = [pair for name, (given, count) in ranges.items() for pair in _pairs(name, given, count)]
        self.low, self.high = torch.tensor(pairs, dtype=torch.float64).T
        low, high = zoom or (1.0, 1.0)
        if not 0 < low <= high:
            raise UserError(f"zoom_range must be two positive numbers, the smaller first, got {zoom}.")
        self.zoom = (low, high)

    def maps(self, draws: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The maps ``out[p] = image[A p + b]`` of random numbers; turns and scales are about the centre.

        Args:
            draws: numbers in [0, 1), shape (B, 8), float64.
            shape: image size (X, Y) in pixels.

        Returns:
            A of shape (B, 2, 2) and b of shape (B, 2) in pixels, float64.

        """
        angle, *shear, right, down, wide, tall = (self.low + (self.high - self.low) * draws[:, :7]).unbind(1)
        turn = _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos())
        one = torch.ones_like(angle)
        # One axis after the other, as MONAI 1.6 shears: the area stays.
        sheared = _matrices(one, shear[0], shear[1], 1 + shear[0] * shear[1])
        homogeneous = turn @ sheared
        zoom = self.zoom[0] * (self.zoom[1] / self.zoom[0]) ** draws[:, 7]
        shift = zoom[:, None] * (homogeneous @ torch.stack([right, down], 1)[:, :, None])[:, :, 0]
        matrix = zoom[:, None, None] * homogeneous * torch.stack([1 + wide, 1 + tall], 1)[:, None]
        centre = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
        return matrix, shift + centre - matrix @ centre


def _pairs(name: str, given: Sequence[Any] | float | None, count: int) -> list[tuple[float, float]]:
    entries = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    if len(entries) > count:
        raise UserError(
            f"{name} takes {count} range{'s' if count > 1 else ''}, each a number or a pair (low, high), got {given}."
        )
    pairs = [_pair(name, entry) for entry in entries]
    return pairs + [(0.0, 0.0)] * (count - len(pairs))


def _pair(name: str, entry: Any) -> tuple[float, float]:
    if entry is None:
        return 0.0, 0.0
    if isinstance(entry, (list, tuple)):
        if len(entry) != 2:
            raise UserError(f"A range of {name} is a number or a pair (low, high), got {entry}.")
        return float(entry[0]), float(entry[1])
    return -float(entry), float(entry)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([a, b, c, d], -1).unflatten(-1, (2, 2))
