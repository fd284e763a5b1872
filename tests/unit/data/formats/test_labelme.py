"""Files of labelme, one beside each picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]


def shape(label: str, *points: list[float], kind: str = "point", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": list(points), "group_id": None, "shape_type": kind, "flags": {}, **more}


def labelme(*shapes: Any, path: str = "a.jpg", **more: Any) -> dict[str, Any]:
    about = {"version": "5.4.1", "flags": {}, "imagePath": path, "imageData": None}
    return {**about, "shapes": list(shapes), "imageHeight": 48, "imageWidth": 64, **more}


def test_one_file(save: Save) -> None:
    hidden = shape("tip", [20.0, 30.25], flags={"occluded": True})
    found = read_annotations(save(labelme(shape("wrist", [0.5, 0.5]), hidden, flags={"left": True}), "a.json"))
    (image,) = found.images
    assert found.names == ("wrist", "tip") and found.upright and image.size == (64, 48)
    assert image.points.tolist() == [[0, 0], [19.5, 29.75]] and image.occluded.tolist() == [False, True]
    assert dict(image.fields) == {"left": True}


def test_a_folder_with_sub_folders(save: Save, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(labelme(shape("wrist", [1, 1]), shape("box", [1, 1], [2, 2], kind="rectangle")), "a.json")
    save(labelme(shape("wrist", [2, 2]), path="..\\pictures\\b.jpg"), "sub/b.json")
    save(labelme(path="c.jpg"), "c.json")
    save({"name": "something else"}, "config.json")
    save("{broken", "broken.json")
    found = read_annotations(tmp_path)
    assert [image.image for image in found.images] == ["a.jpg", "pictures/b.jpg"]
    assert [image.where for image in found.images] == ["a.json", "sub/b.json"]
    for count in ("file that is not of labelme: 2", "file without a point: 1", "shape of type rectangle: 1"):
        assert count in caplog.text


def test_groups_are_objects(save: Save) -> None:
    shapes = [shape("wrist", [x, x], group_id=x) for x in (1, 9)] + [shape("tip", [2, 2], group_id=1)]
    file = save(labelme(*shapes))
    assert "2 objects (file, group 1, file, group 9)" in read_annotations(file).images[0].problem
    assert read_annotations(file, several="largest").images[0].points.tolist() == [[0.5, 0.5], [1.5, 1.5]]


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ([shape("wrist", [1, 1]), shape("wrist", [2, 2])], "wrist is set twice"),
        ([shape("wrist", [1])], "wrist is no pair"),
        ([shape("wrist", [1, None])], "wrist is no pair"),
    ],
)
def test_shapes_that_cannot_be_used_say_why(shapes: list[Any], problem: str, save: Save) -> None:
    assert problem in read_annotations(save(labelme(*shapes))).images[0].problem


def test_a_folder_of_other_json_is_told(save: Save, tmp_path: Path) -> None:
    save({"a": 1}, "a.json")
    with pytest.raises(ValueError, match=r"a folder\) is no annotation file that is known"):
        read_annotations(tmp_path)
    with pytest.raises(ValueError, match=r"a folder\) is not labelme: that is a JSON object"):
        read_annotations(tmp_path, format="labelme")
