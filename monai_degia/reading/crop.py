"""Cutting an image to the box that its sample names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, Pad, SpatialCrop
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["CropBoxd"]


class CropBoxd(MapTransform):
    """Cut images to their sample's box; where the box reaches beyond the image, it is filled with zeros.

    MONAI tracks it, so landmarks must be in world coordinates, between ``LandmarksToWorldd`` and ``LandmarksToImaged``.

    Args:
        keys: images (C, X, Y).
        box_key: key of the box [x_start, y_start, x_end, y_end], integer pixels of the image as it is now, ends
            exclusive; a sample without it is left as it is.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the box is not four integers, is empty or does not touch the image.

    """

    def __init__(self, keys: KeysCollection, box_key: str = "crop_box", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.box_key = box_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut the images."""
        d = dict(data)
        if d.get(self.box_key) is None:
            return d
        for key in self.key_iterator(d):
            d[key] = self._cut(d[key], d[self.box_key])
        return d

    def _cut(self, image: Tensor, box: Any) -> Tensor:
        if image.ndim != 3:
            raise UserError(f"CropBoxd takes images (C, X, Y), got shape {tuple(image.shape)}.")
        try:
            start, end = [int(b) for b in box[:2]], [int(b) for b in box[2:]]
            whole = len(box) == 4 and [*start, *end] == [float(b) for b in box]
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole:
            raise UserError(f"{self.box_key} must be four integers [x_start, y_start, x_end, y_end], got {box!r}.")
        size = list(image.shape[1:])
        if any(a >= b or a >= n or b <= 0 for a, b, n in zip(start, end, size, strict=True)):
            raise UserError(f"{self.box_key} {[*start, *end]} holds no pixel of the image, {size[0]} x {size[1]}.")
        margins = [(max(-a, 0), max(b - n, 0)) for a, b, n in zip(start, end, size, strict=True)]
        if any(map(any, margins)):
            image = Pad(to_pad=[(0, 0), *margins])(image)
        moved = [(a + low, b + low) for a, b, (low, _) in zip(start, end, margins, strict=True)]
        return SpatialCrop(roi_start=[a for a, _ in moved], roi_end=[b for _, b in moved])(image)
