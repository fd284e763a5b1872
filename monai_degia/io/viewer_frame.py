"""Where 3D Slicer, and any other program that stands on ITK, shows the pixels of a file, by ITK itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_degia.errors import UserError
from monai_degia.io.discretion import discreet
from monai_degia.io.suffixes import is_dicom_file, is_picture_file
from monai_degia.io.tiff import tiff_orientation, tiff_size

__all__ = ["ViewerFrame", "viewer_frame"]

_UNDEFINED = 0xFFFFFFFF  # of an element that says itself where it ends (PS3.5, 7.1.1)
_ITEM = b"\xfe\xff\x00\xe0"  # the tag of each fragment of compressed pixel data
_MOST_PIXELS = 1 << 30


@dataclass(frozen=True, eq=False)
class ViewerFrame:
    """Map between pixels of an image file and LPS millimetres as ITK reads them.

    Args:
        origin: LPS position (3,) of the centre of the first pixel.
        axes: LPS steps (3, n) of a pixel along x and y, and z in a volume.
        size: (width, height) in pixels, with a depth in a volume.

    """

    origin: np.ndarray
    axes: np.ndarray
    size: tuple[int, ...]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Size of a pixel along each axis as the viewer takes it, in its mm."""
        return tuple(map(float, np.linalg.norm(self.axes, axis=0)))

    def positions(self, points: np.ndarray) -> np.ndarray:
        """LPS positions (K, 3) of pixels (K, n)."""
        return np.asarray(self.origin + points @ self.axes.T)

    def pixels(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (K, n) of LPS positions (K, 3), and how far each lies off the image's plane in mm, (K,)."""
        from_origin = positions - self.origin
        points = np.linalg.lstsq(self.axes, from_origin.T, rcond=None)[0].T
        return points, np.linalg.norm(from_origin - points @ self.axes.T, axis=1)


def viewer_frame(file: str | Path, spatial_dims: int | None = None) -> ViewerFrame:
    """The frame of an image file, by its header alone.

    ITK's own reader tells it, since it is what Slicer shows by: physical point = origin + direction x spacing x index,
    with indices at pixel centres (ITK Software Guide, 4.1.4). That is not always the file's own: of CR, DX, MG, XA and
    RF files ITK knows ``ImagerPixelSpacing`` alone, without magnification, and else says 1 mm; of pictures it takes the
    size of a printed dot, where a JPEG or TIFF states one; and it reverses rows and columns of a TIFF by its
    orientation tag.

    Args:
        file: picture, DICOM, NIfTI or MetaImage with one slice, along whichever axis, or with many.
        spatial_dims: 2 for the plane of the first slice, whatever the file holds; 3 for voxels of a volume; default: 3
            for files of several slices, but for pictures, whose pages are no volume.

    Returns:
        The frame.

    Raises:
        ValueError: if ITK cannot read the file.

    """
    import SimpleITK  # here and not above: it takes long to load

    if _asks_for_much(Path(file)):
        raise UserError(f"{file} is damaged, or too large for Slicer's reader, so Slicer's points have no place on it.")
    reader = SimpleITK.ImageFileReader()
    told = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    try:
        str(file).encode()  # ITK ends the whole process at a name that is not UTF-8
        if is_dicom_file(file):
            reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(file))
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # warnings may quote what names a patient
        reader.ReadImageInformation()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise UserError(f"{file} is no image that ITK reads, so Slicer's points have no place on it.") from error
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(told)
    count, size = reader.GetDimension(), reader.GetSize()
    origin, axes = np.zeros(3), np.zeros((3, count))
    origin[: min(count, 3)] = reader.GetOrigin()[:3]
    axes[:count] = (np.reshape(reader.GetDirection(), (count, count)) * reader.GetSpacing())[:3]
    single = [axis for axis in range(count) if size[axis] == 1][-(count - 2) :] if count > 2 else []
    flat = len(single) == count - 2
    dims = spatial_dims or (2 if flat or is_picture_file(file) else 3)
    kept = (
        [axis for axis in range(count) if axis not in single][:2] if flat and dims == 2 else list(range(count))[:dims]
    )
    frame = ViewerFrame(origin, axes[:, kept], tuple(size[axis] for axis in kept))
    return frame if is_dicom_file(file) else _as_shown(frame, file)


def _asks_for_much(file: Path) -> bool:
    """Whether a header states what ITK would take memory for, though no such thing is there."""
    try:
        if is_dicom_file(file):
            with discreet():
                tags = pydicom.dcmread(file, force=True)
                lengths = [getattr(tags.get_item(tag), "length", 0) or 0 for tag in tags.keys()]  # noqa: SIM118
            if getattr(tags.file_meta, "TransferSyntaxUID", "") == DeflatedExplicitVRLittleEndian:
                return False  # what is packed is longer than its file
            if any(file.stat().st_size < length < _UNDEFINED for length in lengths):
                return True
            pixels = tags.get_item("PixelData")
            undefined = pixels is not None and getattr(pixels, "length", 0) == _UNDEFINED
            return undefined and not _are_items(pixels.value or b"")
        width, height = tiff_size(file) or (0, 0)
        return width * height > _MOST_PIXELS
    except Exception:  # damaged in another way, which ITK says
        return False


def _are_items(data: bytes) -> bool:
    """Whether compressed pixel data is one item after the other, each as long as it says (PS3.5, A.4).

    Zeros that fill up an odd item or the end, as some makers write, are passed over.
    """
    place = 0
    while data[place : place + 4] == _ITEM:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length
        if length % 2 and data[place : place + 1] == b"\0":
            place += 1
    return place <= len(data) and not data[place:].strip(b"\0")


def _as_shown(frame: ViewerFrame, file: str | Path) -> ViewerFrame:
    """The frame of the pixels as a TIFF stores them: ITK reverses rows and columns by its orientation tag.

    libtiff does so for ITK, and leaves out the exchange of rows and columns that four of the eight ask for.
    """
    orientation = tiff_orientation(file)
    reversed_axes = np.array([orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8), False])[: len(frame.size)]
    ends = np.array(frame.size) - 1
    origin = frame.origin + frame.axes @ np.where(reversed_axes, ends, 0)
    return ViewerFrame(origin, frame.axes * np.where(reversed_axes, -1, 1), frame.size)
