"""A smooth warp of an image by few parameters: what an ascent over geometry moves."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_degia.ascent.parametrization import Parametrization, reflect
from monai_degia.augment.resampling import pixel_grid, sample_images
from monai_degia.augment.splines import grow_grids
from monai_degia.errors import UserError

__all__ = ["WarpParametrization"]


class WarpParametrization(Parametrization):
    """A smooth displacement of the image's points; values stay those of the image. For labels that do not move with it.

    The parameters are the displacements of a grid of control points along all axes, in units of ``reach``, standard
    normal at a random start; between them the field is interpolated by cubic polynomials. Turns, shears, changes of
    scale and moves are among the fields, and so are bent strokes. Classes are kept by a warp of a few pixels; landmarks
    are not, and :class:`AscentObjective` would compare with places that the object has left.

    Args:
        image: source images, shape (B, C, X, Y), or volumes (B, C, X, Y, Z).
        start: displacements at the start, shape (B, 2, GRID, GRID), x then y; of volumes (B, 3, GRID, GRID, GRID).
        reach: displacement in pixels that a parameter of 1 stands for.
        ground: fields that are added to the warped images and stay where they are, values beyond 0 and 1 reflected
            there: what bends is the object, before a background that does not. ``None`` adds nothing.

    Raises:
        ValueError: if ``start`` has another shape, or ``reach`` is not positive.

    """

    GRID = 4

    def __init__(self, image: Tensor, start: Tensor, reach: float = 1.0, ground: Tensor | None = None) -> None:
        expected = self._start_shape(image)
        if tuple(start.shape) != expected:
            raise UserError(f"start must have shape {expected} for this batch of images, got {tuple(start.shape)}.")
        if not reach > 0:
            raise UserError(f"reach is a number of pixels, more than 0, got {reach}.")
        self.image, self.start, self.reach, self.ground = image.detach(), start.detach(), reach, ground
        self.grid = pixel_grid(image.shape[2:], self.image)

    @classmethod
    def draw(
        cls,
        image: Tensor,
        generator: torch.Generator | None = None,
        reach: float = 1.0,
        ground: Tensor | None = None,
    ) -> WarpParametrization:
        """Draw a random start on the CPU, so that a seed gives the same warps on every device."""
        return cls(image, torch.randn(cls._start_shape(image), generator=generator).to(image), reach, ground)

    @classmethod
    def _start_shape(cls, image: Tensor) -> tuple[int, ...]:
        dims = image.ndim - 2
        return (len(image), dims, *[cls.GRID] * dims)

    def decode(self, parameters: Tensor) -> Tensor:
        """Images pulled through the field, the edge repeated, before their grounds; shape of the source images."""
        field = self.reach * grow_grids(parameters, self.image.shape[2:])
        moved = sample_images(self.image, self.grid + field.movedim(1, -1))
        return moved if self.ground is None else reflect(moved + self.ground)

    def project(self, parameters: Tensor, bounds: tuple[float, float]) -> Tensor:
        """Hold every control point within three times ``reach``."""
        return parameters.clamp(-3, 3)
