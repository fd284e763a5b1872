"""Another pose and other proportions of what has bones, as smooth displacement fields that bend chains of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_degia.augment.resampling import pixel_grid
from monai_degia.augment.splines import grow_grids, thin_plate_splines
from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError

__all__ = ["BonePose", "bounded_fields"]

_MAX_GRADIENT = 0.7  # below 1 the warp is one to one, and the fixed point iteration contracts by this factor
_GRID = 16
_BORDER = torch.tensor(
    [(i / 4, j / 4) for i in range(5) for j in range(5) if i % 4 == 0 or j % 4 == 0], dtype=torch.float64
)


def bounded_fields(coarse: Tensor, shape: Sequence[int]) -> Tensor:
    """Displacements (B, 2, g, g) to fields (B, 2, X, Y), each shrunk until its gradient is bounded: one to one."""
    fields = grow_grids(coarse, shape)
    steps = [_steepest(fields.diff(dim=axis)) for axis in (2, 3) if fields.shape[axis] > 1]
    steepest = torch.stack(steps).sum(0).sqrt()  # bounds the Frobenius norm of the Jacobian anywhere
    return fields * (_MAX_GRADIENT / steepest.clamp_min(1e-12)).clamp_max(1.0)[:, None, None, None]


def _steepest(steps: Tensor) -> Tensor:
    return torch.addcmul(steps[:, 0].square(), steps[:, 1], steps[:, 1]).flatten(1).amax(1)


class BonePose:
    """Turns and stretches the chains of bones of a landmark set, such as the fingers of a hand.

    Args:
        landmarks: see :func:`monai_degia.landmark_set`; without bones there is no chain.

    Attributes:
        chains: places of the joints of each chain among the landmarks, the one that it turns about first.
        roots: joint that each chain leaves; empty for a chain of its own.
        fan: how far each chain turns when all fan out, from -1 to 1, float64, shape (N,).

    Raises:
        ValueError: if the set is unknown; when called, if the landmarks are not (B, K, 2).

    """

    def __init__(self, landmarks: Landmarks) -> None:
        known = landmark_set(landmarks)
        place = {name: index for index, name in enumerate(known.names)}
        self.num_landmarks = len(known.names)
        self.chains = [[place[joint] for joint in chain.joints] for chain in known.chains]
        self.roots = [chain.root for chain in known.chains]
        self.fan = torch.tensor([chain.fan for chain in known.chains], dtype=torch.float64)
        self._moving = [index for joints in self.chains for index in joints]
        self._chain = [number for number, joints in enumerate(self.chains) for _ in joints]
        self._pivot = [joints[0] for joints in self.chains for _ in joints]

    def fields(self, points: Tensor | None, angles: Tensor, scales: Tensor, shape: Sequence[int]) -> Tensor:
        """Fields that bring each joint near to where its chain turns and stretches it.

        Args:
            points: landmarks (B, K, 2) in pixels; a chain whose first joint is missing, NaN, stays as it is.
            angles: turn of each of N chains about its first joint in radians, shape (B, N).
            scales: stretch of each chain from there, shape (B, N).
            shape: image size (X, Y) in pixels.

        Returns:
            Displacements (B, 2, X, Y) in pixels, float32, to pull images through.

        """
        if points is None or tuple(points.shape[1:]) != (self.num_landmarks, 2):
            found = None if points is None else tuple(points.shape[1:])
            raise UserError(f"A change of pose needs landmarks of shape ({self.num_landmarks}, 2), got {found}.")
        source, size = points.double(), points.new_tensor(shape, dtype=torch.float64)
        targets = self.targets(source, angles.to(source), scales.to(source), shape)
        border = _BORDER.to(source).expand(len(points), -1, -1)
        # A knot that is missing is put on a corner, which rests.
        knots = torch.cat([((targets + 0.5) / size).nan_to_num(0), border], 1)
        values = torch.cat([(source - targets).nan_to_num(0), torch.zeros_like(border)], 1)
        nodes = (pixel_grid((_GRID, _GRID), source) * (size - 1) / (_GRID - 1) + 0.5) / size
        # the smoothing keeps the spline defined where landmarks coincide
        coarse = thin_plate_splines(knots, values, nodes.flatten(0, 1), smoothing=1e-4)
        return bounded_fields(coarse.mT.unflatten(2, (_GRID, _GRID)).float(), shape)

    def targets(self, points: Tensor, angles: Tensor, scales: Tensor, shape: Sequence[int]) -> Tensor:
        """Where the joints should go, (B, K, 2): as far as all of them stay in the image, see :meth:`fields`."""
        turn, stretch = angles[:, self._chain], scales[:, self._chain]
        pivot = points[:, self._pivot]
        (x, y), cos, sin = (points[:, self._moving] - pivot).unbind(2), turn.cos(), turn.sin()
        moves = torch.zeros_like(points)
        turned = torch.stack([x * cos - y * sin, x * sin + y * cos], 2)
        moves[:, self._moving] = (pivot + stretch[:, :, None] * turned - points[:, self._moving]).nan_to_num(0)
        low, high = points.clamp_max(0), torch.maximum(points, points.new_tensor(shape) - 1)
        chosen = torch.zeros_like(points[:, :1, :1])
        for share in (0.25, 0.5, 0.75, 1.0):
            reached = points + share * moves
            inside = (((reached >= low) & (reached <= high)) | reached.isnan()).flatten(1).all(1)[:, None, None]
            chosen = torch.where(inside, share, chosen)
        return points + chosen * moves
