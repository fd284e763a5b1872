"""A parametrisation of the user's: gain and offset of each channel. Landmarks cannot move."""

from __future__ import annotations

import torch
from torch import Tensor

import monai_degia


class ChannelGains(monai_degia.Parametrization):
    """Images are ``(image - 1/2) * exp(gain) + 1/2 + offset``, with both parameters drawn at the start."""

    def __init__(
        self, image: Tensor, flow: monai_degia.FlowPrior | None = None, generator: torch.Generator | None = None
    ) -> None:
        self.image = image.detach()
        # On the CPU, so that a seed gives the same start on every device.
        noise = torch.randn(len(image), 2, image.shape[1], generator=generator)
        self.start = noise.to(image)

    def decode(self, parameters: Tensor) -> Tensor:
        """Parameters (B, 2, C) to images (B, C, X, Y) or volumes; differentiable."""
        gain, offset = 0.3 * parameters.view(*parameters.shape, *[1] * (self.image.ndim - 2)).unbind(1)
        return (self.image - 0.5) * gain.exp() + 0.5 + offset

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Keep parameters within three standard deviations; the ascent clamps the images."""
        return parameters.clamp(-3, 3)
