from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_degia.results.landmark_tables import landmark_entry
from monai_degia.results.prediction import LandmarkPrediction

Make = Callable[..., LandmarkPrediction]
FILE = Path("a.png")


def test_millimetres_are_pixel_indices_times_spacing(make_record: Make) -> None:
    record = make_record(FILE, points_px=((0.0, 0.0), (10.0, 20.0), (-2.0, 3.0)), spacing_mm=(0.5, 0.25))
    assert record.points_mm == ((0.0, 0.0), (5.0, 5.0), (-1.0, 0.75))
    assert make_record(FILE).points_mm is None


@pytest.mark.parametrize(
    ("point", "outside"),
    [((-0.5, 79.5), False), ((59.5, -0.5), False), ((-0.6, 5), True), ((59.6, 5), True), ((5, 79.6), True)],
)
def test_the_edge_of_the_image_is_half_a_pixel_beyond_the_last_centre(
    make_record: Make, point: tuple[float, float], outside: bool
) -> None:
    record = make_record(FILE, points_px=((5.0, 5.0), point, (6.0, 6.0)))
    assert record.landmark_outside == (False, outside, False) and record.outside is outside
    assert landmark_entry(record)["landmarks_outside"] == (["thumb_tip"] if outside else [])


def test_confidence_of_the_image_is_the_mean(make_record: Make) -> None:
    assert make_record(FILE, confidence=(0.0, 0.5, 1.0)).image_confidence == 0.5
    assert make_record(FILE).image_confidence is None


def test_a_radius_in_millimetres_needs_a_spacing_and_takes_the_longer_side(make_record: Make) -> None:
    record = make_record(FILE, radius_px=(1.0, 2.0, 0.0), spacing_mm=(0.5, 0.25))
    assert record.radius_mm == (0.5, 1.0, 0.0)
    assert make_record(FILE, radius_px=(1.0, 2.0, 0.0)).radius_mm is None
    assert make_record(FILE, spacing_mm=(0.5, 0.25)).radius_mm is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points_px": ((0.0, 0.0),)}, r"a\.png: 1 landmarks for 3 names"),
        ({"points_px": ((0.0, float("nan")),) * 3}, "landmarks must be finite"),
        ({"spacing_mm": (0.1, 0.0)}, r"spacing_mm must be positive, got \(0\.1, 0\.0\)"),
        ({"confidence": (0.5, 0.5)}, r"confidence must be 3 numbers in \[0, 1\]"),
        ({"confidence": (0.5, 0.5, 1.01)}, r"confidence must be 3 numbers in \[0, 1\]"),
        ({"confidence": (0.5, 0.5, float("nan"))}, r"confidence must be 3 numbers in \[0, 1\]"),
        ({"radius_px": (1.0, 2.0)}, "radius_px must be 3 numbers >= 0"),
        ({"radius_px": (1.0, 2.0, float("inf"))}, "radius_px must be 3 numbers >= 0"),
        ({"radius_px": (1.0, 2.0, 3.0), "withheld": True}, "pass None for both"),
        ({"domain_shift": float("inf")}, "domain_shift must be finite, got inf"),
    ],
)
def test_a_record_that_cannot_be_is_refused(make_record: Make, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_record(FILE, **fields)
