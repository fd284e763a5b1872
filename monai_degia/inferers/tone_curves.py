"""Tone curves of test-time augmentation: what an unseen domain shows dimly, some of them show brightly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["TONE_CURVES", "apply_curves", "check_curves"]


_TOP = 0.99  # quantile that counts as an object's brightest parts


def _as_it_is(images: Tensor) -> Tensor:
    """The image unchanged."""
    return images


@dataclass(frozen=True)
class _Stretch:
    """Take the background away, stretch what is left, and clip: an object that fades becomes one bright shape.

    Args:
        start: what counts as black, as a share of the range between the background and the object's brightest parts.
        gain: the inverse of the share that is stretched.

    """

    start: float
    gain: float

    def __post_init__(self) -> None:
        """Say what this curve is, for tables of them."""
        lowest = f" and the lowest {100 * self.start:g} % above it" if self.start else ""
        object.__setattr__(self, "__doc__", f"Background{lowest} subtracted, the rest times {self.gain:g}, clipped.")

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, C, X, Y) in [0, 1] to the same."""
        return self.of_range(_above_background(images))

    def of_range(self, above: Tensor) -> Tensor:
        """The same of what :func:`_above_background` gives, which several curves share."""
        return ((above - self.start) * self.gain).clamp(0, 1)


def _above_background(images: Tensor) -> Tensor:
    """Images whose background is 0 and whose brightest parts are 1, shape (B, C, X, Y).

    The background is the median of a channel's border; an object darker than it comes out bright as well.
    """
    edges = torch.cat([images[..., 0], images[..., -1], images[..., 0, :], images[..., -1, :]], -1)
    above = images - edges.median(-1).values[..., None, None]
    above = above * torch.where(above.mean((2, 3), keepdim=True) < 0, -1.0, 1.0)
    return above / _upper_quantile(above.flatten(2)).clamp_min(1e-3)[..., None, None]


def _upper_quantile(values: Tensor) -> Tensor:
    """The quantile ``_TOP`` along the last axis, as ``torch.quantile`` gives, which sorts all to find the highest."""
    position = _TOP * (values.shape[-1] - 1)
    below = math.floor(position)
    highest = values.topk(values.shape[-1] - below, dim=-1).values
    return highest[..., -1].lerp(highest[..., max(highest.shape[-1] - 2, 0)], position - below)


TONE_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": _as_it_is,
    "x1.5": _Stretch(0.0, 1.5),
    "x3": _Stretch(0.0, 3.0),
    "x6": _Stretch(0.0, 6.0),
    "5% x1.5": _Stretch(0.05, 1.5),
    "5% x3": _Stretch(0.05, 3.0),
    "5% x6": _Stretch(0.05, 6.0),
    "15% x1.5": _Stretch(0.15, 1.5),
    "15% x3": _Stretch(0.15, 3.0),
    "15% x6": _Stretch(0.15, 6.0),
}
"""Tone curves of :class:`SelfConsistentInferer` by name: images (B, C, X, Y) in [0, 1] to images in [0, 1]."""


def apply_curves(images: Tensor, names: Sequence[str]) -> Tensor:
    """Images (B, C, X, Y) under each curve, shape (B, curves, C, X, Y)."""
    curves = [TONE_CURVES[name] for name in names]
    above = _above_background(images) if any(isinstance(curve, _Stretch) for curve in curves) else images
    return torch.stack([c.of_range(above) if isinstance(c, _Stretch) else c(images) for c in curves], 1)


def check_curves(names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless there are names, and all are among ``TONE_CURVES``."""
    unknown = [name for name in names if name not in TONE_CURVES]
    if unknown or not names:
        raise UserError(f"curves must be names of tone curves, got {list(names)}. Available: {', '.join(TONE_CURVES)}.")
