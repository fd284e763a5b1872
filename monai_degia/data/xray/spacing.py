"""Millimetres a pixel of a radiograph, where they come from, and the affine of its plane."""

from __future__ import annotations

import numpy as np
from monai.data.utils import orientation_ras_lps
from pydicom.dataset import Dataset

from monai_degia.data.xray.files import numbers

__all__ = ["pixel_spacing", "plane_affine"]


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


def plane_affine(dataset: Dataset, spacing: tuple[float, float] | None) -> np.ndarray:
    """Affine from pixel (x, y) to RAS millimetres, in the plane of the image.

    A radiograph has no place in the body: pixel (0, 0) is the origin, and x and y run to the left and to the back as in
    ITK. ``ImageOrientationPatient`` and ``ImagePositionPatient`` are followed where they stay in that plane. For a
    plane of another direction they are not, since 2-D points could not follow.

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
        normal = np.cross(x, y)
        if abs(abs(normal[2]) - 1) < 1e-3 and abs(x[2]) + abs(y[2]) < 1e-6:
            lps[:3, :3] = np.stack([x, y, np.array([0.0, 0.0, np.sign(normal[2])])], axis=1) @ lps[:3, :3]
            lps[:3, 3] = origin
    return np.asarray(orientation_ras_lps(lps), dtype=np.float64)
