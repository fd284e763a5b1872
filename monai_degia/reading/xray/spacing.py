"""Millimetres a pixel of a radiograph, where they come from, and the affine of its plane."""

from __future__ import annotations

import numpy as np
from monai.data.utils import orientation_ras_lps
from pydicom.dataset import Dataset

from monai_degia.reading.xray.values import numbers

__all__ = ["SPACING_TAGS", "file_affine", "pixel_aspect", "pixel_spacing", "plane_affine"]

SPACING_TAGS = (
    *("PixelSpacing", "PixelSpacingCalibrationType", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    *("ImagePlanePixelSpacing", "EstimatedRadiographicMagnificationFactor"),
    *("DistanceSourceToDetector", "DistanceSourceToPatient", "PixelAspectRatio"),
)
_EQUAL = 1e-3  # relative; decimal strings are rounded
_HIGHEST = 20.0  # no source stands so near to the body; beyond, a distance is in another unit


def pixel_spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Size of a pixel in x and y, in mm, and where it comes from (PS3.3 10.7.1.1 and 10.7.1.3).

    ``PixelSpacing`` that was calibrated, so it says or differs from ``ImagerPixelSpacing``, is that of the body and
    goes first. Equal values are those of the detector, onto which the body is magnified: they are divided by
    ``EstimatedRadiographicMagnificationFactor``, or by the distance from source to detector over that to the patient.
    Where there is no ``ImagerPixelSpacing``, nobody knows whether ``PixelSpacing`` was calibrated. That of the image
    plane of a radiotherapy image, and of digitised film, come last. Values that cannot be a length count as missing,
    and so do factors below 1.

    Args:
        dataset: header of the image.

    Returns:
        (x, y), or None if unknown; and ``PixelSpacing (calibrated)``, ``PixelSpacing``, ``ImagerPixelSpacing (detector
        plane)``, ``ImagerPixelSpacing/magnification``, ``ImagerPixelSpacing/distances``, ``ImagePlanePixelSpacing
        (detector plane)``, ``NominalScannedPixelSpacing``, or an empty string if unknown.

    """
    body, detector = _sides(dataset, "PixelSpacing"), _sides(dataset, "ImagerPixelSpacing")
    calibrated = str(dataset.get("PixelSpacingCalibrationType") or "").strip().upper() in ("GEOMETRY", "FIDUCIAL")
    if body is not None:
        if calibrated or (detector is not None and not np.allclose(body, detector, rtol=_EQUAL)):
            return body, "PixelSpacing (calibrated)"
        if detector is None:
            return body, "PixelSpacing"
    if detector is not None:
        factor, how = _magnification(dataset)
        source = f"ImagerPixelSpacing/{how}" if how else "ImagerPixelSpacing (detector plane)"
        return (detector[0] / factor, detector[1] / factor), source
    if (plane := _sides(dataset, "ImagePlanePixelSpacing")) is not None:
        return plane, "ImagePlanePixelSpacing (detector plane)"
    if (film := _sides(dataset, "NominalScannedPixelSpacing")) is not None:
        return film, "NominalScannedPixelSpacing"
    return None, ""


def _sides(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    sides = numbers(dataset, keyword)
    if len(sides) != 2 or not all(np.isfinite(side) and side > 0 for side in sides):
        return None
    return sides[1], sides[0]  # DICOM gives the distance of rows first


def _magnification(dataset: Dataset) -> tuple[float, str]:
    factor = numbers(dataset, "EstimatedRadiographicMagnificationFactor")
    if factor and 1 <= factor[0] <= _HIGHEST:
        return factor[0], "magnification"
    to_detector, to_patient = (
        numbers(dataset, keyword) for keyword in ("DistanceSourceToDetector", "DistanceSourceToPatient")
    )
    if to_detector and to_patient and 0 < to_patient[0] <= to_detector[0] <= _HIGHEST * to_patient[0]:
        return to_detector[0] / to_patient[0], "distances"
    return 1.0, ""


def pixel_aspect(dataset: Dataset) -> float:
    """Height of a pixel over its width: by the spacing or, without one, by ``PixelAspectRatio`` (PS3.3 C.7.6.3.1.7)."""
    spacing, _ = pixel_spacing(dataset)
    if spacing is not None:
        return spacing[1] / spacing[0]
    ratio = numbers(dataset, "PixelAspectRatio")  # vertical, horizontal
    good = len(ratio) == 2 and np.isfinite(ratio).all() and min(ratio) > 0
    return ratio[0] / ratio[1] if good else 1.0


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
