"""The multi-scale image flow, assembled from bijections."""

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from monai_degia.flows.bijections import ActNorm, AffineCoupling, Bijection, Chain, ChannelPermutation, Squeeze

MAX_DEFAULT_SCALES = 3


class RealNVP(Bijection):
    """Multi-scale RealNVP between images and flat latents (arXiv 1605.08803, section 3.6 and 3.7).

    The image is mapped from [0, 1] to [-1, 1]; then every scale squeezes *before* its first convolution, runs its
    couplings, and (but for the last) hands half of its channels to the latent and the other half to the next scale.
    Two successive couplings share one channel order and freeze opposite halves, so that any two of them change
    every channel.

    Args:
        spatial_shape: image sides (X, Y) in pixels.
        in_channels: image channels C, at least 1.
        num_scales: number of scales; each side must be divisible by ``2 ** num_scales``. Default: as many as divide
            both sides, at most 3.
        couplings_per_scale: affine couplings in each scale, each after an ActNorm.
        hidden_channels: width of the CNN in each coupling.
        residual_blocks: residual blocks in that CNN.
        seed: decides the channel orders. Weights come from torch's global generator, as in any module.

    Raises:
        ValueError: if an argument is not positive, or a side is not divisible by ``2 ** num_scales``.
    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        in_channels: int,
        num_scales: int | None = None,
        couplings_per_scale: int = 3,
        hidden_channels: int = 16,
        residual_blocks: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        positive = {"in_channels": in_channels, "couplings_per_scale": couplings_per_scale}
        for name, value in {**positive, "hidden_channels": hidden_channels}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}.")
        if residual_blocks < 0:
            raise ValueError(f"residual_blocks must not be negative, got {residual_blocks}.")
        num_scales = _check_scales(spatial_shape, num_scales)
        self.image_shape = (in_channels, *spatial_shape)
        self.num_dims = math.prod(self.image_shape)
        self.latent_shapes = _latent_shapes(self.image_shape, num_scales)
        widths = [in_channels * 2 ** (scale + 2) for scale in range(num_scales)]
        self.scales = nn.ModuleList(
            Chain([Squeeze(), *_couplings(width, couplings_per_scale, hidden_channels, residual_blocks, seed)])
            for width in widths
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to latents.

        Args:
            x: images in [0, 1], shape (B, C, X, Y).

        Returns:
            z of shape (B, C * X * Y), finest scale first, and ``log |det dz/dx|`` in nats, shape (B,).

        Raises:
            ValueError: if x is not of that shape.
            TypeError: if x does not hold floating point numbers.
        """
        self._check(x, self.image_shape, "images")
        h, log_det, parts = 2 * x - 1, self._range_log_det(x), []
        for i, scale in enumerate(self.scales):
            h, step = scale(h)
            log_det = log_det + step
            if i < len(self.scales) - 1:
                h, part = h.chunk(2, dim=1)
                parts.append(part.flatten(1))
        return torch.cat([*parts, h.flatten(1)], dim=1), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map latents to images.

        Args:
            z: latents, shape (B, C * X * Y), as ``forward`` returns them.

        Returns:
            x of shape (B, C, X, Y), not clamped to [0, 1], and ``log |det dx/dz|`` in nats, shape (B,).

        Raises:
            ValueError: if z is not of that shape.
            TypeError: if z does not hold floating point numbers.
        """
        self._check(z, (self.num_dims,), "latents")
        parts = z.split([math.prod(shape) for shape in self.latent_shapes], dim=1)
        blocks = [part.unflatten(1, shape) for part, shape in zip(parts, self.latent_shapes, strict=True)]
        h, log_det = blocks.pop(), -self._range_log_det(z)
        for scale in cast("Iterator[Bijection]", reversed(self.scales)):
            h, step = scale.inverse(h)
            log_det = log_det + step
            if blocks:
                h = torch.cat([h, blocks.pop()], dim=1)
        return (h + 1) / 2, log_det

    def _range_log_det(self, x: Tensor) -> Tensor:
        return x.new_full((len(x),), self.num_dims * math.log(2))

    def _check(self, x: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tuple(x.shape[1:]) != shape or x.ndim != len(shape) + 1:
            wanted = ", ".join(map(str, shape))
            raise ValueError(
                f"The flow expects {what} of shape (B, {wanted}), got {tuple(x.shape)}. It was built for "
                f"images of shape {self.image_shape} (channels, x, y): resize them, or build a flow of their size."
            )
        if not x.is_floating_point():
            raise TypeError(
                f"The flow expects floating point {what}, got {x.dtype}. Scale grey levels to [0, 1] first."
            )


def _couplings(width: int, count: int, hidden_channels: int, residual_blocks: int, seed: int) -> list[Bijection]:
    layers: list[Bijection] = []
    for i in range(count):
        if i % 2 == 0:
            layers.append(ChannelPermutation(width, seed + i))
        layers += [ActNorm(width), AffineCoupling(width, hidden_channels, residual_blocks, flip=i % 2 == 1)]
    return layers


def _latent_shapes(image_shape: tuple[int, ...], num_scales: int) -> list[tuple[int, int, int]]:
    c, x, y = image_shape
    shapes = [(c * 2**i, x // 2**i, y // 2**i) for i in range(1, num_scales)]
    return [*shapes, (c * 2 ** (num_scales + 1), x // 2**num_scales, y // 2**num_scales)]


def _check_scales(spatial_shape: Sequence[int], num_scales: int | None) -> int:
    if len(spatial_shape) != 2 or min(spatial_shape) < 1:
        raise ValueError(f"spatial_shape must be two positive sides (X, Y), got {tuple(spatial_shape)}.")
    if num_scales is not None and num_scales < 1:
        raise ValueError(f"num_scales must be at least 1, got {num_scales}.")
    common = math.gcd(*spatial_shape)
    possible = (common & -common).bit_length() - 1  # the exponent of 2 in the greatest common divisor
    if num_scales is None:
        num_scales = max(1, min(possible, MAX_DEFAULT_SCALES))
    if num_scales > possible:
        factor = 2**num_scales
        side = next(side for side in spatial_shape if side % factor)
        below = side - side % factor
        nearest = f"{below} or {below + factor}" if below else f"{factor}"
        fewer = f", or num_scales={possible}" if possible else ""
        raise ValueError(
            f"spatial_shape must be divisible by 2 ** num_scales = {factor} on each side, got {side} in "
            f"{tuple(spatial_shape)}. Nearest sides that work: {nearest}{fewer}."
        )
    return num_scales
