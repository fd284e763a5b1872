"""Fixed changes of pose that stand in for other people on source validation images."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.bone_pose import BonePose
from monai_degia.augment.resampling import follow_fields, image_size, warp_images
from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.errors import UserError

__all__ = ["POSES", "PoseShiftd"]

#: Name to how far the first and the last of the chains of bones that leave one joint turn, thumb and little finger of a
#: hand, in degrees (apart is positive), those between them less, and to what share of its length each chain stretches.
POSES: dict[str, tuple[float, float]] = {
    "as is": (0.0, 1.0),
    "spread": (25.0, 1.1),
    "closed": (-15.0, 0.9),
}


class PoseShiftd(MapTransform):
    """Spread or close the fingers as the sample says, by the warp of :class:`RandPoseWarpd`; landmarks follow.

    Landmarks without bones that leave one joint have no pose: their images stay as they are. Not tracked by MONAI: it
    goes after ``LandmarksToImaged``.

    Args:
        keys: images (C, X, Y) of one size.
        landmarks: the set that they are of, see :func:`monai_degia.landmark_set`.
        landmark_key: landmarks (K, 2) in pixels of the image.
        pose_key: key of the name, one of ``POSES``; a sample without it is left as it is.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: if the set or, when called, the pose is unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmarks: Landmarks = "hand21",
        landmark_key: str = "landmarks",
        pose_key: str = "pose",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.pose = BonePose(landmarks)
        #: First and last of the chains that fan out from one joint; ``None`` if no two do.
        self._ends = _fan_ends(self.pose.roots)
        self.landmark_key, self.pose_key = landmark_key, pose_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Change the pose."""
        d = dict(data)
        name = d.get(self.pose_key, "as is")
        if name not in POSES:
            raise UserError(f"Unknown pose {name!r}. Available: {', '.join(POSES)}.")
        degrees, stretch = POSES[name]
        if (degrees, stretch) == (0.0, 1.0) or self._ends is None:
            return d
        images = list(self.key_iterator(d))
        shape = image_size("PoseShiftd", {key: d[key] for key in images})
        points = convert_to_tensor(d[self.landmark_key], dtype=torch.float32, track_meta=False)
        field = self._field(degrees, stretch, shape, points)
        for key in images:
            image = convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)
            d[key] = convert_to_dst_type(warp_images(image[None], field)[0], d[key])[0]
        d[self.landmark_key] = follow_fields(points[None], field)[0]
        return d

    def _field(self, degrees: float, stretch: float, shape: Sequence[int], points: Tensor) -> Tensor:
        """Of both ways to turn the fan the one that moves the outer chains apart, or together."""
        angles = torch.tensor([[-1.0], [1.0]]) * math.radians(abs(degrees)) * self.pose.fan
        both = points.expand(2, -1, -1)
        fields = self.pose.fields(both, angles, torch.full((2, len(self.pose.chains)), stretch), shape)
        moved = follow_fields(both, fields)
        assert self._ends is not None
        first, last = (moved[:, self.pose.chains[chain][-1]] for chain in self._ends)
        widths = (first - last).norm(dim=1).nan_to_num(0)
        chosen = widths.argmax() if degrees > 0 else widths.argmin()
        return fields[chosen][None]


def _fan_ends(roots: Sequence[str]) -> tuple[int, int] | None:
    for root in dict.fromkeys(roots):
        beside = [number for number, other in enumerate(roots) if root and other == root]
        if len(beside) > 1:
            return beside[0], beside[-1]
    return None
