"""MONAI image reader for radiographs in DICOM files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple
from pydicom.dataset import FileDataset

from monai_degia.errors import UserError
from monai_degia.io.discretion import discreet
from monai_degia.io.suffixes import is_dicom_file
from monai_degia.reading.limits import TooLargeError, make_limits
from monai_degia.reading.xray.files import XRayFileError, check_xray, open_xray
from monai_degia.reading.xray.functional_groups import flatten_groups
from monai_degia.reading.xray.pixels import grey_values
from monai_degia.reading.xray.shutter import open_area
from monai_degia.reading.xray.side import thumb_side
from monai_degia.reading.xray.spacing import file_affine, pixel_aspect, pixel_spacing, plane_affine
from monai_degia.reading.xray.stored import stored_values

__all__ = ["XRayReader"]

_Read = FileDataset | UserError
_logger = logging.getLogger(__name__)


class XRayReader(ImageReader):
    """Read a radiograph (CR, DX, MG, XA, RF, grey secondary capture) as it is meant to be seen, bone bright, in [0, 1].

    For ``LoadImaged(keys, reader="monai_degia.XRayReader")``, or as a class or an instance. The grey values come about
    as :func:`monai_degia.reading.xray.pixels.grey_values` describes, the pixel size as
    :func:`monai_degia.reading.xray.spacing.pixel_spacing` does. What a display shutter covers is black. Transfer
    syntaxes: native, deflated, RLE, JPEG, JPEG-LS and JPEG 2000; JPEG XL where imagecodecs is installed.

    The meta data hold nothing of the header but ``spacing_source`` (where the pixel size comes from, empty if unknown;
    the affine then has pixels of 1 mm along x), ``pixel_aspect`` (height of a pixel over its width), ``file_affine``
    (the place in space that the file states, where the affine of a 2-D image has to stay in its plane),
    ``sop_instance_uid``, ``photometric_interpretation``, ``thumb_side`` and ``thumb_side_source``
    (:func:`monai_degia.reading.xray.side.thumb_side`).

    Args:
        frame: which frame of a file with several, from 0.
        percentiles: low and high end, in percent of the pixels, of the window where the file has none.
        min_side: pixels that are enough for the longer side. A JPEG 2000 file with more is decoded at a half, a quarter
            and so on of its size, in a fraction of the time; ``affine`` then says where its pixels lie,
            ``spatial_shape`` and ``original_affine`` are those of the file. ``None`` decodes all.
        presentation_lut: invert where ``PresentationLUTShape`` is INVERSE; ``False`` for the files of makers who write
            it wrongly.
        max_pixels: of the frame that is decoded, see :class:`monai_degia.LoadAnyImaged`.
        max_inflated_bytes: see :class:`monai_degia.LoadAnyImaged`.

    Raises:
        ValueError: if an option is out of range; on reading, as
            :class:`~monai_degia.reading.xray.files.XRayFileError`, if the file is missing, no DICOM, damaged, cut
            short, without pixels or in colour, and as :class:`~monai_degia.reading.limits.TooLargeError` if it is too
            large.

    """

    def __init__(
        self,
        frame: int = 0,
        percentiles: tuple[float, float] = (0.5, 99.5),
        min_side: int | None = None,
        presentation_lut: bool = True,
        max_pixels: int | None = None,
        max_inflated_bytes: int | None = None,
    ) -> None:
        super().__init__()
        low, high = percentiles
        if frame < 0 or not 0 <= low < high <= 100:
            raise UserError(f"Need frame >= 0 and 0 <= low < high <= 100 percent, got {frame} and {percentiles}.")
        self.frame, self.percentiles, self.min_side = frame, (low, high), min_side
        self.presentation_lut, self.limits = presentation_lut, make_limits(max_pixels, max_inflated_bytes)

    def verify_suffix(self, filename: Sequence[PathLike | str] | PathLike | str) -> bool:
        """Whether all files are DICOM by their ending or, without a known one, by their first bytes.

        Args:
            filename: one or several files.

        Returns:
            True if this reader is for them.

        """
        return all(is_dicom_file(name) for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike | str] | PathLike | str, **kwargs: Any) -> _Read | list[_Read]:
        """Read the tags that the image needs and its coded pixels.

        Args:
            data: one file, or several.
            kwargs: passed to ``pydicom.dcmread``.

        Returns:
            A data set a file; one alone is not put into a list. The error in its place for a file that should be DICOM
            and cannot be read, for a missing file and for a folder, which :meth:`get_data` raises: at one raised here,
            ``LoadImage`` would go on to its other readers, which might give the same file's unscaled values.

        Raises:
            XRayFileError: if a file is something else, such as a picture, which is for those other readers.

        """
        datasets: list[_Read] = []
        for path in ensure_tuple(data):
            try:
                datasets.append(open_xray(path, self.limits, **kwargs))
            except (XRayFileError, TooLargeError) as error:
                if Path(path).is_file() and not is_dicom_file(path):
                    raise
                datasets.append(error)
        return datasets[0] if len(datasets) == 1 else datasets

    def get_data(self, img: _Read | Sequence[_Read]) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels and meta data of what was read.

        Args:
            img: one data set, as :meth:`read` returns it.

        Returns:
            Float32 array (X, Y) in [0, 1], and the meta data that MONAI tracks.

        Raises:
            XRayFileError: if these are several files, the file could not be read, or it holds no grey image that can be
                decoded.

        """
        datasets = list(img) if isinstance(img, Sequence) else [img]
        if len(datasets) != 1:
            raise XRayFileError(f"XRayReader makes one image of one file, got {len(datasets)} files. Load each alone.")
        dataset = datasets[0]
        if isinstance(dataset, UserError):
            raise dataset
        name = str(getattr(dataset, "filename", None) or "The DICOM data set")
        try:
            with discreet():
                return self._image(dataset, name)
        except UserError:
            raise
        except Exception as error:  # a value that nobody foresaw, whose own words may quote it
            raise XRayFileError(
                f"{name}: a value of its header cannot be used ({type(error).__name__}). Export the file anew."
            ) from None

    def _image(self, dataset: FileDataset, name: str) -> tuple[np.ndarray, dict[str, Any]]:
        check_xray(dataset, name)
        stored, step = stored_values(dataset, name, self.frame, self.min_side, self.limits)
        flatten_groups(dataset, self.frame)
        # To MONAI's order of axes while values are smallest.
        values, shown = np.ascontiguousarray(stored.T), open_area(dataset, name, step)
        image = grey_values(values, dataset, name, self.percentiles, shown, self.presentation_lut)
        spacing, source = pixel_spacing(dataset)
        aspect, side = pixel_aspect(dataset), thumb_side(dataset)
        in_space = file_affine(dataset, spacing or (1.0, aspect))
        affine = plane_affine(in_space)
        if side.doubt:
            told = "does not tell it for certain" if not side.side else "tells it all the same"
            _logger.warning(
                "%s: the side of the hand is in doubt, and its header %s: %s (%s).", name, told, side.doubt, side.source
            )
        blocks = np.diag([step, step, 1.0, 1.0])
        blocks[:2, 3] = (step - 1) / 2
        meta = {
            "filename_or_obj": name,
            MetaKeys.SPATIAL_SHAPE: np.array([int(dataset.Columns), int(dataset.Rows)]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # MONAI's sign that there is none
            MetaKeys.AFFINE: affine @ blocks,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPACE: SpaceKeys.RAS,
            "file_affine": in_space,
            "spacing_source": source,
            "pixel_aspect": aspect,
            "sop_instance_uid": str(dataset.get("SOPInstanceUID") or ""),
            "photometric_interpretation": str(dataset.PhotometricInterpretation),
            "thumb_side": side.side,
            "thumb_side_source": "; ".join(filter(None, (side.source, side.doubt))),
        }
        return image, meta
