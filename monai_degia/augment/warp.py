"""Smooth warps that carry the landmarks: geometry that no affine can follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.bone_pose import BonePose, bounded_fields
from monai_degia.augment.drawn import RandDrawnd
from monai_degia.augment.resampling import PADDING_MODES, follow_fields, image_size, warp_images
from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.errors import UserError

__all__ = ["RandPoseWarpd", "RandSmoothWarpd", "RandWarpd"]


class RandWarpd(RandDrawnd):
    """Draws a displacement field and applies it to images and their landmarks, in pixels of the image."""

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection,
        prob: float,
        padding_mode: str,
        allow_missing_keys: bool,
    ) -> None:
        super().__init__(keys, landmark_keys, prob, allow_missing_keys)
        if padding_mode not in PADDING_MODES:
            raise UserError(f"padding_mode must be border, zeros or reflection, got {padding_mode!r}.")
        self.padding_mode = padding_mode

    def fields(self, draws: Tensor, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """What random numbers stand for, whether they say to warp or not.

        Args:
            draws: numbers in [0, 1), shape (B, num_draws), float64, on the CPU.
            shape: image size (X, Y) in pixels.
            points: landmarks (B, K, 2) in its pixels; the smooth warp does without.

        Returns:
            Displacements (B, 2, X, Y) in pixels, float32, on the device of the points if there are any.

        """
        raise NotImplementedError

    def chosen(self, draws: Tensor) -> Tensor:
        """The numbers of the samples of a batch to be warped, from draws (B, num_draws)."""
        return (draws[:, 0] < self.prob).nonzero()[:, 0]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then warp or not."""
        d = dict(data)
        images = list(self.key_iterator(d))
        shape = image_size(type(self).__name__, {key: d[key] for key in images})
        present = [k for k in self.landmark_keys if k in d or not self.allow_missing_keys]
        points = {key: convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)[None] for key in present}
        self.randomize(None)
        if not self._do_transform:
            return d
        fields = self.fields(torch.as_tensor(self.draws)[None], shape, next(iter(points.values()), None))
        for key in images:
            image = convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)[None]
            d[key] = convert_to_dst_type(warp_images(image, fields, self.padding_mode)[0], d[key])[0]
        return {**d, **{key: follow_fields(value, fields)[0] for key, value in points.items()}}


class RandSmoothWarpd(RandWarpd):
    """Smooth random displacement of the image; landmarks follow exactly.

    MONAI's affine does not know of it: it goes after ``LandmarksToImaged``, cannot be undone, and is for training only.

    Args:
        keys: images (C, X, Y) of one size.
        landmark_keys: landmarks (K, 2) in pixels of the image.
        prob: probability of warping.
        magnitude: largest displacement of a control point, as a fraction of the image side.
        grid: control points along each axis.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if ``magnitude`` is negative, ``grid`` below 2, or the padding unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        prob: float = 0.5,
        magnitude: float = 0.06,
        grid: int = 4,
        padding_mode: str = "border",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, landmark_keys, prob, padding_mode, allow_missing_keys)
        if not magnitude >= 0 or grid < 2:
            raise UserError(f"Need magnitude >= 0 and grid >= 2, got {magnitude} and {grid}.")
        self.magnitude, self.grid, self.num_draws = magnitude, grid, 1 + 2 * grid**2

    def fields(self, draws: Tensor, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """See :meth:`RandWarpd.fields`: displacements of the control points, even over their range."""
        control = (2 * draws[:, 1:] - 1).unflatten(1, (2, self.grid, self.grid))
        pixels = self.magnitude * torch.tensor(shape, dtype=torch.float64)[:, None, None]
        coarse = (control * pixels).float()
        return bounded_fields(coarse if points is None else coarse.to(points.device), shape)


class RandPoseWarpd(RandWarpd):
    """Another pose and other proportions: the fingers of a hand spread or close, and grow or shrink.

    Each chain of bones, such as a finger, turns about its first landmark and is scaled from there. Those that leave
    one joint fan out together, with a little of their own, as they do in life: neighbours that turn against each other
    would tear the image. What lies between the landmarks follows a thin plate spline that rests at the image's border.
    Where chains touch or overlap, the motion shrinks until the warp is one to one. A set without bones is never warped.
    Not tracked by MONAI; see :class:`RandSmoothWarpd`.

    Args:
        keys: images (C, X, Y) of one size.
        landmark_keys: landmarks (K, 2) in pixels of the image; the first key is the one that is posed.
        landmarks: the set that they are of, see :func:`monai_degia.landmark_set`.
        prob: probability of warping.
        max_spread_degrees: largest turn of a chain.
        max_stretch: largest change of a chain's length, as a fraction of it, below 1.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if the set is unknown or an option is out of range; on call, if the landmarks are not (K, 2).

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        landmarks: Landmarks = "hand21",
        prob: float = 0.5,
        max_spread_degrees: float = 15.0,
        max_stretch: float = 0.3,
        padding_mode: str = "border",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, landmark_keys, prob, padding_mode, allow_missing_keys)
        self.pose = BonePose(landmarks)
        if not (0 <= max_spread_degrees <= 90 and 0 <= max_stretch < 1):
            raise UserError(
                f"Need 0 <= max_spread_degrees <= 90 and 0 <= max_stretch < 1, got {max_spread_degrees}, {max_stretch}."
            )
        self.max_spread, self.max_stretch = np.deg2rad(max_spread_degrees), max_stretch
        # Whether to warp, fan, each chain's turn, common stretch, each chain's own.
        self.num_draws = 3 + 2 * len(self.pose.chains)
        if not self.pose.chains:
            self.prob = 0.0

    def fields(self, draws: Tensor, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """See :meth:`RandWarpd.fields`: a turn and a stretch of each chain."""
        count = len(self.pose.chains)
        fan, own_turn, common, own_stretch = (2 * draws[:, 1:] - 1).split([1, count, 1, count], 1)
        angles = self.max_spread * (0.8 * self.pose.fan * fan + 0.2 * own_turn).clamp(-1, 1)
        return self.pose.fields(points, angles, 1 + self.max_stretch * (0.7 * common + 0.3 * own_stretch), shape)
