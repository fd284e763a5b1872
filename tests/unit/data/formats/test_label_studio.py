"""Label Studio's exports, JSON and JSON-MIN."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_degia.data.formats.image_files import find_image
from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]
UPLOAD = "/data/upload/1/0a1b2c3d-my%20hand.png"


def region(label: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    about = {"id": f"r{label}", "type": "keypointlabels", "from_name": "kp", "to_name": "img", "image_rotation": 0}
    size = {"original_width": 200, "original_height": 100}
    return {**about, **size, "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]}, **more}


def task(*results: list[Any], image: str = UPLOAD, **more: Any) -> dict[str, Any]:
    annotations = [{"id": i, "was_cancelled": False, "result": result} for i, result in enumerate(results)]
    return {"id": 1, "data": {"image": image, "patient": "p1"}, "annotations": annotations, "predictions": [], **more}


def test_per_cent_from_the_corner_become_pixels(save: Save) -> None:
    hidden = region("tip", 100, 100)
    hidden["value"]["hidden"] = True
    found = read_annotations(save([task([region("wrist", 0.25, 0.5), hidden])]))
    (image,) = found.images
    assert found.names == ("wrist", "tip") and found.format == "label_studio" and found.upright
    assert image.points.tolist() == [[0, 0], [199.5, 99.5]] and image.size == (200, 100)
    assert image.occluded.tolist() == [False, True] and dict(image.fields) == {"patient": "p1"}


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_view_on_the_screen_does_not_move_points(turn: int, save: Save) -> None:
    (image,) = read_annotations(save([task([region("wrist", 25, 50, image_rotation=turn)])])).images
    assert image.points.tolist() == [[49.5, 49.5]] and image.size == (200, 100)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (UPLOAD, "my hand.png"),
        (UPLOAD, "0a1b2c3d-my hand.png"),
        ("/data/local-files/?d=set/my%20hand.png", "set/my hand.png"),
        ("/home/ana/set/my hand.png", "my hand.png"),
        ("D:\\set\\my hand.png", "my hand.png"),
        ("s3://bucket/set/my hand.png", "set/my hand.png"),
        ("https://host.example/x/my%20hand.png?sig=1", "my hand.png"),
        ("set\\my hand.png", "set/my hand.png"),
    ],
)
def test_pictures_are_found_by_their_addresses(address: str, name: str, save: Save, tmp_path: Path) -> None:
    (image,) = read_annotations(save([task([region("wrist", 25, 50)], image=address)])).images
    file = save("picture", f"images/{name}")
    assert find_image(image, [tmp_path / "images"]) == file
    assert find_image(image, [tmp_path / "elsewhere"]) is None


def test_several_annotations_of_a_task(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    first, second = [region("wrist", 1, 1)], [region("wrist", 50, 50)]
    both = task(first, second)
    (image,) = read_annotations(save([both])).images
    assert "2 objects ([0].annotations[0], [0].annotations[1])" in image.problem
    both["annotations"][1]["ground_truth"] = True
    assert read_annotations(save([both])).images[0].points.tolist() == [[99.5, 49.5]]
    assert "annotation beside a ground truth: 1" in caplog.text
    cancelled = task(first, second, predictions=[{"result": []}])
    cancelled["annotations"][1]["was_cancelled"] = True
    assert read_annotations(save([cancelled, task([])])).images[0].points.tolist() == [[1.5, 0.5]]
    for count in ("cancelled annotation: 1", "prediction: 1", "task without a labelled point: 1"):
        assert count in caplog.text


def test_parents_are_objects_and_other_regions_are_counted(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    box = {"id": "b", "type": "rectanglelabels", "value": {"x": 1, "y": 1, "width": 5, "height": 5}}
    file = save([task([box, region("wrist", 1, 1, parentID="b"), region("wrist", 9, 9, parentID="c")])])
    assert "2 objects" in read_annotations(file).images[0].problem
    assert "region of type rectanglelabels: 1" in caplog.text


def test_labels_in_an_entry_of_their_own(save: Save) -> None:
    point = region("", 25, 50)
    point["type"], point["value"] = "keypoint", {"x": 25, "y": 50, "width": 1}
    label = {"id": "r", "type": "labels", "value": {"x": 25, "y": 50, "width": 1, "labels": ["wrist"]}}
    found = read_annotations(save([task([point, label])]))
    assert found.names == ("wrist",) and not found.images[0].problem


@pytest.mark.parametrize(
    ("regions", "problem"),
    [
        ([region("wrist", 1, 1), region("wrist", 2, 2)], "wrist is set twice"),
        ([{**region("wrist", 1, 1), "original_width": None}], "wrist has no original_width"),
        ([{**region("a", 1, 1), "value": {"x": 1, "y": 1, "keypointlabels": ["a", "b"]}}], "labels ['a', 'b']"),
    ],
)
def test_tasks_that_cannot_be_used_say_why(regions: list[Any], problem: str, save: Save) -> None:
    assert problem in read_annotations(save([task(regions)])).images[0].problem


def test_json_min(save: Save) -> None:
    points = [{k: v for k, v in {**region(n, x, 50), **region(n, x, 50)["value"]}.items() if k != "value"} for n, x in
              (("wrist", 25), ("tip", 75))]  # fmt: skip
    entry = {"image": UPLOAD, "patient": "p1", "id": 4, "landmarks": points, "annotator": 1, "annotation_id": 2}
    found = read_annotations(save([entry]))
    assert found.names == ("wrist", "tip") and found.format == "label_studio"
    assert found.images[0].points.tolist() == [[49.5, 49.5], [149.5, 49.5]]
    assert found.images[0].image == "0a1b2c3d-my hand.png" and dict(found.images[0].fields) == {"patient": "p1"}
