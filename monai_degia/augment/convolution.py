"""Convolution of each image of a batch by a kernel of its own, given or random: functions, without MONAI's classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from monai.utils import ensure_tuple
from torch import Tensor
from torch.nn import functional as F

from monai_degia.errors import UserError

__all__ = ["KERNEL_SIZES", "checked_options", "convolve_each", "random_convolution", "stretch_each"]

KERNEL_SIZES = (1, 3, 5, 7)


def convolve_each(images: Tensor, kernels: Tensor) -> Tensor:
    """Convolve every image of a batch by a kernel of its own; the spatial shape stays, borders are replicated.

    A border of zeros would draw a frame around every image.

    Args:
        images: shape (B, C, ...) with two or three spatial axes.
        kernels: shape (B, D, C, *widths) with odd widths, or (1, D, C, *widths) for one kernel of the whole batch.

    Returns:
        Shape (B, D, ...).

    Raises:
        ValueError: if the shapes do not fit, or a width is even.

    """
    (batch, channels, *shape), widths = images.shape, kernels.shape[3:]
    if kernels.ndim != images.ndim + 1 or kernels.shape[2] != channels or len(kernels) not in (1, batch):
        raise UserError(
            f"Images of shape {tuple(images.shape)} need kernels of shape ({batch} or 1, D, {channels}, *widths), got "
            f"{tuple(kernels.shape)}."
        )
    if images.ndim not in (4, 5) or any(width % 2 == 0 for width in widths):
        raise UserError(
            f"convolve_each works on two or three spatial axes with odd kernel widths, got images of shape "
            f"{tuple(images.shape)} and widths {tuple(widths)}."
        )
    convolve = F.conv2d if images.ndim == 4 else F.conv3d
    padded = F.pad(images, [width // 2 for width in reversed(widths) for _ in range(2)], mode="replicate")
    if len(kernels) == 1:
        return convolve(padded, kernels[0])
    # One group of channels an image, so that all kernels are applied in one call.
    side_by_side = padded.reshape(1, batch * channels, *padded.shape[2:])
    return convolve(side_by_side, kernels.flatten(0, 1), groups=batch).view(batch, -1, *shape)


def stretch_each(images: Tensor) -> Tensor:
    """Stretch each image (B, C, ...) to [0, 1] over all its channels: colour survives and every contrast is used."""
    # Extremes by their place: the gradient of amin and amax compares every pixel with them once more.
    flat, ones = images.flatten(1), [1] * (images.ndim - 1)
    low, high = flat.min(1).values.view(-1, *ones), flat.max(1).values.view(-1, *ones)
    return (images - low) / (high - low).clamp_min(1e-3)


def random_convolution(
    images: Tensor,
    generator: torch.Generator | None = None,
    kernel_sizes: Sequence[int] = KERNEL_SIZES,
    mixing: bool = True,
    per_sample: bool = True,
    rescale: str | None = "stretch",
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Tensor:
    r"""Convolve a batch of images by random kernels (Xu et al., ICLR 2021, arXiv 2007.13003).

    .. math::
        x' = s\, x + (1 - s)\, (x * \Theta), \qquad \Theta \sim \mathcal{N}(0, 1 / (C k^d)), \quad s \sim U(0, 1)

    The kernel acts on the values about the middle of ``value_range``, as it does in the paper on normalised images: so
    an even background changes its colour too. Everything is drawn on the CPU, so that a seed gives the same images on
    every device. Differentiable with respect to the images.

    Args:
        images: shape (B, C, ...) with two or three spatial axes; integers become float32.
        generator: source of the draws, on the CPU.
        kernel_sizes: odd widths k to draw from; wider than the image is allowed.
        mixing: mix with the image in a random share s; otherwise s = 0.
        per_sample: draw k, kernel and s for every image; otherwise once for the batch.
        rescale: what brings convolved values back to ``value_range``, before they are mixed: ``stretch`` (the smallest
            to the lowest, the largest to the highest), ``clamp``, or ``None``, the paper's, for values as they come.
        value_range: lowest and highest value of the images' scale; ``None`` takes each image's own.

    Returns:
        Shape and, if floating point, type of ``images``.

    Raises:
        ValueError: if an option is unknown or out of range, or the images are empty or of another shape.
        TypeError: if the images hold complex numbers.

    """
    sizes = checked_options(kernel_sizes, rescale, value_range)
    if images.ndim not in (4, 5) or images.numel() == 0:
        raise UserError(
            f"random_convolution expects images (B, C, X, Y) or (B, C, X, Y, Z), not empty, got {tuple(images.shape)}."
        )
    if images.is_complex():
        raise UserError(f"random_convolution needs real images, got {images.dtype}: take the magnitude first.")
    if generator is not None and generator.device.type != "cpu":
        raise UserError(f"random_convolution draws on the CPU, got a generator on {generator.device}.")
    real = images if images.dtype == torch.float64 else images.float()
    low, span = _scale(real, value_range)
    draws = len(images) if per_sample else 1
    choice = torch.randint(len(sizes), (draws,), generator=generator)
    share = torch.rand(draws, *[1] * (images.ndim - 1), generator=generator).to(real) * mixing
    convolved = _convolve_randomly((real - low) / span - 0.5, [sizes[i] for i in choice.tolist()], generator)
    if rescale == "stretch":
        convolved = stretch_each(convolved)
    else:
        convolved = convolved + 0.5 if rescale is None else (convolved + 0.5).clamp(0, 1)
    result = share * real + (1 - share) * (low + span * convolved)
    return result.to(images.dtype) if images.is_floating_point() else result


def _convolve_randomly(images: Tensor, sizes: list[int], generator: torch.Generator | None) -> Tensor:
    """Convolve by kernels of ``sizes``, one an image or one for all; those of one size together, which is fastest."""
    channels, axes = images.shape[1], images.ndim - 2
    result = torch.empty_like(images)
    for size in sorted(set(sizes)):
        chosen = [index for index, own in enumerate(sizes) if own == size]
        shape = (len(chosen), channels, channels, *[size] * axes)
        kernels = torch.randn(shape, generator=generator) / math.sqrt(channels * size**axes)
        if len(sizes) == 1:
            return convolve_each(images, kernels.to(images))
        result[chosen] = convolve_each(images[chosen], kernels.to(images))
    return result


def _scale(images: Tensor, value_range: tuple[float, float] | None) -> tuple[Any, Any]:
    """Lowest value and length of the range, of all images or (B, 1, ...) of each."""
    if value_range is not None:
        return value_range[0], value_range[1] - value_range[0]
    axes = tuple(range(1, images.ndim))
    low = images.amin(axes, keepdim=True)
    return low, (images.amax(axes, keepdim=True) - low).clamp_min(torch.finfo(images.dtype).tiny)


def checked_options(kernel_sizes: Any, rescale: str | None, value_range: tuple[float, float] | None) -> list[int]:
    """The kernel widths, if they and the other options of :func:`random_convolution` are valid.

    Raises:
        ValueError: if they are not.

    """
    sizes = list(ensure_tuple(kernel_sizes))
    if not sizes or any(not isinstance(size, Integral) or size < 1 or size % 2 == 0 for size in sizes):
        raise UserError(
            f"kernel_sizes must be odd positive integers, so that kernels have a centre, got {kernel_sizes}."
        )
    if rescale not in (None, "stretch", "clamp"):
        raise UserError(f"Unknown rescale {rescale!r}. Available: 'stretch', 'clamp', None.")
    if value_range is not None and not value_range[0] < value_range[1]:
        raise UserError(f"value_range must be (low, high) with low < high, got {value_range}.")
    return [int(size) for size in sizes]
