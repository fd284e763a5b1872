"""Where 3D Slicer, and any other program that stands on ITK, shows the pixels of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_degia.errors import UserError

__all__ = ["ViewerFrame", "viewer_frame"]


@dataclass(frozen=True, eq=False)
class ViewerFrame:
    """Map between pixels of an image file and LPS millimetres as ITK reads them.

    Args:
        origin: LPS position (3,) of the centre of the first pixel.
        axes: LPS steps (3, 2) of a pixel along x and y.
        size: (width, height) in pixels.

    """

    origin: np.ndarray
    axes: np.ndarray
    size: tuple[int, int]

    def positions(self, points: np.ndarray) -> np.ndarray:
        """LPS positions (K, 3) of pixels (K, 2)."""
        return np.asarray(self.origin + points @ self.axes.T)

    def pixels(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (K, 2) of LPS positions (K, 3), and how far each lies off the image's plane in mm, (K,)."""
        from_origin = positions - self.origin
        points = np.linalg.lstsq(self.axes, from_origin.T, rcond=None)[0].T
        return points, np.linalg.norm(from_origin - points @ self.axes.T, axis=1)


def viewer_frame(file: Path) -> ViewerFrame:
    """The frame of an image file.

    ITK's own reader tells it, since it is what Slicer shows by: physical point = origin + direction x spacing x index,
    with indices at pixel centres (ITK Software Guide, 4.1.4).

    Args:
        file: picture, DICOM, NIfTI or MetaImage with one slice.

    Returns:
        The frame.

    Raises:
        ValueError: if ITK cannot read the file.

    """
    import SimpleITK  # here and not above: it takes long to load

    reader = SimpleITK.ImageFileReader()
    try:
        str(file).encode()  # ITK ends the whole process at a name that is not UTF-8
        reader.SetFileName(str(file))
        reader.ReadImageInformation()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise UserError(f"{file} is no image that ITK reads, so Slicer's points have no place on it.") from error
    count = reader.GetDimension()
    origin, spacing = np.zeros(3), np.ones(3)
    origin[: min(count, 3)], spacing[: min(count, 3)] = reader.GetOrigin()[:3], reader.GetSpacing()[:3]
    direction = np.eye(3)
    given = np.array(reader.GetDirection()).reshape(count, count)[:3, :3]
    direction[: len(given), : len(given)] = given
    return ViewerFrame(origin, (direction * spacing)[:, :2], (reader.GetSize()[0], reader.GetSize()[1]))
