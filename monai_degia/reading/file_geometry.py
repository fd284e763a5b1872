"""What a writer of results needs to know of an image file, and no more."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_degia.errors import UserError
from monai_degia.reading.spacing import file_spacing
from monai_degia.reading.tracked import affine_of_dims
from monai_degia.reading.upright import MIRRORED

__all__ = ["FileGeometryd"]

_WORLD = 3  # dimensions


class FileGeometryd(MapTransform):
    """Reduce an image's meta data to what a result needs, and add the pixel size of the file.

    Each reader has meta data of its own, of which PNG, DICOM and NIfTI files in one batch cannot be collated, and those
    of a DICOM file may name a patient. What is left, the same for all formats: ``filename_or_obj``, ``spatial_shape``,
    ``affine``, ``original_affine``, ``file_affine`` (from pixel to the file's own place in space),
    ``sop_instance_uid``, ``thumb_side`` and ``thumb_side_source`` (empty if the file does not tell),
    ``exif_orientation`` (1 to 8), ``mirrored_by_flip`` (see :class:`FlipMarkedd`), ``file_spacing`` (mm a pixel of the
    file, NaN if unknown) and ``spacing_source``: see :func:`monai_degia.reading.spacing.file_spacing`. Goes behind all
    transforms that move pixels, before
    :class:`PixelSpacingd`.

    Args:
        keys: images (C, X, Y) or volumes (C, X, Y, Z) as MONAI tracks them, with ``original_affine`` and
            ``spatial_shape`` of the file.
        spacing_key: in: pixel size of the file in mm, shape (n,), or missing; out: ``file_spacing``.
        allow_missing_keys: do not fail if an image is missing.

    Raises:
        ValueError: on call, if an image lacks what is needed.

    """

    def __init__(self, keys: KeysCollection, spacing_key: str = "spacing", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Reduce the meta data of each image."""
        d = dict(data)
        for key in self.key_iterator(d):
            whole = getattr(d[key], "meta", {})
            d[key] = self._reduce(d[key], key)
            spacing, source = file_spacing(whole, d.get(self.spacing_key), d[key].ndim - 1)
            d[key].meta |= {"file_spacing": spacing, "spacing_source": source}
            d[self.spacing_key] = spacing.clone()
        return d

    def _reduce(self, image: MetaTensor, key: Hashable) -> MetaTensor:
        meta: Mapping[Any, Any] = getattr(image, "meta", {})
        missing = [name for name in ("filename_or_obj", "spatial_shape", "original_affine") if name not in meta]
        if missing:
            raise UserError(
                f"FileGeometryd needs {', '.join(missing)} in the meta data of {key!r}. Load it with LoadAnyImaged."
            )
        kept = {
            "filename_or_obj": str(meta["filename_or_obj"]),
            "spatial_shape": torch.tensor([int(side) for side in meta["spatial_shape"][: image.ndim - 1]]),
            "original_affine": affine_of_dims(meta["original_affine"], _WORLD),
            "file_affine": affine_of_dims(meta.get("file_affine", meta["original_affine"]), _WORLD),
            "sop_instance_uid": str(meta.get("sop_instance_uid") or ""),
            "thumb_side": str(meta.get("thumb_side") or ""),
            "thumb_side_source": str(meta.get("thumb_side_source") or ""),
            "exif_orientation": int(meta.get("exif_orientation") or 1),
            MIRRORED: bool(meta.get(MIRRORED, False)),
        }
        # What lazy transforms make of flat images has an affine of 3 x 3 or 4 x 4, from sample to sample.
        return MetaTensor(image.as_tensor(), affine=affine_of_dims(image.affine, _WORLD), meta=kept)
