"""Tone curves of test-time augmentation: what an unseen domain shows dimly, some of them show brightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["TONE_CURVES", "apply_curves", "check_curves"]


def _as_it_is(images: Tensor) -> Tensor:
    """The image unchanged."""
    return images


def _above_background(start: float, gain: float) -> Callable[[Tensor], Tensor]:
    """Subtract the background, stretch what is left, and clip: an object that fades becomes one bright shape.

    The background is the median of a channel's border; an object darker than it comes out bright as well. ``start`` and
    ``1 / gain`` are shares of the range between the background and the object's brightest parts.
    """

    def curve(images: Tensor) -> Tensor:
        edges = torch.cat([images[..., 0], images[..., -1], images[..., 0, :], images[..., -1, :]], -1)
        above = images - edges.median(-1).values[..., None, None]
        above = above * torch.where(above.mean((2, 3), keepdim=True) < 0, -1.0, 1.0)
        top = above.flatten(2).quantile(0.99, 2).clamp_min(1e-3)[..., None, None]
        return ((above / top - start) * gain).clamp(0, 1)

    lowest = f" and the lowest {100 * start:g} % above it" if start else ""
    curve.__doc__ = f"Background{lowest} subtracted, the rest times {gain:g}, clipped."
    return curve


TONE_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": _as_it_is,
    "x1.5": _above_background(0.0, 1.5),
    "x3": _above_background(0.0, 3.0),
    "x6": _above_background(0.0, 6.0),
    "5% x1.5": _above_background(0.05, 1.5),
    "5% x3": _above_background(0.05, 3.0),
    "5% x6": _above_background(0.05, 6.0),
    "15% x1.5": _above_background(0.15, 1.5),
    "15% x3": _above_background(0.15, 3.0),
    "15% x6": _above_background(0.15, 6.0),
}
"""Tone curves of :class:`SelfConsistentInferer` by name: images (B, C, X, Y) in [0, 1] to images in [0, 1]."""


def apply_curves(images: Tensor, names: Sequence[str]) -> Tensor:
    """Images (B, C, X, Y) under each curve, shape (B, curves, C, X, Y)."""
    return torch.stack([TONE_CURVES[name](images) for name in names], 1)


def check_curves(names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless there are names, and all are among ``TONE_CURVES``."""
    unknown = [name for name in names if name not in TONE_CURVES]
    if unknown or not names:
        raise UserError(f"curves must be names of tone curves, got {list(names)}. Available: {', '.join(TONE_CURVES)}.")
