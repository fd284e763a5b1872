"""Fixed changes of shape and of recording that stand in for other writers and scanners on source validation images.

They move what an image shows, so they suit classes, not landmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import functional as tvf

__all__ = ["RECORDINGS", "SHAPES"]

Map = Callable[[Tensor], Tensor]


def _affine(turn: float = 0, size: float = 1, right: float = 0, down: float = 0, shear: float = 0) -> Map:
    """About the centre; turn and shear in degrees, moves as a share of the side, the ground beyond the edge black."""

    def move(image: Tensor) -> Tensor:
        # torchvision's rows are our first axis: x and y change places on the way there and back.
        rows = image.transpose(1, 2)
        shift = [round(right * rows.shape[2]), round(down * rows.shape[1])]
        bilinear = tvf.InterpolationMode.BILINEAR
        return tvf.affine(rows, turn, shift, size, [shear, 0.0], bilinear).transpose(1, 2)

    return move


def _maximum(image: Tensor) -> Tensor:
    return F.max_pool2d(image[None], 3, 1, 1)[0]


def _coarse(image: Tensor) -> Tensor:
    small = [max(1, side // 2) for side in image.shape[1:]]
    return F.interpolate(F.interpolate(image[None], small, mode="area"), image.shape[1:], mode="bilinear")[0]


def _blurred(image: Tensor) -> Tensor:
    return tvf.gaussian_blur(image, 7, 1.2)


def _noisy(image: Tensor) -> Tensor:
    # The same grain for all images: a shift is no chance.
    grain = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + 0.25 * grain.to(image)).clamp(0, 1)


#: Another hand or pen: name to a map of images (C, X, Y) in [0, 1], bright strokes on black.
SHAPES: dict[str, Map] = {
    "turned left": _affine(turn=-25),
    "turned right": _affine(turn=25),
    "slanted": _affine(shear=30),
    "small": _affine(size=0.65),
    "large": _affine(size=1.3),
    "aside": _affine(right=0.1, down=-0.1),
    "thick": _maximum,
    "thin": lambda image: -_maximum(-image),
}

#: Another scanner: the same.
RECORDINGS: dict[str, Map] = {"coarse": _coarse, "blurred": _blurred, "noisy": _noisy}
