"""What an ascent moves: parameters per image, and the map from parameters to images; the pixels, or a latent code."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from monai_degia.flows.flow_prior import FlowPrior

__all__ = [
    "LatentParametrization",
    "Parametrization",
    "PixelParametrization",
    "ReflectedParametrization",
    "reflect",
]


class Parametrization(ABC):
    """A batch of images written as ``decode(parameters)``, with the parameters the ascent starts from.

    Attributes:
        start: parameters at step 0, shape (B, ...); one row a sample, rows never mix.

    """

    start: Tensor

    @abstractmethod
    def decode(self, parameters: Tensor) -> Tensor:
        """Map parameters of the shape of ``start`` to images (B, C, X, Y), or volumes; differentiable."""

    @abstractmethod
    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Bring parameters back to those that decode to valid images, after each step."""


class PixelParametrization(Parametrization):
    """The pixels themselves, as in the paper: ``decode`` is the identity, ``project`` clamps to the valid range.

    Args:
        image: source images, shape (B, C, X, Y) or (B, C, X, Y, Z).

    """

    def __init__(self, image: Tensor) -> None:
        self.start = image.detach()

    def decode(self, parameters: Tensor) -> Tensor:
        """Return the parameters: they are the image."""
        return parameters

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Clamp to ``bounds``."""
        return parameters.clamp(*bounds)


def reflect(values: Tensor) -> Tensor:
    """Bring values to [0, 1] by reflecting them at 0 and 1: a wave of triangles with slopes of 1 and -1."""
    return 1 - (1 - values.remainder(2)).abs()


class ReflectedParametrization(PixelParametrization):
    """The pixels, with values beyond an end of [0, 1] reflected at it where ``pixel`` clamps them.

    Clamped, an image that climbs far loses its contrast: what is bright meets what has become bright. Reflected, the
    contrast changes its sign and stays: added to a bright line on black, 0.7 makes a dark line on bright. Together with
    the step rule ``sobolev``, whose steps hardly differ between neighbours, an ascent goes far and keeps lines.

    Args:
        image: source images in [0, 1], shape (B, C, X, Y) or (B, C, X, Y, Z).

    """

    def decode(self, parameters: Tensor) -> Tensor:
        """Images in [0, 1], see :func:`reflect`."""
        return reflect(parameters)

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Return the parameters: any value decodes to an image."""
        return parameters


class LatentParametrization(Parametrization):
    """The latent code z = F(x), decoded by the inverse flow: a step in z follows what the flow knows of the source.

    Where the flow sees a coarser copy of the images, that copy is decoded, and what it lacks is added from the source.

    Args:
        image: source images in [0, 1], shape (B, C, X, Y) or (B, C, X, Y, Z).
        flow: both directions of F; it is used in the mode it is in.

    """

    def __init__(self, image: Tensor, flow: FlowPrior) -> None:
        with torch.no_grad():
            self.start = flow(image)[0].detach()
            self.detail = image.detach() - flow.grow(flow.shrink(image.detach()))
        self.flow = flow

    def decode(self, parameters: Tensor) -> Tensor:
        """Images F^-1(z); exact for the start, so zero steps give back the source images."""
        return self.flow.grow(self.flow.inverse(parameters)) + self.detail

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Return the parameters: any latent decodes."""
        return parameters
