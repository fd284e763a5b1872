"""Random coloured grounds of every grain: what an ascent over reflected pixels starts from, and scenes are made of."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["random_grounds"]

#: Amplitudes fall with the number of waves k a side as 1 / (1 + k) ** decay; the decay is drawn between these.
DECAYS = (0.8, 2.5)
#: Greatest standard deviation of a texture over the image, and the standard deviation of its level over draws.
TEXTURE, LEVEL = 0.35, 0.4


def random_grounds(image: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fields to be added to images: a level, and Gaussian noise whose spectrum falls by a power, as pictures' do.

    Drawn for each image: the power, the strength of the noise, and how much of noise and level the channels share, from
    grey to independent.

    Args:
        image: what the fields are for, shape (B, C, X, Y) or (B, C, X, Y, Z).
        generator: source of the draws, on the CPU.

    Returns:
        Fields of the image's shape, about 0.

    """
    batch, channels, *shape = image.shape
    axes, ones = tuple(range(2, image.ndim)), [1] * (image.ndim - 1)
    decay, strength, share = torch.rand(3, batch, *ones, generator=generator)
    noise, level = (_mixed(share, batch, channels, size, generator) for size in (shape, [1] * len(shape)))
    waves = [torch.fft.fftfreq(side, 1 / side) for side in shape]
    number = torch.stack(torch.meshgrid(*waves, indexing="ij")).norm(dim=0)
    damping = (1 + number) ** -(DECAYS[0] + (DECAYS[1] - DECAYS[0]) * decay)
    damping = torch.where(number > 0, damping, 0)  # the level is drawn apart
    fields = torch.fft.ifftn(torch.fft.fftn(noise, dim=axes) * damping, dim=axes).real
    fields = fields / fields.flatten(1).std(1).clamp_min(1e-6).view(-1, *ones)
    return (TEXTURE * strength * fields + LEVEL * level).to(image)


def _mixed(share: Tensor, batch: int, channels: int, shape: list[int], generator: torch.Generator | None) -> Tensor:
    common, own = (torch.randn(batch, count, *shape, generator=generator) for count in (1, channels))
    return share.sqrt() * common + (1 - share).sqrt() * own
