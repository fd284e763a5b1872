"""Fixed changes of pose that stand in for other hands on source validation images."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.finger_pose import FAN, FingerPose
from monai_degia.augment.resampling import follow_fields, image_size, warp_images
from monai_degia.errors import UserError

__all__ = ["POSES", "PoseShiftd"]

#: Name to how far the thumb turns, in degrees (away from the hand is positive), the others less, and to what share of
#: its length each finger stretches.
POSES: dict[str, tuple[float, float]] = {
    "as is": (0.0, 1.0),
    "spread": (25.0, 1.1),
    "closed": (-15.0, 0.9),
}


class PoseShiftd(MapTransform):
    """Spread or close the fingers as the sample says, by the warp of :class:`RandPoseWarpd`; landmarks follow.

    Not tracked by MONAI: it goes after ``LandmarksToImaged``.

    Args:
        keys: images (C, X, Y) of one size.
        names: a landmark set or the K names; a finger needs two joints named ``<finger>_<joint>``.
        landmark_key: landmarks (K, 2) in pixels of the image.
        pose_key: key of the name, one of ``POSES``; a sample without it is left as it is.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: if the names hold no finger; when called, if the pose is unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        names: str | Sequence[str] = "hand21",
        landmark_key: str = "landmarks",
        pose_key: str = "pose",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.hand = FingerPose(names)
        self.landmark_key, self.pose_key = landmark_key, pose_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Change the pose."""
        d = dict(data)
        name = d.get(self.pose_key, "as is")
        if name not in POSES:
            raise UserError(f"Unknown pose {name!r}. Available: {', '.join(POSES)}.")
        degrees, stretch = POSES[name]
        if (degrees, stretch) == (0.0, 1.0):
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
        """Of both ways to turn the fan the one that moves the outer fingers apart, or together."""
        angles = torch.tensor([[-1.0], [1.0]]) * math.radians(abs(degrees)) * FAN
        both = points.expand(2, -1, -1)
        fields = self.hand.fields(both, angles, torch.full((2, 5), stretch), shape)
        moved = follow_fields(both, fields)
        first, last = (moved[:, indices[-1]] for _, indices in (self.hand.fingers[0], self.hand.fingers[-1]))
        widths = (first - last).norm(dim=1)
        chosen = widths.argmax() if degrees > 0 else widths.argmin()
        return fields[chosen][None]
