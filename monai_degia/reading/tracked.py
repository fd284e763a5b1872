"""Where MONAI says that the pixels of an image lie, in as many dimensions as the image has, and points through that."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor, to_affine_nd
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["affine_of_dims", "map_points", "tracked_affine", "tracked_shape"]


def tracked_shape(image: Tensor) -> tuple[int, ...]:
    """Spatial shape of an image (C, X, Y) or (C, X, Y, Z), with what MONAI's lazy transforms have yet to do to it."""
    shape = image.peek_pending_shape() if isinstance(image, MetaTensor) else image.shape[1:]
    return tuple(int(side) for side in shape)


def tracked_affine(image: MetaTensor) -> Tensor:
    """Matrix from pixels to world coordinates, with what MONAI's lazy transforms have yet to do to the image.

    MONAI leaves a flat image an affine of 4 x 4 or, where a chain of lazy transforms needs no interpolation, 3 x 3.

    Args:
        image: shape (C, X, Y) or (C, X, Y, Z).

    Returns:
        Float64 of shape (n + 1, n + 1) for n spatial dimensions.

    """
    return affine_of_dims(image.peek_pending_affine(), image.ndim - 1)


def affine_of_dims(affine: Any, spatial_dims: int) -> Tensor:
    """An affine of either size as float64 (n + 1, n + 1): further axes are left out, or stay as they are."""
    plain = convert_to_tensor(affine, dtype=torch.float64, track_meta=False)
    return to_affine_nd(spatial_dims, plain)


def map_points(points: Any, affine: Tensor, to_image: bool = False) -> Tensor:
    """Points through an affine, or back through it.

    Args:
        points: shape (K, n); NaN where there is no label, which stays NaN.
        affine: shape (n + 1, n + 1), from pixels to the world.
        to_image: from the world to pixels.

    Returns:
        Float64 of shape (K, n).

    Raises:
        ValueError: if the points have another shape, or there is no way back because the affine has no inverse.

    """
    # A list of lists, too, as a data list in JSON has it.
    tensor = torch.as_tensor(convert_to_tensor(points, dtype=torch.float64, track_meta=False, wrap_sequence=True))
    dims = len(affine) - 1
    if tensor.ndim != 2 or tensor.shape[1] != dims:
        axes = ", ".join("XYZ"[:dims])
        raise UserError(
            f"Landmarks must be of shape (K, {dims}), got {tuple(tensor.shape)}: their image is of shape (C, {axes})."
        )
    affine = affine.to(tensor.device)
    if to_image:
        affine, singular = torch.linalg.inv_ex(affine)
        if singular or not torch.isfinite(affine).all():
            raise UserError("The image's affine has no inverse, so no point can be placed: check the file's geometry.")
    return tensor @ affine[:dims, :dims].T + affine[:dims, dims]
