"""VGG Image Annotator 2: projects, exported JSON and CSV."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]


def region(x: float, y: float, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": {"name": "point", "cx": x, "cy": y}, "region_attributes": attributes}


def picture(name: str, *regions: Any, **about: Any) -> dict[str, Any]:
    return {"filename": name, "size": 123, "regions": list(regions), "file_attributes": about}


def export(*pictures: dict[str, Any]) -> dict[str, Any]:
    return {f"{entry['filename']}{entry['size']}": entry for entry in pictures}


def table(*pictures: dict[str, Any], mark: str = "") -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    regions = ["region_count", "region_id", "region_shape_attributes", "region_attributes"]
    writer.writerow([f"{mark}filename", "file_size", "file_attributes", *regions])
    for entry in pictures:
        about = [entry["filename"], entry["size"], json.dumps(entry["file_attributes"]), len(entry["regions"])]
        for number, part in enumerate(entry["regions"] or [{"shape_attributes": {}, "region_attributes": {}}]):
            cells = [json.dumps(part[key]) for key in ("shape_attributes", "region_attributes")]
            writer.writerow([*about, number, *cells])
    return file.getvalue()


A = picture("a.png", region(1, 2, name="wrist"), region(3, 4, name="tip", occluded="yes"), patient="p1")
B = picture("b.png", region(5, 6, name="tip"))


@pytest.mark.parametrize(
    "content",
    [
        export(A, B),
        {"_via_settings": {}, "_via_img_metadata": export(A, B), "_via_attributes": {}},
        export({**A, "regions": dict(enumerate(A["regions"]))}, B),
        table(A, B),
        table(A, B, mark="#"),
    ],
    ids=["json", "project", "VIA 1", "csv", "csv of VIA 1"],
)
def test_every_form(content: Any, save: Save) -> None:
    found = read_annotations(save(content))
    first, second = found.images
    assert found.names == ("wrist", "tip") and found.format == "via" and found.upright
    assert first.points.tolist() == [[1, 2], [3, 4]] and first.occluded.tolist() == [False, True]
    assert dict(first.fields) == {"patient": "p1"} and second.labelled.tolist() == [False, True]


@pytest.mark.parametrize(
    "attributes",
    [
        ({"joint": "wrist"}, {"joint": "tip"}),
        ({"joint": {"wrist": True}}, {"joint": {"tip": True, "wrist": False}}),
        ({"joint": "wrist", "quality": "good"}, {"joint": "tip", "quality": "good"}),
        ({"Name": "wrist", "comment": "x"}, {"Name": "tip", "comment": "y"}),
    ],
)
def test_the_attribute_that_names_points_is_found(attributes: Any, save: Save) -> None:
    found = read_annotations(save(export(picture("a.png", *(region(1, 2, **a) for a in attributes)))))
    assert found.names == ("wrist", "tip")


def test_points_without_attributes_go_by_their_order(save: Save) -> None:
    file = save(export(picture("a.png", region(1, 2), region(3, 4)), picture("b.png", region(5, 6))))
    with pytest.raises(ValueError, match=r"no region attribute names all points.*Attributes: none"):
        read_annotations(file)
    found = read_annotations(file, names=["wrist", "tip"])
    assert found.images[0].points.tolist() == [[1, 2], [3, 4]]
    assert found.images[1].problem == "1 points where 2 landmarks are named"


def test_attributes_that_leave_it_open_are_refused(save: Save) -> None:
    points = [region(1, 2, kind="a", note="b"), region(3, 4, kind="c", note="d")]
    with pytest.raises(ValueError, match=r"Attributes: kind, note. Add one called 'name'"):
        read_annotations(save(export(picture("a.png", *points))))


def test_what_cannot_be_used_or_is_left_out(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    twice = picture("a.png", region(1, 2, name="tip"), region(3, 4, name="tip"))
    odd = picture("b.png", {**region(1, 2, name="tip"), "shape_attributes": {"name": "point", "cx": 1}})
    box = {"shape_attributes": {"name": "rect", "x": 1}, "region_attributes": {}}
    found = read_annotations(save(export(twice, odd, picture("c.png", box))))
    assert [image.problem for image in found.images] == ["tip is set twice", "a point has no cx and cy"]
    assert "region of shape rect: 1" in caplog.text and "picture without a point: 1" in caplog.text


def test_via_3_is_named(save: Save) -> None:
    with pytest.raises(ValueError, match=r"project of VIA 3"):
        read_annotations(save({"project": {}, "config": {}, "file": {}, "view": {}, "metadata": {}}))
