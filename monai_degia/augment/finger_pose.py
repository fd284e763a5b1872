"""Another pose and other proportions of hands, as smooth displacement fields that bend fingers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_degia.augment.resampling import pixel_grid
from monai_degia.augment.splines import grow_grids, thin_plate_splines
from monai_degia.data.lists.landmark_sets import landmark_names
from monai_degia.errors import UserError

__all__ = ["FAN", "FingerPose", "bounded_fields"]

_FINGERS = ("thumb", "index", "middle", "ring", "little")
#: How far each finger turns when the hand fans out, thumb to little finger.
FAN = torch.tensor([-1.0, -0.6, -0.1, 0.4, 0.9], dtype=torch.float64)
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


class FingerPose:
    """Turns and stretches the fingers of hands whose landmarks are known.

    Args:
        names: a landmark set or the K names; a finger needs two joints named ``<finger>_<joint>``.

    Raises:
        ValueError: if the names hold no finger; when called, if the landmarks are not (B, K, 2).

    """

    def __init__(self, names: str | Sequence[str]) -> None:
        self.names = landmark_names(names)
        joints = [[i for i, n in enumerate(self.names) if n.startswith(f"{finger}_")] for finger in _FINGERS]
        #: Number of the finger, thumb 0, and the places of its joints among the landmarks.
        self.fingers = [(order, indices) for order, indices in enumerate(joints) if len(indices) > 1]
        if not self.fingers:
            raise UserError(f"RandPoseWarpd finds no finger with two joints among {', '.join(self.names[:6])}, ...")
        self._moving = [index for _, indices in self.fingers for index in indices]
        self._finger = [order for order, indices in self.fingers for _ in indices]
        self._pivot = [indices[0] for _, indices in self.fingers for _ in indices]

    def fields(self, points: Tensor | None, angles: Tensor, scales: Tensor, shape: Sequence[int]) -> Tensor:
        """Fields that bring each joint near to where its finger turns and stretches it.

        Args:
            points: landmarks (B, K, 2) in pixels.
            angles: turn of each finger about its first joint in radians, shape (B, 5).
            scales: stretch of each finger from there, shape (B, 5).
            shape: image size (X, Y) in pixels.

        Returns:
            Displacements (B, 2, X, Y) in pixels, float32, to pull images through.

        """
        if points is None or tuple(points.shape[1:]) != (len(self.names), 2):
            found = None if points is None else tuple(points.shape[1:])
            raise UserError(f"RandPoseWarpd needs landmarks of shape ({len(self.names)}, 2), got {found}.")
        source, size = points.double(), points.new_tensor(shape, dtype=torch.float64)
        targets = self.targets(source, angles.to(source), scales.to(source), shape)
        border = _BORDER.to(source).expand(len(points), -1, -1)
        knots = torch.cat([(targets + 0.5) / size, border], 1)
        values = torch.cat([source - targets, torch.zeros_like(border)], 1)
        nodes = (pixel_grid((_GRID, _GRID), source) * (size - 1) / (_GRID - 1) + 0.5) / size
        # the smoothing keeps the spline defined where landmarks coincide
        coarse = thin_plate_splines(knots, values, nodes.flatten(0, 1), smoothing=1e-4)
        return bounded_fields(coarse.mT.unflatten(2, (_GRID, _GRID)).float(), shape)

    def targets(self, points: Tensor, angles: Tensor, scales: Tensor, shape: Sequence[int]) -> Tensor:
        """Where the joints should go, (B, K, 2): as far as all of a hand stays in the image, see :meth:`fields`."""
        turn, stretch = angles[:, self._finger], scales[:, self._finger]
        pivot = points[:, self._pivot]
        (x, y), cos, sin = (points[:, self._moving] - pivot).unbind(2), turn.cos(), turn.sin()
        moves = torch.zeros_like(points)
        turned = torch.stack([x * cos - y * sin, x * sin + y * cos], 2)
        moves[:, self._moving] = pivot + stretch[:, :, None] * turned - points[:, self._moving]
        low, high = points.clamp_max(0), torch.maximum(points, points.new_tensor(shape) - 1)
        chosen = torch.zeros_like(points[:, :1, :1])
        for share in (0.25, 0.5, 0.75, 1.0):
            reached = points + share * moves
            inside = ((reached >= low) & (reached <= high)).flatten(1).all(1)[:, None, None]
            chosen = torch.where(inside, share, chosen)
        return points + chosen * moves
