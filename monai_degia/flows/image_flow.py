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

    The image is mapped from [0, 1] to [-1, 1]; then every scale halves each side, runs its couplings, and (but for
    the last) keeps its first channels for the next scale and hands the others to the latent.

    Args:
        image_shape: channels and sides (C, X, Y) of an image, or (C, X, Y, Z) of a volume.
        scales: the bijection of each scale, from (B, C, X, Y) to (B, 4 C, X / 2, Y / 2), or eight times C for volumes.
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
            x: images in [0, 1], shape ``(B, *image_shape)``.

        Returns:
            z of shape (B, num_dims), finest scale first, and ``log |det dz/dx|`` in nats, shape (B,).

        Raises:
            ValueError: if x is not of that shape.
            TypeError: if x does not hold floating point numbers.
        """
        check_batch(x, self.image_shape, self.image_shape, "images")
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
            z: latents, shape (B, num_dims), as ``forward`` returns them.

        Returns:
            x of shape ``(B, *image_shape)``, not clamped to [0, 1], and ``log |det dx/dz|`` in nats, shape (B,).

        Raises:
            ValueError: if z is not of that shape.
            TypeError: if z does not hold floating point numbers.
        """
        check_batch(z, (self.num_dims,), self.image_shape, "latents")
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


def check_batch(x: Tensor, shape: tuple[int, ...], image_shape: tuple[int, ...], what: str) -> None:
    """Refuse what a flow cannot take.

    Args:
        x: the batch.
        shape: the shape that one row of it must have.
        image_shape: channels and sides of the images that the flow is for.
        what: the name of the rows in the message.

    Raises:
        ValueError: if x is not of shape ``(B, *shape)``.
        TypeError: if x does not hold floating point numbers.
    """
    if tuple(x.shape[1:]) != shape or x.ndim != len(shape) + 1:
        wanted = ", ".join(map(str, shape))
        axes = ", ".join(("channels", "x", "y", "z")[: len(image_shape)])
        raise UserError(
            f"The flow expects {what} of shape (B, {wanted}), got {tuple(x.shape)}. It was built for images of shape "
            f"{image_shape} ({axes}): resize them, or build a flow of their size."
        )
    if not x.is_floating_point():
        raise UserError(f"The flow expects floating point {what}, got {x.dtype}. Scale grey levels to [0, 1] first.")


def _latent_shapes(image_shape: tuple[int, ...], kept: Sequence[int]) -> list[tuple[int, ...]]:
    channels, *sides = image_shape
    shapes = []
    for keep in (*kept, 0):
        channels, sides = 2 ** len(sides) * channels, [side // 2 for side in sides]
        shapes.append((channels - keep, *sides))
        channels = keep
    return shapes


def check_scales(spatial_shape: Sequence[int], num_scales: int | None, default: Callable[[int], int]) -> int:
    """Number of scales that divide all sides.

    Args:
        spatial_shape: image sides (X, Y) or (X, Y, Z) in pixels.
        num_scales: the number asked for, or None.
        default: number of scales for None, given how many divide all sides; it is held between 1 and that number.

    Raises:
        ValueError: if the sides are not two or three positive numbers, or not divisible by ``2 ** num_scales``.
    """
    if len(spatial_shape) not in (2, 3) or min(spatial_shape) < 1:
        raise UserError(
            f"spatial_shape must be two or three positive sides (X, Y) or (X, Y, Z), got {tuple(spatial_shape)}."
        )
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
