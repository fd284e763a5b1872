"""One 2-D image a file, of any kind, as a tracked tensor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import LoadImaged, MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.reading.limits import Limits, TooLargeError, make_limits
from monai_degia.reading.metaimage import MetaImageReader
from monai_degia.reading.pictures import PictureReader
from monai_degia.reading.volumes import check_volume, flat
from monai_degia.reading.xray.files import XRayFileError
from monai_degia.reading.xray.reader import XRayReader

__all__ = ["LoadAnyImaged"]

_SMALLEST_MM = 1e-9  # of a pixel's side; less cannot be inverted
_THINNEST = 100  # longer over shorter side; beyond, resizing to 64 pixels soon leaves less than one


class LoadAnyImaged(MapTransform):
    """MONAI's ``LoadImaged`` for one 2-D image a file, float32 (C, X, Y) with a 4 x 4 affine, and readable failures.

    Pictures (PNG, JPEG, BMP, TIFF; 8 and 16 bit, palettes) and MetaImage are added to what MONAI reads, and DICOM files
    go to :class:`monai_degia.XRayReader`, which gives grey values in [0, 1]; one folder may mix them. What a file holds
    takes precedence over its name.
    Pictures are loaded as they are stored, with their ``exif_orientation`` (1 to 8) in the meta data, TIFF files too:
    :class:`TurnUprightd`.
    A NIfTI or MetaImage file with a single slice, along whichever axis, loses that axis. If its slice does not lie in
    the world's x-y plane, the affine becomes one of the slice's own plane, spacing only, since 2-D points could not
    follow it; the file's own stays in the meta data as ``file_affine``. Rows are taken to run from top to bottom, as
    pictures store them, whatever the affine says of up and down.

    With ``min_side``, JPEG is decoded at a half, a quarter or an eighth of its size, and JPEG 2000 in DICOM at any
    power of a half, as long as the longer side keeps so many pixels. The affine says where these lie;
    ``original_affine`` and ``spatial_shape`` are always those of the file.

    Args:
        keys: image paths; or images: NumPy arrays (rows, columns) or (rows, columns, channels), as Pillow and OpenCV
            give them, and tensors (C, X, Y), as MONAI does. Points count their columns and rows.
        reader: as for ``LoadImaged``; None chooses by the file's first bytes, or its ending where these say nothing.
        allow_missing_keys: do not fail if a key is missing.
        min_side: pixels of the longer side that are enough; ``None`` decodes all of them.
        whole_key: samples that have this key are decoded whole, since it counts pixels of the file.
        max_pixels: an image with more is refused by its header, before anything is decoded; default: 100 million.
        max_inflated_bytes: what a file may become when it is unpacked, and what its decoded values may take; default:
            1 GiB. Also checked before, or while no more than that is held.
        presentation_lut: see :class:`monai_degia.XRayReader`.
        kwargs: passed to ``LoadImaged``.

    Raises:
        ValueError: on call, if the file is missing, damaged, of no known format, too large, or not one 2-D image, or if
            one side is more than a hundred times as long as the other.

    """

    def __init__(
        self,
        keys: KeysCollection,
        reader: Any = None,
        allow_missing_keys: bool = False,
        min_side: int | None = None,
        whole_key: str = "crop_box",
        max_pixels: int | None = None,
        max_inflated_bytes: int | None = None,
        presentation_lut: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if min_side is not None and min_side < 1:
            raise UserError(f"min_side must be at least 1 pixel, or None to decode all, got {min_side}.")
        self.whole_key, self.limits = whole_key, make_limits(max_pixels, max_inflated_bytes)
        self._reduced = _make_loader(reader, min_side, self.limits, presentation_lut, kwargs)
        # The other way to read is seldom asked for, and MONAI's loader tells on the screen what it lacks.
        self._make_whole = partial(_make_loader, reader, None, self.limits, presentation_lut, kwargs)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the file of each key."""
        d = dict(data)
        loader = self._reduced if d.get(self.whole_key) is None else self._whole
        for key in self.key_iterator(d):
            d[key] = self._load(d[key], loader)
        return d

    @cached_property
    def _whole(self) -> LoadImaged:
        return self._make_whole()

    def _load(self, path: Any, loader: LoadImaged) -> MetaTensor:
        if isinstance(path, (np.ndarray, Tensor)):
            return _of_array(path)
        try:
            check_volume(Path(path), self.limits)
            image = loader({"image": path})["image"]
        except (XRayFileError, TooLargeError):
            raise  # says by itself what is wrong with which file
        except Exception as error:  # readers raise whatever their libraries raise
            reason = (str(error).strip().splitlines() or [""])[0]
            raise UserError(
                f"Cannot read image {path}: {type(error).__name__}: {reason[:200].rstrip('.')}. "
                "Check that it exists, is complete and has a known format (PNG, JPEG, TIFF, DICOM, NIfTI, MetaImage)."
            ) from error
        image = flat(image)
        if 0 in image.shape:
            raise UserError(f"{path} holds no pixels: its array has shape {tuple(image.shape)}.")
        if image.ndim != 3:
            raise UserError(
                f"{path} holds an array of shape {tuple(image.shape)}; one 2-D image a file is expected. Volumes are "
                "read by MONAI's LoadImaged."
            )
        long, short = max(image.shape[1:]), min(image.shape[1:])
        if long > _THINNEST * short:
            raise UserError(
                f"{path} has {image.shape[1]} x {image.shape[2]} pixels, a strip in which nothing can be found. "
                f"Give an image whose sides differ {_THINNEST} times at most."
            )
        image.meta.setdefault("file_affine", image.affine.clone())  # before it is bent into the plane
        image = _in_plane(image, path)
        # Readers of pictures leave it out, and the way back to the file's pixels needs it.
        image.meta.setdefault("original_affine", image.affine.clone())
        return image


def _of_array(values: np.ndarray | Tensor) -> MetaTensor:
    if isinstance(values, np.ndarray):
        if values.ndim not in (2, 3) or 0 in values.shape:
            raise UserError(f"An array must be (rows, columns) or (rows, columns, channels), got shape {values.shape}.")
        values = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(values).transpose(2, 1, 0).astype(np.float32)))
    if values.ndim != 3 or 0 in values.shape:
        raise UserError(f"An image as a tensor must be (C, X, Y), got shape {tuple(values.shape)}.")
    plain = convert_to_tensor(values, dtype=torch.float32, track_meta=False)
    affine = torch.eye(4, dtype=torch.float64)
    known = {"filename_or_obj": "array", "spatial_shape": tuple(plain.shape[1:]), "original_affine": affine.clone()}
    return MetaTensor(plain, affine=affine, meta={**known, "file_affine": affine.clone()})


def _make_loader(
    reader: Any, min_side: int | None, limits: Limits, presentation_lut: bool, options: dict[str, Any]
) -> LoadImaged:
    loader = LoadImaged("image", reader=reader, image_only=True, ensure_channel_first=True, **options)
    if reader is None:
        xray = XRayReader(
            min_side=min_side,
            presentation_lut=presentation_lut,
            max_pixels=limits.pixels,
            max_inflated_bytes=limits.inflated_bytes,
        )
        for added in (PictureReader(min_side, limits), MetaImageReader(), xray):
            loader.register(added)
    return loader


def _in_plane(image: MetaTensor, path: Any) -> MetaTensor:
    affine = image.affine
    sides = affine[:-1, :2].norm(dim=0)
    if not torch.isfinite(affine).all() or not (sides > _SMALLEST_MM).all():
        raise UserError(f"{path} states pixels of {sides.tolist()} mm at a place that is none. Correct its header.")
    block, coupling = affine[:2, :2], torch.cat([affine[2:3, :2].flatten(), affine[:2, 2:-1].flatten()])
    # A viewer's slice may have no thickness at all; transforms have to invert the whole.
    thick = len(affine) == 4 and affine[2, 2].abs() > _SMALLEST_MM
    if thick and torch.linalg.det(block).abs() > 1e-9 and not coupling.any():
        return image
    plane = torch.diag(torch.tensor([float(sides[0]), float(sides[1]), 1.0, 1.0], dtype=torch.float64))
    image.affine = plane
    image.meta["original_affine"] = plane.numpy().copy()
    return image
