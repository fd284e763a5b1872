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
from monai_degia.ascent.warp import WarpParametrization
from monai_degia.augment.textures import random_grounds
from monai_degia.errors import UserError, did_you_mean
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.io.dotted import from_dotted_name

__all__ = ["PARAMETRIZATIONS", "Start", "parametrization_start"]

#: Strength of the texture that the ascent of this name adds to appearance.
TEXTURE = 0.2
#: Strength of the fading that the ascent of this name adds to appearance.
FADING = 1.0


Start = Callable[[Tensor, FlowPrior | None, torch.Generator | None], Parametrization]


def _pixel(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """The pixels themselves, clamped to the valid range, as in the paper."""
    return PixelParametrization(image)


def _reflected(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """The pixels, with values beyond black and white reflected there; for the step rule ``sobolev``."""
    return ReflectedParametrization(image)


def _scattered(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """As ``reflected``, from a start before a random coloured background."""
    return ReflectedParametrization(reflect(image + random_grounds(image, generator)))


def _latent(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """The latent code of the flow, decoded by its inverse; needs ``flow``."""
    if flow is None:
        raise UserError(
            "The latent parametrization decodes with the inverse flow: pass flow=, or choose 'pixel' or 'appearance'."
        )
    return LatentParametrization(image, flow)


def _appearance(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """A random convolution, mixed with the image, a tone curve and a bias field; landmarks do not move."""
    return AppearanceParametrization.draw(image, generator)


def _texture(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """As ``appearance``, and a smooth coloured texture is added."""
    return AppearanceParametrization.draw(image, generator, texture=TEXTURE)


def _fading(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """As ``appearance``, and contrast with the background fades from place to place."""
    return AppearanceParametrization.draw(image, generator, fading=FADING)


def _warp(image: Tensor, flow: FlowPrior | None, generator: torch.Generator | None) -> Parametrization:
    """A smooth displacement field before a random background; for classes, since landmarks would not follow."""
    return WarpParametrization.draw(image, generator, ground=random_grounds(image, generator))


PARAMETRIZATIONS: dict[str, Start] = {
    "pixel": _pixel,
    "reflected": _reflected,
    "scattered": _scattered,
    "latent": _latent,
    "appearance": _appearance,
    "texture": _texture,
    "fading": _fading,
    "warp": _warp,
}
"""Parametrisations of an ascent by name: functions of images, flow and generator to a :class:`Parametrization`."""


def parametrization_start(parametrization: str | Start) -> Start:
    """The function that starts a parametrisation, by its name, its dotted name, or as it is.

    Raises:
        ValueError: if there is none of that name.

    """
    if callable(parametrization):
        return parametrization
    if "." in parametrization:
        return from_dotted_name(parametrization, "parametrization")
    if parametrization not in PARAMETRIZATIONS:
        hint = did_you_mean(parametrization, PARAMETRIZATIONS)
        raise UserError(
            f"Unknown parametrization {parametrization!r}.{hint} Available: {', '.join(PARAMETRIZATIONS)}; or "
            "module.Name of a function of images, flow and generator that returns a monai_degia.Parametrization."
        )
    return PARAMETRIZATIONS[parametrization]
