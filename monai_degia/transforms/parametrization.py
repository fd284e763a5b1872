"""What an ascent moves: parameters per image, and the map from parameters to images: pixel, latent, appearance."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_degia.transforms.convolution import convolve_each, stretch_each

__all__ = [
    "PARAMETRIZATIONS",
    "AppearanceParametrization",
    "LatentParametrization",
    "Parametrization",
    "PixelParametrization",
]


class InvertibleFlow(Protocol):
    """The two directions of a flow that :class:`LatentParametrization` needs."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, X, Y) to latents (B, D) and log-determinants (B,)."""
        ...

    def inverse(self, z: Tensor) -> Tensor:
        """Latents (B, D) to images (B, C, X, Y)."""
        ...


class Parametrization(ABC):
    """A batch of images written as ``decode(parameters)``, with the parameters the ascent starts from.

    Attributes:
        start: parameters at step 0, shape (B, ...); one row a sample, rows never mix.

    """

    start: Tensor

    @abstractmethod
    def decode(self, parameters: Tensor) -> Tensor:
        """Map parameters of the shape of ``start`` to images (B, C, X, Y); differentiable."""

    @abstractmethod
    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Bring parameters back to those that decode to valid images, after each step."""


class PixelParametrization(Parametrization):
    """The pixels themselves, as in the paper: ``decode`` is the identity, ``project`` clamps to the valid range.

    Args:
        image: source images, shape (B, C, X, Y).

    """

    def __init__(self, image: Tensor) -> None:
        self.start = image.detach()

    def decode(self, parameters: Tensor) -> Tensor:
        """Return the parameters: they are the image."""
        return parameters

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Clamp to ``bounds``."""
        return parameters.clamp(*bounds)


class LatentParametrization(Parametrization):
    """The latent code z = F(x), decoded by the inverse flow: a step in z follows what the flow knows of the source.

    Args:
        image: source images in [0, 1], shape (B, C, X, Y).
        flow: both directions of F; it is used in the mode it is in.

    """

    def __init__(self, image: Tensor, flow: InvertibleFlow) -> None:
        with torch.no_grad():
            self.start = flow(image)[0].detach()
        self.flow = flow

    def decode(self, parameters: Tensor) -> Tensor:
        """Images F^-1(z); exact for the start, so zero steps give back the source images."""
        return self.flow.inverse(parameters)

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Return the parameters: any latent decodes."""
        return parameters


class AppearanceParametrization(Parametrization):
    """A random map of intensities and texture with few parameters a sample; geometry, hence landmarks, cannot move.

    In order: convolution by a random kernel 1, 3 or 5 wide over all channels, a stretch of the result to [0, 1], a
    mixture with the original image (whose share is at most a half in three of four draws), a tone curve (a power), and
    a smooth bias field. Every parameter is standard normal at the start and is scaled inside :meth:`decode`, so that
    one step size suits all of them.

    Args:
        image: source images in [0, 1], shape (B, C, X, Y).
        noise: parameters at the start, shape (B, num_parameters(C)).
        kernel_size: width of each sample's kernel, one of ``KERNEL_SIZES``, shape (B,).

    Raises:
        ValueError: if ``noise`` has another shape, or ``kernel_size`` another shape or value.

    """

    KERNEL_SIZES = (1, 3, 5)
    MIXTURE_SHIFT = 0.7
    FIELD_SIZE = 3
    TONE_SCALE = 0.4
    FIELD_SCALE = 0.15

    def __init__(self, image: Tensor, noise: Tensor, kernel_size: Tensor) -> None:
        batch, channels = image.shape[:2]
        expected = (batch, self.num_parameters(channels))
        if tuple(noise.shape) != expected:
            raise ValueError(f"noise must have shape {expected} for this batch of images, got {tuple(noise.shape)}.")
        if tuple(kernel_size.shape) != (batch,) or not set(kernel_size.tolist()) <= set(self.KERNEL_SIZES):
            raise ValueError(
                f"kernel_size must hold one of {self.KERNEL_SIZES} for each of {batch} images, got "
                f"{kernel_size.tolist()}."
            )
        self.image, self.start = image.detach(), noise.detach()
        width = max(self.KERNEL_SIZES)
        offset = (torch.arange(width, device=image.device) - width // 2).abs()
        radius = (kernel_size.to(image.device) // 2)[:, None, None]
        inside = torch.maximum(offset[:, None], offset[None, :]) <= radius
        # He scaling by the entries in use keeps the output's contrast the same for every kernel width.
        fan_in = (channels * kernel_size.to(image).square())[:, None, None]
        self.kernel_scale = (inside / fan_in.sqrt())[:, None, None].to(image.dtype)

    @classmethod
    def num_parameters(cls, channels: int) -> int:
        """Parameters of one sample: kernel, mixture, tone and bias field."""
        return channels**2 * max(cls.KERNEL_SIZES) ** 2 + 2 + cls.FIELD_SIZE**2

    @classmethod
    def draw(cls, image: Tensor, generator: torch.Generator | None = None) -> AppearanceParametrization:
        """Draw a random start on the CPU, so that a seed gives the same maps on every device."""
        batch, channels = image.shape[:2]
        noise = torch.randn(batch, cls.num_parameters(channels), generator=generator)
        choice = torch.randint(len(cls.KERNEL_SIZES), (batch,), generator=generator)
        return cls(image, noise.to(image), torch.tensor(cls.KERNEL_SIZES)[choice])

    def decode(self, parameters: Tensor) -> Tensor:
        """Images in [0, 1] up to the bias field, shape (B, C, X, Y)."""
        channels, width = self.image.shape[1], max(self.KERNEL_SIZES)
        kernel, mixture, tone, field = parameters.split([channels**2 * width**2, 1, 1, self.FIELD_SIZE**2], dim=1)
        kernel = kernel.view(-1, channels, channels, width, width) * self.kernel_scale
        textured = stretch_each(convolve_each(self.image - 0.5, kernel))
        # Uniform for a standard normal draw if it were not shifted: most maps then stay close to the original.
        share = 0.5 * (1 + torch.erf((mixture - self.MIXTURE_SHIFT) / math.sqrt(2)))[:, :, None, None]
        mixed = stretch_each(share * self.image + (1 - share) * textured)
        # The small offset keeps the slope of the power finite at black.
        toned = (mixed + 1e-3) ** torch.exp(self.TONE_SCALE * tone)[:, :, None, None]
        coarse = field.view(-1, 1, self.FIELD_SIZE, self.FIELD_SIZE)
        smooth = F.interpolate(coarse, self.image.shape[2:], mode="bicubic", align_corners=True)
        return toned * torch.exp(self.FIELD_SCALE * smooth)

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Return the parameters: every map gives an image, which the ascent clamps."""
        return parameters


def _latent(image: Tensor, flow: InvertibleFlow | None, generator: torch.Generator | None) -> Parametrization:
    if flow is None:
        raise ValueError(
            "The latent parametrization decodes with the inverse flow: pass flow=, or choose 'pixel' or 'appearance'."
        )
    return LatentParametrization(image, flow)


PARAMETRIZATIONS: dict[str, Callable[[Tensor, InvertibleFlow | None, torch.Generator | None], Parametrization]] = {
    "pixel": lambda image, flow, generator: PixelParametrization(image),
    "latent": _latent,
    "appearance": lambda image, flow, generator: AppearanceParametrization.draw(image, generator),
}
