"""Photographs turned as their camera says that they were taken."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Flip, MapTransform, Rotate90

__all__ = ["TurnUprightd", "is_stored_mirrored"]

#: Exif orientation to quarter turns from x towards y, clockwise as one sees it, and whether x is reversed after that.
_UPRIGHT = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (1, True),
    6: (1, False),
    7: (3, True),
    8: (3, False),
}


class TurnUprightd(MapTransform):
    """Turn photographs that a camera stored sideways, upside down or mirrored, as their Exif orientation tells.

    The image's affine follows, so landmarks must be in world coordinates (between ``LandmarksToWorldd`` and
    ``LandmarksToImaged``): labels and results count pixels as the file stores them. Where the file is stored mirrored,
    what comes out is the scene as it was, so that landmarks keep their names, left and right too.

    Args:
        keys: images (C, X, Y), with ``exif_orientation`` in the meta data where the file has one, as from
            :class:`LoadAnyImaged`.
        allow_missing_keys: do not fail if a key is missing.

    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.turns: dict[int, list[Callable[[Any], Any]]] = {
            orientation: [*([Rotate90(quarters)] if quarters else []), *([Flip(0)] if mirrored else [])]
            for orientation, (quarters, mirrored) in _UPRIGHT.items()
        }

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            orientation = int(getattr(d[key], "meta", {}).get("exif_orientation") or 1)
            for turn in self.turns.get(orientation, []):
                d[key] = turn(d[key])
        return d


def is_stored_mirrored(meta: Mapping[Any, Any]) -> bool:
    """Whether a file stores its scene mirrored, as the Exif orientation in the meta data of its image tells."""
    return _UPRIGHT.get(int(meta.get("exif_orientation") or 1), (0, False))[1]
