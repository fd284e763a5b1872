"""Slicer's markups, in the frame in which ITK shows the image."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.write import write_annotations

Save = Callable[..., Path]
SPACING = (0.5, 0.25)
TURN = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def volume(tmp_path: Path) -> Any:
    """A slice that is turned in space, and its file."""
    image = SimpleITK.GetImageFromArray(np.zeros((1, 30, 40), dtype=np.int16))
    image.SetSpacing((*SPACING, 2.0))
    image.SetOrigin((10.0, -20.0, 5.0))
    image.SetDirection(TURN)
    SimpleITK.WriteImage(image, str(tmp_path / "leg.nii.gz"))
    return image


def point(label: str, position: Any, **more: Any) -> dict[str, Any]:
    return {"id": "1", "label": label, "description": "", "position": position, "positionStatus": "defined", **more}


def markups(*points: Any, **more: Any) -> dict[str, Any]:
    about = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm"}
    return {"markups": [{**about, "controlPoints": list(points), **more}]}


@pytest.mark.parametrize("name", ["leg.mrk.json", "leg.nii.gz.mrk.json"])
def test_positions_become_pixels_by_itks_map(name: str, volume: Any, save: Save, tmp_path: Path) -> None:
    places = [volume.TransformContinuousIndexToPhysicalPoint((x, y, 0.0)) for x, y in ((3.0, 4.5), (39.0, 0.0))]
    unplaced = point("heel", [0.0, 0.0, 0.0], positionStatus="undefined")
    save(markups(point("knee", places[0]), point("hip", places[1], description="occluded"), unplaced), name)
    found = read_annotations(tmp_path)
    (image,) = found.images
    assert found.names == ("knee", "hip") and found.format == "slicer" and image.image == "leg.nii.gz"
    np.testing.assert_allclose(image.points, [[3, 4.5], [39, 0]], atol=1e-4)
    assert image.size == (40, 30) and image.occluded.tolist() == [False, True] and not image.problem


def test_ras_is_turned(volume: Any, save: Save) -> None:
    x, y, z = volume.TransformContinuousIndexToPhysicalPoint((3.0, 4.0, 0.0))
    file = save(markups(point("knee", [-x, -y, z]), coordinateSystem="RAS"), "leg.mrk.json")
    np.testing.assert_allclose(read_annotations(file).images[0].points, [[3, 4]], atol=1e-4)


def test_what_is_written_lies_where_itk_shows_the_pixel(volume: Any, tmp_path: Path) -> None:
    images = (AnnotatedImage("leg.nii.gz", np.array([[3.25, 4.5]])),)
    (file,) = write_annotations(AnnotationSet(("knee",), images), tmp_path / "out", "slicer", image_dir=tmp_path)
    (markup,) = json.loads(file.read_text(encoding="utf-8"))["markups"]
    expected = volume.TransformContinuousIndexToPhysicalPoint((3.25, 4.5, 0.0))
    np.testing.assert_allclose(markup["controlPoints"][0]["position"], expected, atol=1e-4)
    assert file.name == "leg.nii.gz.mrk.json" and markup["coordinateSystem"] == "LPS"


def test_a_picture_with_a_printed_size(save: Save, tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "a.tif", dpi=(254, 127))
    spacing = SimpleITK.ReadImage(str(tmp_path / "a.tif")).GetSpacing()
    assert spacing != (1.0, 1.0), "vacuous: ITK reads no resolution"
    file = save(markups(point("tip", [8 * spacing[0], 6 * spacing[1], 0.0])), "a.mrk.json")
    np.testing.assert_allclose(read_annotations(file).images[0].points, [[8, 6]], atol=1e-4)


def test_folders_and_pictures_elsewhere(save: Save, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "sub").mkdir(parents=True)
    Image.new("L", (40, 30)).save(tmp_path / "pictures" / "sub" / "a.png")
    save(markups(point("tip", [8, 6, 0])), "labels/sub/a.mrk.json")
    (image,) = read_annotations(tmp_path / "labels", image_dir=tmp_path / "pictures").images
    assert image.image == "sub/a.png" and image.points.tolist() == [[8, 6]]
    assert "is not in" in read_annotations(tmp_path / "labels").images[0].problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (markups(point("tip", [8, 6, 40])), "tip lies 40.0 mm off the image's plane"),
        (markups(point("tip", [8, 6])), "position of tip"),
        (markups(point("tip", [8, None, 0])), "position of tip"),
        (markups(point("tip", [1, 1, 0]), point("tip", [2, 2, 0])), "tip is set twice"),
        (markups(coordinateUnits="um"), "in 'um'"),
        ({"markups": [{"type": "Curve"}]}, "0 point lists"),
    ],
)
def test_files_that_cannot_be_used_say_why(content: Any, problem: str, save: Save, tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    assert problem in read_annotations(save(content, "a.mrk.json")).images[0].problem


def test_an_image_that_itk_does_not_read_is_named(save: Save, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    save(markups(point("tip", [8, 6, 0])), "a.mrk.json")
    assert "no image that ITK reads" in read_annotations(tmp_path).images[0].problem


def test_two_images_of_one_name_are_not_guessed_at(save: Save, tmp_path: Path) -> None:
    for ending in ("png", "tif"):
        Image.new("L", (40, 30)).save(tmp_path / f"a.{ending}")
    save(markups(point("tip", [8, 6, 0])), "a.mrk.json")
    assert "several: a.png, a.tif" in read_annotations(tmp_path).images[0].problem


def test_writing_needs_the_images(tmp_path: Path) -> None:
    annotations = AnnotationSet(("tip",), (AnnotatedImage("a.png", np.zeros((1, 2))),))
    with pytest.raises(ValueError, match=r"millimetres of the image's place in space. Pass image_dir"):
        write_annotations(annotations, tmp_path / "out", "slicer")
    with pytest.raises(ValueError, match=r"has no image a.png"):
        write_annotations(annotations, tmp_path / "out", "slicer", image_dir=tmp_path)
