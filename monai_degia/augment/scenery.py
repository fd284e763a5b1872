"""Random scenes: an even or uneven ground of any colour and grain, often with things in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from monai_degia.augment.textures import random_grounds

__all__ = ["random_scenery"]

_EMPTY = 0.4  # share of scenes without things
_MOST = 8
_DRAWN = 128  # pixels
_SMALLEST, _LARGEST = 0.05, 0.8  # half axes of things, half sides of the image


def random_scenery(image: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A level, noise of any grain, and as a rule some boxes and discs, whose edges are no object's.

    Scenes of more than 128 pixels a side are enlarged ones.

    Args:
        image: what the scene is for, shape (C, X, Y).
        generator: source of the draws, on the CPU.

    Returns:
        A scene of the image's shape, values in [0, 1].

    """
    longest = max(image.shape[1:])
    if longest > _DRAWN:
        size = [max(1, side * _DRAWN // longest) for side in image.shape[1:]]
        small = random_scenery(image.new_zeros(len(image), *size), generator)
        return functional.interpolate(small[None], size=image.shape[1:], mode="bilinear", align_corners=False)[0]
    level, saturation = torch.rand(2, generator=generator).to(image)
    scene = level + _muted(random_grounds(image[None], generator)[0], saturation)
    if torch.rand(1, generator=generator) < _EMPTY:
        return scene.clamp(0, 1)
    count = int(torch.randint(2, _MOST + 1, (1,), generator=generator))
    inside = _shapes(count, image.shape[1:], generator).to(image)
    tint = torch.rand(count, 1, generator=generator) + 0.1 * torch.randn(count, len(image), generator=generator)
    grain = scene - scene.mean((1, 2), keepdim=True)
    for shape, colour in zip(inside, tint.to(image), strict=True):
        scene = scene.lerp(colour[:, None, None] + 0.5 * grain.flip(1, 2), shape)
    return scene.clamp(0, 1)


def _muted(field: Tensor, saturation: Tensor) -> Tensor:
    """Less of the channels' differences: few rooms are as colourful as channels drawn by themselves."""
    return field.mean(0, keepdim=True).lerp(field, saturation)


def _shapes(count: int, shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    """Boxes and ellipses, 1 inside and 0 outside, shape (count, X, Y)."""
    draws = torch.rand(count, 6, 1, 1, generator=generator).unbind(1)
    angle, cx, cy = math.pi * draws[0], 2.2 * draws[1] - 1.1, 2.2 * draws[2] - 1.1
    a, b = (_SMALLEST + (_LARGEST - _SMALLEST) * draw for draw in draws[3:5])
    x, y = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in shape), indexing="ij")
    u = (x - cx) * angle.cos() + (y - cy) * angle.sin()
    v = (y - cy) * angle.cos() - (x - cx) * angle.sin()
    # Distance to the edge in pixels, about, so that edges are not jagged.
    box = torch.minimum(a - u.abs(), b - v.abs())
    disc = (1 - ((u / a) ** 2 + (v / b) ** 2).sqrt()) * torch.minimum(a, b)
    distance = torch.where(draws[5] < 0.6, box, disc) * max(shape) / 2
    return (distance + 0.5).clamp(0, 1)
