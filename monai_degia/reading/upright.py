"""Photographs turned as their camera says that they were taken."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, Rotate90

__all__ = ["TurnUprightd"]

_QUARTERS = {3: 2, 6: 1, 8: 3}  # Exif orientation to quarter turns from x towards y, clockwise as one sees it


class TurnUprightd(MapTransform):
    """Turn photographs that a camera stored sideways or upside down, as their Exif orientation tells.

    The image's affine follows, so landmarks must be in world coordinates (between ``LandmarksToWorldd`` and
    ``LandmarksToImaged``): labels and results count pixels as the file stores them, which is how Pillow, ITK and 3D
    Slicer show it. The four orientations that mirror, which cameras do not write, are left as they are.

    Args:
        keys: images (C, X, Y), with ``exif_orientation`` in the meta data where the file has one, as from
            :class:`LoadAnyImaged`.
        allow_missing_keys: do not fail if a key is missing.

    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.turns = {orientation: Rotate90(quarters) for orientation, quarters in _QUARTERS.items()}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            orientation = int(getattr(d[key], "meta", {}).get("exif_orientation") or 1)
            if orientation in self.turns:
                d[key] = self.turns[orientation](d[key])
        return d
