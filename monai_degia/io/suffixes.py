"""Which files are images, by their endings and, where these say nothing, their first bytes."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from pydicom.misc import is_dicom

__all__ = ["DICOM_SUFFIXES", "IMAGE_SUFFIXES", "PICTURE_SUFFIXES", "VOLUME_SUFFIXES", "is_dicom_file"]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
#: Files that know no place in space.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUME_SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd")
IMAGE_SUFFIXES = (*PICTURE_SUFFIXES, *VOLUME_SUFFIXES, *DICOM_SUFFIXES)


def is_dicom_file(path: str | PathLike[str]) -> bool:
    """Whether a file is DICOM by its ending or, where it has none that is known, by ``DICM`` at byte 128.

    The index of a DICOM medium (``DICOMDIR``) holds no image and does not count.

    Args:
        path: the file; a missing one without a DICOM ending is none.

    Returns:
        True if the file should be read as DICOM.

    """
    name = Path(path).name.lower()
    if name.endswith(DICOM_SUFFIXES):
        return True
    if name.endswith((*PICTURE_SUFFIXES, *VOLUME_SUFFIXES)) or name == "dicomdir":
        return False
    try:
        return is_dicom(str(path))
    except OSError:
        return False
