"""Millimetres a pixel of a radiograph, where they come from, and the affine of its plane."""

from __future__ import annotations

import numpy as np
from monai.data.utils import orientation_ras_lps
from pydicom.dataset import Dataset

from monai_degia.reading.xray.files import numbers

__all__ = ["file_affine", "pixel_spacing", "plane_affine"]


def pixel_spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Size of a pixel in x and y, in mm, and the tag that tells it.

    ``PixelSpacing``, calibrated or not, goes first. ``ImagerPixelSpacing`` is that of the detector, onto which the
    body is magnified: it is divided by ``EstimatedRadiographicMagnificationFactor`` if there is one.
    ``NominalScannedPixelSpacing``, of digitised film, comes last. Values that cannot be a length count as missing.

    Args:
        dataset: header of the image.

    Returns:
        (x, y), or None if unknown; and ``PixelSpacing``, ``ImagerPixelSpacing``, ``ImagerPixelSpacing/magnification``,
        ``NominalScannedPixelSpacing``, or an empty string if unknown.

    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        sides = numbers(dataset, keyword)
        if len(sides) != 2 or not all(np.isfinite(side) and side > 0 for side in sides):
            continue
        y, x = sides  # DICOM gives the distance of rows first
        factor = numbers(dataset, "EstimatedRadiographicMagnificationFactor")
        if keyword == "ImagerPixelSpacing" and factor and np.isfinite(factor[0]) and factor[0] > 0:
            return (x / factor[0], y / factor[0]), f"{keyword}/magnification"
        return (x, y), keyword
    return None, ""


def file_affine(dataset: Dataset, spacing: tuple[float, float] | None) -> np.ndarray:
    """Affine from pixel (x, y, 0) to RAS millimetres, as the file places itself in space.

    ``ImageOrientationPatient`` and ``ImagePositionPatient`` are followed where they are there and sound. A radiograph
    without them has no place in the body: pixel (0, 0) is the origin, and x and y run to the left and to the back as in
    ITK.

    Args:
        dataset: header of the image.
        spacing: of pixels in x and y, in mm; None counts as 1.

    Returns:
        Float64 array (4, 4).

    """
    lps = np.diag([*(spacing or (1.0, 1.0)), 1.0, 1.0])
    turn, origin = numbers(dataset, "ImageOrientationPatient"), numbers(dataset, "ImagePositionPatient")
    if len(turn) == 6 and len(origin) == 3 and np.isfinite([*turn, *origin]).all():
        x, y = np.array(turn[:3]), np.array(turn[3:])
        if np.allclose([x @ x, y @ y, x @ y], [1, 1, 0], atol=2e-3):
            lps[:3, :3] = np.stack([x, y, np.cross(x, y)], axis=1) @ lps[:3, :3]
            lps[:3, 3] = origin
    return np.asarray(orientation_ras_lps(lps), dtype=np.float64)


def plane_affine(affine: np.ndarray) -> np.ndarray:
    """Affine in which an image stays 2-D, for transforms: that of its file where this lies in the world's x-y plane.

    For a plane of another direction spacing alone is left, with x and y as in ITK, since 2-D points could not follow.

    Args:
        affine: of the file (4, 4), from pixel to RAS millimetres, see :func:`file_affine`.

    Returns:
        Float64 array (4, 4).

    """
    if np.abs(affine[2, :2]).max() < 1e-6 and abs(np.linalg.det(affine[:2, :2])) > 1e-9:
        normal = np.array([0.0, 0.0, np.sign(affine[2, 2])])
        return np.column_stack([affine[:, :2], [*normal, 0.0], affine[:, 3]])
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    return np.asarray(orientation_ras_lps(np.diag([*spacing, 1.0, 1.0])), dtype=np.float64)
