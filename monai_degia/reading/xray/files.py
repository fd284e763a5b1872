"""What is read of a DICOM file: the tags of a picture and its scale, none that names a person."""

from __future__ import annotations

import zlib
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_degia.errors import UserError
from monai_degia.io.discretion import discreet
from monai_degia.io.kinds import dicom_object
from monai_degia.reading.limits import DEFAULT_LIMITS, Limits
from monai_degia.reading.xray.functional_groups import GROUP_TAGS
from monai_degia.reading.xray.shutter import SHUTTER_TAGS
from monai_degia.reading.xray.side import SIDE_TAGS
from monai_degia.reading.xray.spacing import SPACING_TAGS

__all__ = ["XRayFileError", "check_xray", "open_xray"]

_REQUIRED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation")
_READ = (
    *_REQUIRED,
    *("SOPInstanceUID", "SamplesPerPixel", "HighBit", "NumberOfFrames", "PlanarConfiguration", "PixelData"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("ImageOrientationPatient", "ImagePositionPatient"),
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Data", "Descriptor")
    ),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *GROUP_TAGS,
    *SHUTTER_TAGS,
    *SIDE_TAGS,
    *SPACING_TAGS,
)
PALETTE = "PALETTE COLOR"
_GREY, _COLOUR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_")
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_LONG = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL")  # VRs with four bytes of length


class XRayFileError(UserError):
    """A DICOM file cannot be used; the message names the file, what is wrong with it and what to do."""


def open_xray(path: str | PathLike[str], limits: Limits = DEFAULT_LIMITS, **kwargs: Any) -> FileDataset:
    """Read the pixels and the tags that are needed to show and measure them; all others stay in the file.

    A file without a preamble, or without a transfer syntax, is read as what its data set is encoded as.

    Args:
        path: DICOM file.
        limits: of what the file may be, or inflate to.
        kwargs: passed to ``pydicom.dcmread``.

    Returns:
        The data set, pixels not decoded.

    Raises:
        XRayFileError: if the file is missing, a folder or not DICOM, or its header is damaged.
        TooLargeError: if it is too large.

    """
    if Path(path).is_dir():
        raise XRayFileError(f"{path} is a folder. Pass one DICOM file.")
    try:
        with open(path, "rb") as file:
            _check_inflated(file, path, limits)
        with discreet():
            return _read(path, kwargs)
    except FileNotFoundError as error:
        raise XRayFileError(f"{path} does not exist. Pass the path of a DICOM file.") from error
    except UserError:
        raise
    except InvalidDicomError as error:
        raise XRayFileError(
            f"{path} is not a DICOM file: there is no DICM at byte 128. Check the file, or rename it to what it is."
        ) from error
    except Exception as error:  # a damaged header fails in as many ways as there are headers
        # Without pydicom's own words, which quote what they stumble over.
        raise XRayFileError(
            f"{path} cannot be read as DICOM: its header is damaged ({type(error).__name__}). Copy or export it anew."
        ) from None


def _read(path: str | PathLike[str], options: dict[str, Any]) -> FileDataset:
    wanted = {"specific_tags": list(_READ), **options}
    try:
        return _with_syntax(pydicom.dcmread(path, **wanted))
    except InvalidDicomError:
        # Without a preamble pydicom takes whatever a file holds for a data set: one of an image has rows.
        dataset = pydicom.dcmread(path, **{**wanted, "force": True})
        if not any(keyword in dataset for keyword in ("Rows", "PixelData", "SOPInstanceUID")):
            raise
        return _with_syntax(dataset)


def _with_syntax(dataset: FileDataset) -> FileDataset:
    """Name the encoding that pydicom found where the file does not, and there is no compression to guess."""
    if dataset.file_meta.get("TransferSyntaxUID") is None:
        implicit, little = getattr(dataset, "original_encoding", None) or (
            dataset.is_implicit_VR,
            dataset.is_little_endian,
        )
        pixels = dataset.get_item("PixelData") if "PixelData" in dataset else None
        if not getattr(pixels, "is_undefined_length", False) and getattr(pixels, "length", 0) != 0xFFFFFFFF:
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def _check_inflated(file: BinaryIO, path: str | PathLike[str], limits: Limits) -> None:
    """Refuse a file that is too large, or whose deflated data set inflates to too much, in little memory."""
    size = file.seek(0, 2)
    limits.check_bytes(path, size)
    file.seek(128)
    if _DEFLATED not in file.read(1024):
        return
    file.seek(132)
    _skip_meta(file)
    inflater, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and (coded := inflater.unconsumed_tail or file.read(1 << 16)):
        count += len(inflater.decompress(coded, 1 << 20))
        limits.check_bytes(path, count)


def _skip_meta(file: BinaryIO) -> None:
    """Move to the end of the elements of group 2, which are always in explicit VR, little-endian (PS3.10, 7.1)."""
    while True:
        place, head = file.tell(), file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            file.seek(place)
            return
        length = int.from_bytes(file.read(4) if head[4:6] in _LONG else head[6:8], "little")
        file.seek(length, 1)


def check_xray(dataset: FileDataset, name: str) -> None:
    """Refuse what holds no image that may be a radiograph.

    Args:
        dataset: as read by :func:`open_xray`; a missing ``SamplesPerPixel`` is set to 1.
        name: of the file, for the message.

    Raises:
        XRayFileError: if pixels, or a tag that tells their form, are missing, or the image is one of colours that no
            radiograph is stored in.

    """
    if not dataset.get("PixelData"):
        if kind := dicom_object(name) if Path(name).is_file() else "":
            raise XRayFileError(f"{name} is a DICOM {kind}, which holds no image. Leave it out.")
        raise XRayFileError(f"{name} holds no pixel data, or is cut short. Export the image itself, and completely.")
    missing = [keyword for keyword in _REQUIRED if dataset.get(keyword) in (None, "")]
    if missing:
        raise XRayFileError(f"{name} lacks {', '.join(missing)}, which its pixels need. Export the file anew.")
    if dataset.get("SamplesPerPixel") is None:
        dataset.SamplesPerPixel = 1
    photometric = str(dataset.PhotometricInterpretation)
    grey = dataset.SamplesPerPixel == 1 and photometric in (*_GREY, PALETTE)
    if not grey and not (dataset.SamplesPerPixel == 3 and photometric.startswith(_COLOUR)):
        raise colour_error(name)


def colour_error(name: str) -> XRayFileError:
    """The error for an image whose channels differ."""
    return XRayFileError(
        f"{name} is a colour image, such as a screen capture; a radiograph is grey. Pass the original radiograph, or "
        "leave this file out."
    )


def syntax_name(uid: UID) -> str:
    """Name and number of a transfer syntax, those that pydicom does not know yet too."""
    name = _NEW_SYNTAXES.get(str(uid)) or uid.name
    return str(uid) if name == str(uid) else f"{name}, {uid}"


_NEW_SYNTAXES = {  # PS3.6, table A-1
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 (Lossless Only)",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
