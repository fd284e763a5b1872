"""Display shutters of all shapes, against what lies inside of them by the standard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from monai_degia.reading.xray.reader import XRayReader
from monai_degia.reading.xray.shutter import open_area
from monai_degia.reading.xray.values import numbers

ROWS, COLUMNS = 40, 60
ROW, COLUMN = np.mgrid[1 : ROWS + 1, 1 : COLUMNS + 1]
RECTANGLE = {"ShutterLeftVerticalEdge": 11, "ShutterRightVerticalEdge": 50}
RECTANGLE |= {"ShutterUpperHorizontalEdge": 6, "ShutterLowerHorizontalEdge": 33}
CIRCLE = {"CenterOfCircularShutter": [20, 31], "RadiusOfCircularShutter": 15}  # row, column
POLYGON = {"VerticesOfThePolygonalShutter": [3, 30, 38, 5, 38, 55]}
IN_RECTANGLE = (COLUMN >= 11) & (COLUMN <= 50) & (ROW >= 6) & (ROW <= 33)
IN_CIRCLE = np.hypot(ROW - 20, COLUMN - 31) <= 15
# The triangle's two slanting sides.
IN_POLYGON = (ROW >= 3) & (ROW < 38) & (COLUMN > 30 - 25 * (ROW - 3) / 35) & (COLUMN <= 30 + 25 * (ROW - 3) / 35)
SHAPES: dict[str, tuple[dict[str, Any], np.ndarray]] = {
    "rectangle": ({"ShutterShape": "RECTANGULAR", **RECTANGLE}, IN_RECTANGLE),
    "circle": ({"ShutterShape": "CIRCULAR", **CIRCLE}, IN_CIRCLE),
    "both": ({"ShutterShape": ["RECTANGULAR", "CIRCULAR"], **RECTANGLE, **CIRCLE}, IN_RECTANGLE & IN_CIRCLE),
    "polygon": ({"ShutterShape": "POLYGONAL", **POLYGON}, IN_POLYGON),
}
VALUES = np.random.default_rng(5).integers(300, 900, (ROWS, COLUMNS)).astype(np.uint16)
WHITE = np.uint16(4095)


def grey(path: Path) -> np.ndarray:
    reader = XRayReader()
    return reader.get_data(reader.read(path))[0].T


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("tags", "inside"), SHAPES.values(), ids=SHAPES.keys())
def test_outside_is_black_and_does_not_set_the_window(
    write_xray: Callable[..., Path], tags: dict[str, Any], inside: np.ndarray, photometric: str
) -> None:
    form = {"BitsStored": 12, "PhotometricInterpretation": photometric}
    found = grey(write_xray(np.where(inside, VALUES, WHITE), **form, **tags))
    assert not found[~inside].any()
    low, high = np.percentile(VALUES[inside], (0.5, 99.5))
    expected = ((VALUES - low) / (high - low)).clip(0, 1)
    wanted = 1 - expected if photometric == "MONOCHROME1" else expected
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-6)


def test_frames_have_shutters_of_their_own(write_xray: Callable[..., Path]) -> None:
    item, group = pydicom.Dataset(), pydicom.Dataset()
    for keyword, value in SHAPES["rectangle"][0].items():
        setattr(item, keyword, value)
    group.FrameDisplayShutterSequence = [item]
    path = write_xray(VALUES, SharedFunctionalGroupsSequence=[group], WindowCenter=600, WindowWidth=9000)
    assert ((grey(path) > 0) == IN_RECTANGLE).all()


@pytest.mark.parametrize(
    "tags",
    [
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [500, 500], "RadiusOfCircularShutter": 3},
    ],
    ids=["no edges", "of overlays", "beside the image"],
)
def test_a_shutter_that_cannot_be_meant_is_told_and_passed_over(
    write_xray: Callable[..., Path], caplog: pytest.LogCaptureFixture, tags: dict[str, Any]
) -> None:
    np.testing.assert_array_equal(grey(write_xray(VALUES, **tags)), grey(write_xray(VALUES)))
    assert sum("shutter" in message for message in caplog.messages) == 1


def test_a_coarser_image_has_the_same_shutter() -> None:
    header = pydicom.Dataset()
    header.Rows, header.Columns = ROWS, COLUMNS
    for keyword, value in SHAPES["both"][0].items():
        setattr(header, keyword, value)
    assert numbers(header, "ShutterLeftVerticalEdge") == [11]
    coarse = open_area(header, "a.dcm", 2)
    assert coarse is not None and coarse.shape == (COLUMNS // 2, ROWS // 2)
    fine = open_area(header, "a.dcm")
    assert fine is not None
    share = fine.reshape(COLUMNS // 2, 2, ROWS // 2, 2).mean((1, 3))
    assert (coarse == (share > 0.5))[share != 0.5].mean() > 0.97
