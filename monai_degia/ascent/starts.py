"""What an ascent may start from, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_degia.ascent.appearance import AppearanceParametrization
from monai_degia.ascent.parametrization import (
    LatentParametrization,
    Parametrization,
    PixelParametrization,
    ReflectedParametrization,
    reflect,
)
from monai_degia.ascent.textures import random_grounds
from monai_degia.ascent.warp import WarpParametrization
from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior

__all__ = ["PARAMETRIZATIONS"]

#: Strength of the texture that the ascent of this name adds to appearance.
TEXTURE = 0.2
#: Strength of the fading that the ascent of this name adds to appearance.
FADING = 1.0


def _scattered(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    return ReflectedParametrization(reflect(image + random_grounds(image, generator)))


def _warp(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    return WarpParametrization.draw(image, generator, ground=random_grounds(image, generator))


def _latent(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    if flow is None:
        raise UserError(
            "The latent parametrization decodes with the inverse flow: pass flow=, or choose 'pixel' or 'appearance'."
        )
    return LatentParametrization(image, flow)


PARAMETRIZATIONS: dict[str, Callable[[Tensor, FlowPrior | None, torch.Generator | None], Parametrization]] = {
    "pixel": lambda image, flow, generator: PixelParametrization(image),
    "reflected": lambda image, flow, generator: ReflectedParametrization(image),
    "scattered": _scattered,
    "latent": _latent,
    "appearance": lambda image, flow, generator: AppearanceParametrization.draw(image, generator),
    "texture": lambda image, flow, generator: AppearanceParametrization.draw(image, generator, texture=TEXTURE),
    "fading": lambda image, flow, generator: AppearanceParametrization.draw(image, generator, fading=FADING),
    "warp": _warp,
}
