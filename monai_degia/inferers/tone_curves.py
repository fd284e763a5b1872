"""Tone curves under which a network is asked: what an unseen domain shows dimly, some of them show brightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["TONE_CURVES", "apply_curves"]


def _as_it_is(images: Tensor) -> Tensor:
    return images


def _above_ground(start: float, gain: float) -> Callable[[Tensor], Tensor]:
    """Take the ground away, stretch what is left, and clip: an object that fades becomes one bright shape.

    The ground is the median grey of the border; an object darker than it comes out bright as well. ``start`` and
    ``1 / gain`` are shares of the range between the ground and the object's brightest parts.
    """

    def curve(images: Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        edges = torch.cat([grey[..., 0], grey[..., -1], grey[..., 0, :], grey[..., -1, :]], -1)
        ground = edges.median(-1).values[..., None, None]
        above = grey - ground
        above = above * torch.where(above.mean((2, 3), keepdim=True) < 0, -1.0, 1.0)
        top = above.flatten(1).quantile(0.99, 1).clamp_min(1e-3)[:, None, None, None]
        return ((above / top - start) * gain).clamp(0, 1).expand_as(images)

    return curve


#: Name to a map of images (B, C, X, Y) in [0, 1] to images in [0, 1].
TONE_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": _as_it_is,
    "x1.5": _above_ground(0.0, 1.5),
    "x3": _above_ground(0.0, 3.0),
    "x6": _above_ground(0.0, 6.0),
    "5% x1.5": _above_ground(0.05, 1.5),
    "5% x3": _above_ground(0.05, 3.0),
    "5% x6": _above_ground(0.05, 6.0),
    "15% x1.5": _above_ground(0.15, 1.5),
    "15% x3": _above_ground(0.15, 3.0),
    "15% x6": _above_ground(0.15, 6.0),
}


def apply_curves(images: Tensor, names: Sequence[str]) -> Tensor:
    """Images (B, C, X, Y) under each curve, shape (curves, B, C, X, Y).

    Raises:
        ValueError: if a curve is unknown.

    """
    unknown = [name for name in names if name not in TONE_CURVES]
    if unknown:
        raise ValueError(f"Unknown tone curves {unknown}. Available: {', '.join(TONE_CURVES)}.")
    return torch.stack([TONE_CURVES[name](images) for name in names])
