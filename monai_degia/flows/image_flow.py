"""The frame of every multi-scale flow between images and flat latents; its heirs only choose the bijections."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from monai_degia.errors import UserError
from monai_degia.flows.bijections import Bijection


class ImageFlow(Bijection):
    """Multi-scale flow between images and flat latents (RealNVP, arXiv 1605.08803, section 3.6).

    The image is mapped from [0, 1] to [-1, 1]; then every scale quarters the picture, runs its couplings, and (but for
    the last) keeps its first channels for the next scale and hands the others to the latent.

    Args:
        image_shape: channels and sides (C, X, Y) of an image.
        scales: the bijection of each scale, from (B, C, X, Y) to (B, 4 C, X / 2, Y / 2).
        kept: number of channels that each scale but the last keeps for the next.
    """

    def __init__(self, image_shape: Sequence[int], scales: Sequence[Bijection], kept: Sequence[int]) -> None:
        super().__init__()
        self.image_shape, self.kept = tuple(image_shape), list(kept)
        self.num_dims = math.prod(self.image_shape)
        self.latent_shapes = _latent_shapes(self.image_shape, self.kept)
        self.scales = nn.ModuleList(scales)

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
                h, part = h.split([self.kept[i], h.shape[1] - self.kept[i]], dim=1)
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
            raise UserError(
                f"The flow expects {what} of shape (B, {wanted}), got {tuple(x.shape)}. It was built for "
                f"images of shape {self.image_shape} (channels, x, y): resize them, or build a flow of their size."
            )
        if not x.is_floating_point():
            raise UserError(
                f"The flow expects floating point {what}, got {x.dtype}. Scale grey levels to [0, 1] first."
            )


def _latent_shapes(image_shape: tuple[int, ...], kept: Sequence[int]) -> list[tuple[int, int, int]]:
    channels, x, y = image_shape
    shapes = []
    for keep in (*kept, 0):
        channels, x, y = 4 * channels, x // 2, y // 2
        shapes.append((channels - keep, x, y))
        channels = keep
    return shapes


def check_scales(spatial_shape: Sequence[int], num_scales: int | None, default: Callable[[int], int]) -> int:
    """Number of scales that divide both sides.

    Args:
        spatial_shape: image sides (X, Y) in pixels.
        num_scales: the number asked for, or None.
        default: number of scales for None, given how many divide both sides; it is held between 1 and that number.

    Raises:
        ValueError: if the sides are not two positive numbers, or not divisible by ``2 ** num_scales``.
    """
    if len(spatial_shape) != 2 or min(spatial_shape) < 1:
        raise UserError(f"spatial_shape must be two positive sides (X, Y), got {tuple(spatial_shape)}.")
    if num_scales is not None and num_scales < 1:
        raise UserError(f"num_scales must be at least 1, got {num_scales}.")
    common = math.gcd(*spatial_shape)
    possible = (common & -common).bit_length() - 1  # the exponent of 2 in the greatest common divisor
    if num_scales is None:
        num_scales = max(1, min(possible, default(possible)))
    if num_scales > possible:
        factor = 2**num_scales
        side = next(side for side in spatial_shape if side % factor)
        below = side - side % factor
        nearest = f"{below} or {below + factor}" if below else f"{factor}"
        fewer = f", or num_scales={possible}" if possible else ""
        raise UserError(
            f"spatial_shape must be divisible by 2 ** num_scales = {factor} on each side, got {side} in "
            f"{tuple(spatial_shape)}. Nearest sides that work: {nearest}{fewer}."
        )
    return num_scales
