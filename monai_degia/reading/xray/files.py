"""Which files are DICOM, and what is read of them: the tags of a picture and its scale, none that names a person."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from monai_degia.errors import UserError
from monai_degia.reading.xray.functional_groups import GROUP_TAGS
from monai_degia.reading.xray.side import SIDE_TAGS

__all__ = ["XRayFileError", "check_xray", "numbers", "open_xray"]

_REQUIRED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation")
_READ = (
    *_REQUIRED,
    *("SOPInstanceUID", "SamplesPerPixel", "HighBit", "NumberOfFrames", "PlanarConfiguration", "PixelData"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor"),
    *("ImageOrientationPatient", "ImagePositionPatient"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *GROUP_TAGS,
    *SIDE_TAGS,
)


class XRayFileError(UserError):
    """A DICOM file cannot be used; the message names the file, what is wrong with it and what to do."""


def open_xray(path: str | PathLike[str], **kwargs: Any) -> FileDataset:
    """Read the pixels and the tags that are needed to show and measure them; all others stay in the file.

    Args:
        path: DICOM file.
        kwargs: passed to ``pydicom.dcmread``.

    Returns:
        The data set, pixels not decoded.

    Raises:
        XRayFileError: if the file is missing, a folder or not DICOM, or its header is damaged.

    """
    if Path(path).is_dir():
        raise XRayFileError(f"{path} is a folder. Pass one DICOM file.")
    try:
        return pydicom.dcmread(path, **{"specific_tags": list(_READ), **kwargs})
    except FileNotFoundError as error:
        raise XRayFileError(f"{path} does not exist. Pass the path of a DICOM file.") from error
    except InvalidDicomError as error:
        raise XRayFileError(
            f"{path} is not a DICOM file: there is no DICM at byte 128. Check the file, or rename it to what it is."
        ) from error
    except Exception as error:  # a damaged header fails in as many ways as there are headers
        raise XRayFileError(
            f"{path} cannot be read as DICOM: {type(error).__name__}: {error} Copy or export the file anew."
        ) from error


def check_xray(dataset: FileDataset, name: str) -> None:
    """Refuse what holds no grey image.

    Args:
        dataset: as read by :func:`open_xray`; a missing ``SamplesPerPixel`` is set to 1.
        name: of the file, for the message.

    Raises:
        XRayFileError: if pixels, or a tag that tells their form, are missing, or the image is in colour.

    """
    if not dataset.get("PixelData"):
        raise XRayFileError(f"{name} holds no pixel data, or is cut short. Export the image itself, and completely.")
    missing = [keyword for keyword in _REQUIRED if dataset.get(keyword) in (None, "")]
    if missing:
        raise XRayFileError(f"{name} lacks {', '.join(missing)}, which its pixels need. Export the file anew.")
    if dataset.get("SamplesPerPixel") is None:
        dataset.SamplesPerPixel = 1
    photometric = str(dataset.PhotometricInterpretation)
    if dataset.SamplesPerPixel != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise XRayFileError(
            f"{name} is a colour image ({photometric}, {dataset.SamplesPerPixel} samples a pixel), such as a screen "
            "capture; a radiograph is grey. Pass the original radiograph, or leave this file out."
        )


def numbers(dataset: pydicom.Dataset, keyword: str) -> list[float]:
    """Values of a numeric tag; an empty list if it is missing, empty or not a number.

    Args:
        dataset: the tag's owner.
        keyword: DICOM keyword of the tag.

    Returns:
        The values in the file's order.

    """
    try:
        value = dataset.get(keyword)
        values = [] if value is None or value == "" else list(value) if hasattr(value, "__iter__") else [value]
        return [float(v) for v in values]
    except (TypeError, ValueError):
        return []
