"""Pixel spacing of the image as the network sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["PixelSpacingD", "PixelSpacingDict", "PixelSpacingd"]


class PixelSpacingd(MapTransform):
    """Write millimetres per pixel of the current image, whatever resizing it went through; NaN where unknown.

    A data list gives the spacing of the file. MONAI tracks resizing in the image's affine, so the length of its columns
    against those of the original affine is how many file pixels one current pixel spans.

    Args:
        keys: images (C, X, Y), tracked.
        spacing_key: in: spacing of the file in mm, shape (2,), or missing; out: of the image, float32 of shape (2,).
        allow_missing_keys: do nothing where an image is missing.

    """

    def __init__(self, keys: KeysCollection, spacing_key: str = "spacing", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace or add the spacing."""
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            # Column lengths; a rotation does not change them.
            now, then = (torch.as_tensor(meta[name])[:2, :2].norm(dim=0) for name in ("affine", "original_affine"))
            file_spacing = d.get(self.spacing_key)
            spacing = torch.full((2,), torch.nan) if file_spacing is None else torch.as_tensor(file_spacing)
            d[self.spacing_key] = (spacing * now / then).float()
        return d


PixelSpacingD = PixelSpacingDict = PixelSpacingd
