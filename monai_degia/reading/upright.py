"""Photographs turned as their camera says that they were taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Flip, MapTransform, Rotate90

from monai_degia.reading.tracked import affine_of_dims, tracked_affine

__all__ = ["MIRRORED", "TurnUprightd", "is_mirrored", "is_stored_mirrored"]

#: Key of the meta data: whether :class:`monai_degia.FlipMarkedd` has mirrored the image an odd number of times.
MIRRORED = "mirrored_by_flip"

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


def is_mirrored(image: MetaTensor) -> bool:
    """Whether the network sees the scene of a file mirrored, so that left and right have changed places.

    In a flat image an odd number of flips between file and image tells it, whoever made them, beside one that the file
    stores. A volume's axes may be reversed, as ``Orientationd`` does, and what is left stays left, since its affine
    says which is which: there only what :class:`monai_degia.FlipMarkedd` did counts.

    Args:
        image: shape (C, X, Y) or (C, X, Y, Z), tracked, with ``original_affine``.

    """
    if image.ndim - 1 > 2:
        return bool(image.meta.get(MIRRORED, False))
    affines = (tracked_affine(image), affine_of_dims(image.meta["original_affine"], image.ndim - 1))
    return bool(math.prod(float(torch.linalg.det(affine)) for affine in affines) < 0) != is_stored_mirrored(image.meta)


def is_stored_mirrored(meta: Mapping[Any, Any]) -> bool:
    """Whether a file stores its scene mirrored, as the Exif orientation in the meta data of its image tells."""
    return _UPRIGHT.get(int(meta.get("exif_orientation") or 1), (0, False))[1]
