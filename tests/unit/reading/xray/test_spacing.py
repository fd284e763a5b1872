from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_degia.reading.xray.spacing import file_affine, pixel_aspect, pixel_spacing, plane_affine


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


PIXEL, IMAGER, FILM = [0.1, 0.3], [0.2, 0.5], [0.7, 0.9]
DETECTOR, CALIBRATED = "ImagerPixelSpacing (detector plane)", "PixelSpacing (calibrated)"
FACTOR = {"EstimatedRadiographicMagnificationFactor": 1.25}
DISTANCES = {"DistanceSourceToDetector": 1250, "DistanceSourceToPatient": 1000}
BOTH = {"PixelSpacing": IMAGER, "ImagerPixelSpacing": IMAGER}
CASES: dict[str, tuple[dict[str, Any], tuple[float, float] | None, str]] = {
    "x comes second in the file": ({"PixelSpacing": PIXEL}, (0.3, 0.1), "PixelSpacing"),
    "values that differ are calibrated": (
        {"PixelSpacing": PIXEL, "ImagerPixelSpacing": IMAGER, **FACTOR},
        (0.3, 0.1),
        CALIBRATED,
    ),
    "calibrated to equal values": (
        {**BOTH, "PixelSpacingCalibrationType": "FIDUCIAL", **FACTOR},
        (0.5, 0.2),
        CALIBRATED,
    ),
    "calibrated by geometry": (
        {"PixelSpacing": PIXEL, "PixelSpacingCalibrationType": "GEOMETRY"},
        (0.3, 0.1),
        CALIBRATED,
    ),
    "equal values are the detector's": (BOTH, (0.5, 0.2), DETECTOR),
    "equal values, magnified": ({**BOTH, **FACTOR}, (0.4, 0.16), "ImagerPixelSpacing/magnification"),
    "equal values, distances": ({**BOTH, **DISTANCES}, (0.4, 0.16), "ImagerPixelSpacing/distances"),
    "the factor goes before distances": (
        {**BOTH, **DISTANCES, "EstimatedRadiographicMagnificationFactor": 2},
        (0.25, 0.1),
        "ImagerPixelSpacing/magnification",
    ),
    "magnification is not for PixelSpacing alone": ({"PixelSpacing": PIXEL, **FACTOR}, (0.3, 0.1), "PixelSpacing"),
    "detector": ({"ImagerPixelSpacing": IMAGER, "NominalScannedPixelSpacing": FILM}, (0.5, 0.2), DETECTOR),
    "detector, magnified": ({"ImagerPixelSpacing": IMAGER, **FACTOR}, (0.4, 0.16), "ImagerPixelSpacing/magnification"),
    "no real magnification": (
        {"ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": 0},
        (0.5, 0.2),
        DETECTOR,
    ),
    "a patient behind the detector": (
        {"ImagerPixelSpacing": IMAGER, "DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 1250},
        (0.5, 0.2),
        DETECTOR,
    ),
    "radiotherapy": ({"ImagePlanePixelSpacing": IMAGER}, (0.5, 0.2), "ImagePlanePixelSpacing (detector plane)"),
    "film": ({"NominalScannedPixelSpacing": FILM}, (0.9, 0.7), "NominalScannedPixelSpacing"),
    "empty": ({"PixelSpacing": None, "ImagerPixelSpacing": IMAGER}, (0.5, 0.2), DETECTOR),
    "zero": ({"PixelSpacing": [0, 0.1], "ImagerPixelSpacing": IMAGER}, (0.5, 0.2), DETECTOR),
    "one number": ({"PixelSpacing": 0.1}, None, ""),
    "nothing": ({}, None, ""),
}


@pytest.mark.parametrize(("tags", "spacing", "source"), CASES.values(), ids=CASES.keys())
def test_spacing_is_x_y_and_says_where_it_is_from(
    tags: dict[str, Any], spacing: tuple[float, float] | None, source: str
) -> None:
    found, tag = pixel_spacing(header(**tags))
    assert tag == source and (found is None if spacing is None else found == pytest.approx(spacing))


def test_plane_without_a_place_is_that_of_itk() -> None:
    for affine, size in [(file_affine(header(), (0.3, 0.1)), (0.3, 0.1)), (file_affine(header(), None), (1, 1))]:
        np.testing.assert_allclose(affine, np.diag([-size[0], -size[1], 1, 1]))
        np.testing.assert_allclose(plane_affine(affine), affine)


@pytest.mark.parametrize("degrees", [0, 90, 33])
@pytest.mark.parametrize("flip", [1, -1])
def test_a_place_in_the_plane_is_followed(degrees: float, flip: int) -> None:
    a = np.deg2rad(degrees)
    x, y = np.array([np.cos(a), np.sin(a), 0]), flip * np.array([-np.sin(a), np.cos(a), 0])
    place = header(ImageOrientationPatient=[*x.round(9), *y.round(9)], ImagePositionPatient=[10, 20, 30])
    affine = plane_affine(file_affine(place, (0.3, 0.1)))
    pixel = np.array([5, 7])
    lps = np.array([10, 20, 30]) + pixel[0] * 0.3 * x + pixel[1] * 0.1 * y  # PS3.3 C.7.6.2.1.1
    np.testing.assert_allclose((affine @ [*pixel, 0, 1])[:3], lps * [-1, -1, 1], atol=1e-6)
    assert not affine[2, :2].any() and abs(np.linalg.det(affine)) == pytest.approx(0.03)


@pytest.mark.parametrize("turn", [[1, 0, 0, 0, 0, -1], [0.8, 0, 0.6, 0, 1, 0], [0, 1, 0, 0, 0, -1]])
def test_a_plane_of_another_direction_keeps_its_place_and_2d_points_their_spacing(turn: list[float]) -> None:
    affine = file_affine(header(ImageOrientationPatient=turn, ImagePositionPatient=[10, 20, 30]), (0.3, 0.1))
    lps = np.array([10, 20, 30]) + 5 * 0.3 * np.array(turn[:3]) + 7 * 0.1 * np.array(turn[3:])  # PS3.3 C.7.6.2.1.1
    np.testing.assert_allclose((affine @ [5, 7, 0, 1])[:3], lps * [-1, -1, 1], atol=1e-9)
    np.testing.assert_allclose(plane_affine(affine), np.diag([-0.3, -0.1, 1, 1]), atol=1e-9)


@pytest.mark.parametrize("turn", [[1, 0, 0, 1, 0, 0], [0] * 6, [1, 0], [1, 0, 0, 0, 2, 0]])
def test_an_orientation_that_is_none_is_not_followed(turn: list[float]) -> None:
    place = header(ImageOrientationPatient=turn, ImagePositionPatient=[10, 20, 30])
    np.testing.assert_allclose(file_affine(place, (0.3, 0.1)), np.diag([-0.3, -0.1, 1, 1]))


@pytest.mark.parametrize(
    ("tags", "aspect"),
    [
        ({"PixelAspectRatio": [2, 1]}, 2.0),  # vertical first
        ({"PixelAspectRatio": [2, 1], "PixelSpacing": [0.2, 0.2]}, 1.0),
        ({"PixelSpacing": PIXEL}, 1 / 3),
        ({"PixelAspectRatio": [0, 1]}, 1.0),
        ({}, 1.0),
    ],
)
def test_pixels_may_be_higher_than_wide(tags: dict[str, Any], aspect: float) -> None:
    assert pixel_aspect(header(**tags)) == pytest.approx(aspect)
