"""Smooth fields from few values: thin plate splines through scattered points, cubic interpolation of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["cubic_weights", "grow_grids", "thin_plate_splines"]


def thin_plate_splines(knots: Tensor, values: Tensor, places: Tensor, smoothing: float = 0.0) -> Tensor:
    r"""Thin plate splines, one a sample, as ``scipy.interpolate.RBFInterpolator`` has them, for a batch.

    .. math:: s(x) = \sum_i w_i \lVert x - x_i \rVert^2 \log \lVert x - x_i \rVert + a + b^T x

    Args:
        knots: x_i, shape (B, N, 2), at least three of each sample not on one line.
        values: what the spline has there, shape (B, N, D).
        places: where it is evaluated, shape (M, 2) for all samples alike.
        smoothing: 0 goes through the values; more than 0 also where knots coincide.

    Returns:
        Shape (B, M, D).

    """
    (batch, count, _), width = knots.shape, values.shape[2]
    ones = knots.new_ones(batch, count, 1)
    plane = torch.cat([ones, knots], 2)
    system = knots.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = _thin_plate(knots, knots) + smoothing * torch.eye(count).to(knots)
    system[:, :count, count:], system[:, count:, :count] = plane, plane.mT
    weights = torch.linalg.solve(system, torch.cat([values, values.new_zeros(batch, 3, width)], 1))
    flat = torch.cat([places.new_ones(len(places), 1), places], 1)
    return _thin_plate(places.expand(batch, -1, -1), knots) @ weights[:, :count] + flat @ weights[:, count:]


def _thin_plate(x: Tensor, y: Tensor) -> Tensor:
    across, along = (x[:, :, None, axis] - y[:, None, :, axis] for axis in (0, 1))
    squares = torch.addcmul(across.square(), along, along)
    return 0.5 * torch.special.xlogy(squares, squares)


@lru_cache(maxsize=32)
def cubic_weights(size: int, side: int) -> Tensor:
    """The matrix (side, size) of a cubic interpolation along one axis, whose ends meet those of the grid."""
    identity = torch.eye(size)[None, None]
    return F.interpolate(identity, (side, size), mode="bicubic", align_corners=True)[0, 0]


def grow_grids(grids: Tensor, shape: Sequence[int]) -> Tensor:
    """Grids (B, C, g, h) to smooth fields (B, C, X, Y), or those of volumes with one axis more.

    In the plane many times faster than torch's cubic interpolation, which there is none of in space.
    """
    fields = grids
    for sizes in zip(grids.shape[2:], shape, strict=True):
        # The first axis that is left goes to the end, as long as the others do: after a turn of all, the order is back.
        fields = torch.tensordot(fields, cubic_weights(*sizes).to(grids), dims=([2], [1]))
    return fields
