"""Pixel spacing of the image as the network sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["PixelSpacingD", "PixelSpacingDict", "PixelSpacingd"]


class PixelSpacingd(MapTransform):
    """Write millimetres per pixel of the current image, whatever resizing or turn it went through; NaN where unknown.

    A data list gives the spacing of the file; failing that it is the DICOM file's own, in the original affine, if the
    meta data has a ``spacing_source``. MONAI tracks what moves pixels in the image's affine, so that against the
    original affine says which step in the file one step in the current image is.

    Args:
        keys: images (C, X, Y), tracked.
        spacing_key: in: spacing of the file in mm, shape (2,), or missing; out: of the image, float32 of shape (2,).
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the image does not know its original affine.

    """

    def __init__(self, keys: KeysCollection, spacing_key: str = "spacing", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace or add the spacing."""
        d = dict(data)
        for key in self.key_iterator(d):
            meta = getattr(d[key], "meta", {})
            if "original_affine" not in meta:
                raise ValueError(f"PixelSpacingd needs {key!r} with a tracked original_affine: load by LoadAnyImaged.")
            now, then = (torch.as_tensor(meta[name], dtype=torch.float64) for name in ("affine", "original_affine"))
            # Columns are the steps of one current pixel, in pixels of the file; a turn mixes the file's axes.
            steps = torch.linalg.solve(then, now)[:2, :2]
            file_spacing = d.get(self.spacing_key)
            if file_spacing is None:
                known = bool(meta.get("spacing_source"))
                file_spacing = then[:2, :2].norm(dim=0) if known else [torch.nan, torch.nan]
            lengths = (torch.as_tensor(file_spacing, dtype=torch.float64)[:, None] * steps).norm(dim=0)
            d[self.spacing_key] = lengths.float()
        return d


PixelSpacingD = PixelSpacingDict = PixelSpacingd
