"""What a file beside images is: reports, presentation states, documents, thumbnails."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import pydicom
from pydicom.uid import UID

from monai_degia.io.discretion import discreet
from monai_degia.io.suffixes import IMAGE_SUFFIXES, is_dicom_file, other_content, picture_format, starts_as_dicom

__all__ = ["dicom_object", "what_lies_beside"]

_SIDE_FILE = "macOS side file"
_BY_NAME = {
    ".ds_store": _SIDE_FILE,
    "thumbs.db": "Microsoft Office file or thumbnails",
    "desktop.ini": "text",
    ".mrk.json": "Slicer markups",
}
#: Names of storage classes without pixels of their own (PS3.4, annex B.5), by a part of each.
_OBJECTS = {
    "Presentation State": "presentation state",
    "Key Object": "key object selection",
    "Encapsulated PDF": "PDF",
    "Encapsulated": "encapsulated document",
    "Media Storage Directory": "index",
    "SR": "structured report",
    "Report": "structured report",
    "Procedure Log": "structured report",
    "Waveform": "waveform",
    "ECG": "waveform",
    "RT Plan": "radiotherapy plan",
    "RT Structure": "radiotherapy structures",
    "Raw Data": "raw data",
    "Registration": "registration",
}
_LOOKED_AT = 4096


def what_lies_beside(path: str | PathLike[str]) -> str:
    """What a file is, if it is no image that can be read; empty for images, damaged ones too.

    Only what is clearly something else is named: a file of an image's kind that is damaged stays an image, so that
    reading it says what is wrong.

    Args:
        path: an existing file.

    Returns:
        A kind, such as ``PDF``, ``GIF``, ``DICOM structured report`` or ``text``; empty for an image.

    """
    file = Path(path)
    name = file.name.lower()
    for ending, kind in _BY_NAME.items():
        if name.endswith(ending):
            return kind
    try:
        with file.open("rb") as opened:
            start = opened.read(_LOOKED_AT)
    except OSError:
        return ""
    if name.startswith("._") and not picture_format(start) and not starts_as_dicom(start):
        return _SIDE_FILE
    kind = other_content(start)
    if kind and (kind == _SIDE_FILE or not name.endswith(IMAGE_SUFFIXES)):
        return kind  # under an image's name, what Pillow opens is read, and the rest is damaged
    if name == "dicomdir":
        return "DICOM index"
    if is_dicom_file(file):
        found = dicom_object(file)
        return found and f"DICOM {found}"
    if picture_format(start) or name.endswith(IMAGE_SUFFIXES):
        return ""
    return "text" if _is_text(start) else "file of unknown kind"


def dicom_object(path: str | PathLike[str]) -> str:
    """What a DICOM file without pixels is, such as ``structured report``; empty for images and what is damaged."""
    try:
        with discreet():
            tags = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID", "Rows"])
            uid = tags.get("SOPClassUID") or tags.file_meta.get("MediaStorageSOPClassUID") or ""
            if tags.get("Rows"):
                return ""
    except Exception:  # damaged: whoever reads it says how
        return ""
    name = UID(str(uid)).name
    words = name.split()
    if len(words) < 2 or "Image" in words:
        return ""  # a UID of nobody knows what, or an image that lacks its size
    found = (kind for part, kind in _OBJECTS.items() if part in (name if " " in part else words))
    return next(found, "object without pixels")


def _is_text(start: bytes) -> bool:
    if not start or b"\0" in start:
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4 and len(start) == _LOOKED_AT  # cut within a character
    return True
