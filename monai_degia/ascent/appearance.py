"""Random maps of appearance with few parameters an image: what an ascent over appearance moves, and random views."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_degia.ascent.parametrization import Parametrization, reflect
from monai_degia.augment.convolution import stretch_each
from monai_degia.augment.splines import grow_grids
from monai_degia.errors import UserError

__all__ = ["AppearanceParametrization", "random_appearance"]


class AppearanceParametrization(Parametrization):
    """A random map of intensities and texture with few parameters a sample; geometry, hence landmarks, cannot move.

    In order: convolution by a random kernel 1, 3 or 5 wide over all channels, a stretch of the result to [0, 1], a
    mixture with the original image (whose share is at most a half in three of four draws), a smooth coloured texture
    that is added if asked for, with values beyond 0 and 1 reflected there, fading if asked for, a tone curve (a power),
    and a bias field. Every parameter is standard normal at the start and is scaled inside :meth:`decode`, so that one
    step size suits all of them.

    Fading is what an object shows that is thinner in some places than in others: its contrast with the background,
    taken from the image's border, becomes smaller there, place by place and smoothly. Whether the background is then
    darker or lighter than the object's thin parts, the kernel decides.

    Args:
        image: source images in [0, 1], shape (B, C, X, Y), or volumes (B, C, X, Y, Z).
        noise: parameters at the start, shape (B, num_parameters(C, texture, fading, spatial_dims)).
        kernel_size: width of each sample's kernel, one of ``KERNEL_SIZES``, shape (B,).
        texture: standard deviation of the added texture's control points, in the mean over draws; a texture of its own
            for each channel, with details of a fifth of the side. 0 adds none: even areas of the source stay even.
        fading: standard deviation of the strength of fading: at strength s the contrast with the background falls to
            about exp(-0.8 s) of itself in the mean over the image, and varies about that. 0 leaves it out.

    Raises:
        ValueError: if ``noise`` has another shape, ``kernel_size`` another shape or value, or ``texture`` or ``fading``
            is negative.

    """

    KERNEL_SIZES = (1, 3, 5)
    MIXTURE_SHIFT = 0.7
    FIELD_SIZE = 3
    TONE_SCALE = 0.4
    FIELD_SCALE = 0.15
    TEXTURE_SIZE = 5
    FADING_SIZE = 4

    def __init__(
        self, image: Tensor, noise: Tensor, kernel_size: Tensor, texture: float = 0.0, fading: float = 0.0
    ) -> None:
        for name, value in (("texture", texture), ("fading", fading)):
            if not value >= 0:
                raise UserError(f"{name} is a standard deviation, 0 or more, got {value}.")
        batch, channels = image.shape[:2]
        self.dims = image.ndim - 2
        expected = (batch, self.num_parameters(channels, texture, fading, self.dims))
        if tuple(noise.shape) != expected:
            raise UserError(f"noise must have shape {expected} for this batch of images, got {tuple(noise.shape)}.")
        if tuple(kernel_size.shape) != (batch,) or not set(kernel_size.tolist()) <= set(self.KERNEL_SIZES):
            raise UserError(
                f"kernel_size must hold one of {self.KERNEL_SIZES} for each of {batch} images, got "
                f"{kernel_size.tolist()}."
            )
        self.image, self.start, self.texture, self.fading = image.detach(), noise.detach(), texture, fading
        self.kernel_size = kernel_size
        # He scaling by the entries in use keeps the output's contrast the same for every kernel width.
        entries = channels * kernel_size**self.dims
        self.kernel_scale = (1 / entries.sqrt()).to(image).view(-1, *[1] * (self.dims + 2))
        # The image does not move: with its patches laid out once, a step's convolution is a product of matrices.
        # Samples of one kernel width go together: most of the widest kernel's patches are of no use to the others.
        sizes = kernel_size.tolist()
        members = {size: [i for i, own in enumerate(sizes) if own == size] for size in sorted(set(sizes))}
        self.patches = {size: _patches(self.image[rows] - 0.5, size) for size, rows in members.items()}
        self.rows = {size: torch.tensor(rows, device=image.device) for size, rows in members.items()}
        self.order = torch.cat(list(self.rows.values())).argsort()

    @classmethod
    def num_parameters(cls, channels: int, texture: float = 0.0, fading: float = 0.0, spatial_dims: int = 2) -> int:
        """Parameters of a sample: kernel, mixture, tone, bias field, then texture and fading with their strengths."""
        return sum(cls._sizes(channels, texture, fading, spatial_dims).values())

    @classmethod
    def _sizes(cls, channels: int, texture: float, fading: float, dims: int) -> dict[str, int]:
        sizes = {
            "kernel": channels**2 * max(cls.KERNEL_SIZES) ** dims,
            "mixture": 1,
            "tone": 1,
            "field": cls.FIELD_SIZE**dims,
        }
        if texture:
            sizes |= {"texture_strength": 1, "texture": channels * cls.TEXTURE_SIZE**dims}
        if fading:
            sizes |= {"fading_strength": 1, "fading": cls.FADING_SIZE**dims}
        return sizes

    @classmethod
    def draw(
        cls, image: Tensor, generator: torch.Generator | None = None, texture: float = 0.0, fading: float = 0.0
    ) -> AppearanceParametrization:
        """Draw a random start on the CPU, so that a seed gives the same maps on every device."""
        batch, channels = image.shape[:2]
        width = cls.num_parameters(channels, texture, fading, image.ndim - 2)
        noise = torch.randn(batch, width, generator=generator)
        choice = torch.randint(len(cls.KERNEL_SIZES), (batch,), generator=generator)
        return cls(image, noise.to(image), torch.tensor(cls.KERNEL_SIZES)[choice], texture, fading)

    def decode(self, parameters: Tensor) -> Tensor:
        """Images in [0, 1] up to the bias field, shape of the source images."""
        channels, width = self.image.shape[1], max(self.KERNEL_SIZES)
        sizes = self._sizes(channels, self.texture, self.fading, self.dims)
        part = dict(zip(sizes, parameters.split(list(sizes.values()), dim=1), strict=True))
        kernel = part["kernel"].view(-1, channels, channels, *[width] * self.dims) * self.kernel_scale
        convolved = stretch_each(self._convolve(kernel))
        # Uniform for a standard normal draw if it were not shifted: most maps then stay close to the original.
        share = self._spread(0.5 * (1 + torch.erf((part["mixture"] - self.MIXTURE_SHIFT) / math.sqrt(2))))
        mixed = stretch_each(share * self.image + (1 - share) * convolved)
        if self.texture:
            # Reflected and not clamped or stretched: what is added must not drown the contrast that is there.
            mixed = reflect(mixed + self._texture(part["texture_strength"], part["texture"]))
        if self.fading:
            mixed = self._fade(mixed, part["fading_strength"], part["fading"])
        # The small offset keeps the slope of the power finite at black.
        power = self._spread(torch.exp(self.TONE_SCALE * part["tone"])) * (mixed + 1e-3).log()
        return torch.exp(power + self.FIELD_SCALE * self._grow(part["field"], 1, self.FIELD_SIZE))

    def _convolve(self, kernel: Tensor) -> Tensor:
        parts = []
        for size, patches in self.patches.items():
            start = (kernel.shape[-1] - size) // 2
            middle: Any = (Ellipsis, *[slice(start, start + size)] * self.dims)
            parts.append(kernel[self.rows[size]][middle].flatten(2) @ patches)
        return torch.cat(parts)[self.order].view_as(self.image)

    def _texture(self, strength: Tensor, grid: Tensor) -> Tensor:
        # A strength of its own for each sample: from draws that leave even areas even to draws that turn contrast.
        return self._spread(self.texture * strength) * self._grow(grid, self.image.shape[1], self.TEXTURE_SIZE)

    def _fade(self, images: Tensor, strength: Tensor, grid: Tensor) -> Tensor:
        edges = [images.select(axis, end).flatten(2) for axis in range(images.ndim - 1, 1, -1) for end in (0, -1)]
        ground = self._spread(torch.cat(edges, -1).mean(-1))
        # Positive everywhere, so that contrast is lost and never made.
        thinness = F.softplus(self._grow(grid, 1, self.FADING_SIZE))
        return ground + (images - ground) * torch.exp(-self.fading * self._spread(strength.abs()) * thinness)

    def _grow(self, flat: Tensor, channels: int, size: int) -> Tensor:
        """Grids (B, channels * size * size) to smooth fields (B, channels, X, Y)."""
        return grow_grids(flat.view(-1, channels, *[size] * self.dims), self.image.shape[2:])

    def _spread(self, values: Tensor) -> Tensor:
        """Values (B, C) in a shape that meets every pixel of the images."""
        return values.view(*values.shape, *[1] * self.dims)

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Return the parameters: every map gives an image, which the ascent clamps."""
        return parameters


def _patches(images: Tensor, size: int) -> Tensor:
    """What a kernel of that width sees at each pixel, borders replicated: (B, C * size * size, X * Y)."""
    dims = images.ndim - 2
    windows = F.pad(images, [size // 2] * 2 * dims, mode="replicate") if size > 1 else images
    for axis in range(2, 2 + dims):
        windows = windows.unfold(axis, size, 1)  # a view; copied row by row, which im2col does not do
    order = (0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))
    return windows.permute(order).reshape(len(images), -1, images.shape[2:].numel())


def random_appearance(
    images: Tensor, generator: torch.Generator | None = None, texture: float = 0.0, fading: float = 0.0
) -> Tensor:
    """The start of an ascent over appearance, as an augmentation of its own: a random map for every image.

    Args:
        images: images in [0, 1], shape (B, C, X, Y), or volumes (B, C, X, Y, Z).
        generator: source of the draws, on the CPU.
        texture: see :class:`AppearanceParametrization`.
        fading: see there.

    Returns:
        Images in [0, 1] of the same shape; differentiable neither in the images nor in the maps.

    """
    with torch.no_grad():
        maps = AppearanceParametrization.draw(images, generator, texture, fading)
        return maps.decode(maps.start).clamp(0, 1)
