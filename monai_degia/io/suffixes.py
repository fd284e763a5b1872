"""Which files are images: by their first bytes and, where these say nothing, by their endings."""

from __future__ import annotations

import struct
from os import PathLike
from pathlib import Path

__all__ = [
    "DICOM_SUFFIXES",
    "IMAGE_SUFFIXES",
    "PICTURE_SUFFIXES",
    "VOLUME_SUFFIXES",
    "is_dicom_file",
    "is_picture_file",
]
__all__ += ["other_content", "picture_format", "starts_as_dicom"]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
#: Files that know no place in space.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUME_SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd")
IMAGE_SUFFIXES = (*PICTURE_SUFFIXES, *VOLUME_SUFFIXES, *DICOM_SUFFIXES)

_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
}
_OTHERS = {
    b"%PDF": "PDF",
    b"GIF8": "GIF",
    b"\x00\x05\x16\x07": "macOS side file",
    b"\x00\x05\x16\x00": "macOS side file",
    b"PK\x03\x04": "ZIP archive",
    b"7z\xbc\xaf": "7-Zip archive",
    b"Rar!": "RAR archive",
    b"\xd0\xcf\x11\xe0": "Microsoft Office file or thumbnails",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"mp4": "video", b"isom": "video", b"qt  ": "video", b"M4V ": "video"}
_LOOKED_AT = 144


def _start(path: str | PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LOOKED_AT)
    except OSError:
        return b""


def is_dicom_file(path: str | PathLike[str]) -> bool:
    """Whether a file is DICOM: by ``DICM`` at byte 128, by how a data set without a preamble begins, or by its ending.

    The content of a file takes precedence over its name. The index of a DICOM medium (``DICOMDIR``) holds no image and
    does not count.

    Args:
        path: the file; a missing one without a DICOM ending is none.

    Returns:
        True if the file should be read as DICOM.

    """
    name, start = Path(path).name.lower(), _start(path)
    if name == "dicomdir":
        return False
    if starts_as_dicom(start):
        # A TIFF may hide in the preamble of a DICOM file (PS3.10, 7.1); then its name says what it is used as.
        return not (picture_format(start) and name.endswith(PICTURE_SUFFIXES))
    return name.endswith(DICOM_SUFFIXES) and not picture_format(start)


def is_picture_file(path: str | PathLike[str]) -> bool:
    """Whether a file is a PNG, JPEG, TIFF or BMP picture: by its first bytes or, where they say nothing, its ending.

    Args:
        path: the file; a missing one is a picture by its ending.

    """
    start = _start(path)
    by_name = Path(path).name.lower().endswith(PICTURE_SUFFIXES)
    if starts_as_dicom(start):
        return bool(picture_format(start)) and by_name
    return bool(picture_format(start)) or by_name


def picture_format(start: bytes) -> str:
    """``PNG``, ``JPEG``, ``TIFF`` or ``BMP`` by the first bytes of a file; empty for all others."""
    for magic, kind in _PICTURES.items():
        if start.startswith(magic):
            return kind
    return "BMP" if start.startswith(b"BM") and start[6:10] == bytes(4) else ""


def other_content(start: bytes) -> str:
    """What a file that is no image which is read here is, by its first bytes; empty if they say nothing."""
    for magic, kind in _OTHERS.items():
        if start.startswith(magic):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        return next((kind for known, kind in _BRANDS.items() if brand.startswith(known)), "HEIC")
    return ""


def starts_as_dicom(start: bytes) -> bool:
    """Whether the first bytes of a file, 132 or more, are those of DICOM, with or without a preamble."""
    return start[128:132] == b"DICM" or _begins_bare(start)


def _begins_bare(start: bytes) -> bool:
    """Whether bytes are the first element of a data set, in group 8 or, with meta information alone, 2."""
    if len(start) < 16:
        return False
    for order in "<>":
        group, element = struct.unpack(f"{order}HH", start[:4])
        if group not in (2, 8) or element > 0x70:
            continue
        if start[4:6] in (b"UL", b"CS", b"UI", b"OB", b"DA", b"TM", b"SH", b"LO", b"ST", b"LT"):
            return True
        # Little-endian implicit VR: an even length that such elements have.
        (length,) = struct.unpack("<I", start[4:8])
        if order == "<" and group == 8 and length % 2 == 0 and length <= 128:
            return True
    return False
