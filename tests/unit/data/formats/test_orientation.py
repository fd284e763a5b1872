"""Points on photographs that are stored sideways."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.orientation import (
    all_as_stored,
    as_stored,
    exif_orientation,
    stored_points,
    upright_points,
)
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations

SIZE = (12, 7)


def photograph(path: Path, orientation: int, point: tuple[int, int] = (3, 5)) -> Image.Image:
    """A picture whose stored pixels have one that is bright."""
    picture = Image.new("L", SIZE)
    picture.putpixel(point, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    return Image.open(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_follow_the_pixels_as_pillow_turns_them(orientation: int, tmp_path: Path) -> None:
    picture = photograph(tmp_path / "a.png", orientation)
    assert exif_orientation(tmp_path / "a.png") == orientation
    upright = np.argwhere(np.array(ImageOps.exif_transpose(picture)))[:, ::-1]
    np.testing.assert_array_equal(stored_points(upright, SIZE, orientation), [[3, 5]])
    np.testing.assert_array_equal(upright_points(np.array([[3, 5]]), SIZE, orientation), upright)


def test_what_has_no_orientation_is_upright(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"no picture")
    assert exif_orientation(tmp_path / "a.dcm") == exif_orientation(tmp_path / "gone.png") == 1
    photograph(tmp_path / "odd.png", 77)
    assert exif_orientation(tmp_path / "odd.png") == 1


def test_a_tool_that_did_not_turn_the_picture_is_believed() -> None:
    turned = AnnotatedImage("a.jpg", np.array([[1.0, 2.0]]), size=SIZE[::-1])
    assert as_stored(turned, SIZE, 6).points.tolist() == [[2, 5]] and as_stored(turned, SIZE, 6).size == SIZE
    assert as_stored(replace(turned, size=SIZE), SIZE, 6).points.tolist() == [[1, 2]]
    with pytest.raises(ValueError, match=r"orientation is 1 to 8, got 9"):
        as_stored(turned, SIZE, 9)


def test_a_set_is_turned_once() -> None:
    images = (AnnotatedImage("a.jpg", np.array([[1.0, 2.0]])), AnnotatedImage("b.dcm", np.array([[1.0, 2.0]])))
    annotations = AnnotationSet(("tip",), images, upright=True)
    stored = all_as_stored(annotations, [SIZE, None], [8, 1])
    assert [image.points.tolist() for image in stored.images] == [[[9, 1]], [[1, 2]]] and not stored.upright
    assert all_as_stored(stored, [SIZE, None], [8, 1]) is stored
    with pytest.raises(ValueError, match=r"1 sizes and 2 orientations do not fit 2 images"):
        all_as_stored(annotations, [SIZE], [8, 1])


@pytest.mark.parametrize("form", [name for name, form in ANNOTATION_FORMATS.items() if form.write])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_every_format_counts_pixels_as_its_tool_shows_them(form: str, orientation: int, tmp_path: Path) -> None:
    """What is written and read comes back, and the file holds the place in the view that the tool has."""
    (tmp_path / "images").mkdir()
    photograph(tmp_path / "images" / "a.png", orientation)
    points = np.array([[3.25, 5.0], [8.0, 1.5]])
    annotations = AnnotationSet(("head", "tail"), (AnnotatedImage("a.png", points, size=SIZE),))
    path = tmp_path / "out"
    write_annotations(annotations, path, form, image_dir=tmp_path / "images")
    found = read_annotations(path, image_dir=tmp_path / "images")
    expected = upright_points(points, SIZE, orientation) if ANNOTATION_FORMATS[form].upright else points
    np.testing.assert_allclose(found.images[0].points, expected, atol=0.01)
    assert found.upright == ANNOTATION_FORMATS[form].upright
    np.testing.assert_allclose(all_as_stored(found, [SIZE], [orientation]).images[0].points, points, atol=0.01)


def test_unknown_files_of_upright_points_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = (AnnotatedImage("a.png", np.array([[1.0, 2.0]]), size=SIZE),)
    write_annotations(AnnotationSet(("tip",), images, upright=True), tmp_path / "a.csv", "csv")
    assert "set on upright pictures" in caplog.text and "pass image_dir" in caplog.text
