"""MONAI image reader for PNG, JPEG, BMP and TIFF files: pixels as they are stored."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np
from monai.data import PILReader
from monai.utils import MetaKeys, ensure_tuple
from PIL import Image, ImageChops

from monai_degia.io.suffixes import is_picture_file
from monai_degia.io.tiff import StoredTiff, stored_tiff
from monai_degia.reading.limits import DEFAULT_LIMITS, Limits

__all__ = ["PictureReader", "open_picture"]

_ORIENTATION = 0x0112  # tag of Exif
_CONVERT = {"P": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "1": "L", "LA": "L", "La": "L", "HSV": "RGB"}
_BYTES = {"I": 4, "F": 4, "I;16": 2, "I;16B": 2, "I;16L": 2}
_opening = threading.Lock()


class PictureReader(PILReader):
    """MONAI's reader of pictures, for TIFF too, with palettes looked up and rare colour modes made RGB or grey.

    Pixels come as they are stored: no file is turned by its orientation tag, which goes into the meta data as
    ``exif_orientation``; grey TIFF files in which white is zero are turned over at every depth.

    Args:
        min_side: pixels of the longer side that are enough for a JPEG, see :class:`monai_degia.LoadAnyImaged`.
        limits: of what may be decoded.

    """

    def __init__(self, min_side: int | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__()
        self.min_side, self.limits = min_side, limits

    def verify_suffix(self, filename: Sequence[PathLike | str] | PathLike | str) -> bool:
        """Whether all files are pictures by their first bytes or, where these say nothing, by their endings."""
        return all(is_picture_file(name) for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike | str] | PathLike | str | np.ndarray, **kwargs: Any) -> Any:
        """Read one file; MONAI's several in one image are not for files of one image each."""
        (path,) = ensure_tuple(data)
        stored = stored_tiff(path)
        with open_picture(stored.content, self.limits, path) as picture:
            return self._prepare(picture, stored)

    def _prepare(self, picture: Any, stored: StoredTiff) -> Any:
        """Choose what is decoded, before anything is, and convert it."""
        whole, step = picture.size, 1
        if self.min_side is not None:
            # A JPEG decoder makes blocks of 8 x 8 pixels into 4 x 4, 2 x 2 or 1; other formats take no notice.
            enough = [-(-side * self.min_side // max(whole)) for side in whole]
            if (drafted := picture.draft(None, tuple(enough))) is not None:
                step = round(whole[0] / drafted[1][2])
        orientation = stored.orientation if picture.format == "TIFF" else _orientation(picture)
        read = picture.convert(_CONVERT.get(picture.mode, picture.mode))
        if stored.white is not None:
            read = _turned_over(read, stored.white)
        read.info.update(whole=whole, step=step, orientation=orientation)
        return read

    def _get_meta_dict(self, img: Any) -> dict[Any, Any]:
        step = img.info["step"]
        affine = np.diag([step, step, 1.0, 1.0])
        affine[:2, 3] = (step - 1) / 2  # pixel k is the mean of a block, whose middle is at (k + 0.5) * step - 0.5
        return {
            **super()._get_meta_dict(img),
            "exif_orientation": img.info["orientation"],
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: np.eye(4),
            "file_affine": np.eye(4),
        }

    def _get_spatial_shape(self, img: Any) -> np.ndarray:
        return np.asarray(img.info["whole"])


@contextmanager
def open_picture(content: Any, limits: Limits, name: object) -> Iterator[Any]:
    """Open a picture by Pillow and hold its size against limits of ours, in place of Pillow's own.

    Args:
        content: what Pillow opens.
        limits: of what may be decoded.
        name: of the file, for the message.

    Yields:
        The picture, not decoded.

    Raises:
        TooLargeError: if it is too large.

    """
    with _opening:  # Pillow's limit is one of the process, at which it warns on the screen and fails beyond twice that
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            opened = Image.open(content)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with opened as picture:
        limits.check_pixels(name, picture.size, len(picture.getbands()) * _BYTES.get(picture.mode, 1))
        yield picture


def _turned_over(picture: Any, white: int) -> Any:
    """Whiteness to brightness."""
    if picture.mode in ("L", "1"):
        return ImageChops.invert(picture)
    values = np.asarray(picture).astype(np.int64)
    turned = (white - values).clip(0)
    return Image.fromarray(turned.astype(np.int32 if picture.mode == "I" else np.uint16))


def _orientation(picture: Any) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # pixels are whole even if what is told beside them is damaged in one of many ways
        return 1
