"""COCO key points as data sets and exporters write them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]
HAND = {"id": 1, "name": "hand", "keypoints": ["wrist", "tip"], "skeleton": [[1, 2]]}
FOOT = {"id": 7, "name": "foot", "keypoints": ["heel", "toe", "ankle"]}
IMAGES = [
    {"id": 10, "file_name": "a.png", "width": 64, "height": 48, "patient": "p1"},
    {"id": 20, "file_name": "b.png"},
]


def entry(image: int = 10, keypoints: Any = (1, 2, 2, 3, 4, 1), category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 5, "image_id": image, "category_id": category, "keypoints": keypoints, **more}


def coco(*annotations: Any, categories: Any = (HAND,)) -> dict[str, Any]:
    return {"images": IMAGES, "annotations": list(annotations), "categories": list(categories)}


def test_points_visibility_bones_and_fields(save: Save) -> None:
    found = read_annotations(save(coco(entry(bbox=[1, 2, 3, 4]), entry(20, [0, 0, 0, 30.5, 4, 2]))))
    first, second = found.images
    assert found.names == ("wrist", "tip") and found.bones == (("wrist", "tip"),) and found.format == "coco"
    assert first.points.tolist() == [[1, 2], [3, 4]] and first.occluded.tolist() == [False, True]
    assert first.size == (64, 48) and dict(first.fields) == {"patient": "p1", "bbox": [1, 2, 3, 4]}
    assert second.labelled.tolist() == [False, True] and second.size is None and second.where == "annotations[1]"


def test_names_are_those_of_the_annotations_category(save: Save) -> None:
    file = save(coco(entry(), entry(20, [1, 2, 2, 3, 4, 2, 5, 6, 2], 7), categories=(FOOT, HAND)))
    with pytest.raises(ValueError, match=r"several categories. The file has: foot, hand. Pass category="):
        read_annotations(file)
    with pytest.raises(ValueError, match=r"no category 'foots'.* Did you mean 'foot'"):
        read_annotations(file, category="foots")
    feet = read_annotations(file, category="foot")
    assert feet.names == ("heel", "toe", "ankle") and [image.image for image in feet.images] == ["b.png"]
    assert read_annotations(file, category="hand").names == ("wrist", "tip")


def test_a_category_that_no_annotation_is_of_does_not_count(save: Save) -> None:
    assert read_annotations(save(coco(entry(), categories=(FOOT, HAND)))).names == ("wrist", "tip")


def test_several_objects_an_image(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    file = save(coco(entry(), entry(10, [5, 5, 2, 50, 40, 2]), entry(20)))
    images = read_annotations(file).images
    assert "2 objects (annotations[0], annotations[1])" in images[0].problem and not images[1].problem
    assert read_annotations(file, several="first").images[0].points.tolist() == [[1, 2], [3, 4]]
    assert read_annotations(file, several="largest").images[0].points.tolist() == [[5, 5], [50, 40]]
    assert "1 image with several objects: the largest was taken" in caplog.text


def test_what_is_left_out_is_counted(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    file = save(
        coco(
            entry(),
            entry(10, iscrowd=1),
            entry(10, [0] * 6),
            entry(20, [], 1),
            entry(20, [1, 2, 2, 3, 4, 2, 5, 6, 2], 7),
            categories=(HAND, FOOT),
        )
    )
    assert len(read_annotations(file, category="hand").images) == 1
    for count in ("a crowd: 1", "without a labelled point: 2", "of another category: 1", "image without.*: 1"):
        assert any(re.search(count, record.message) for record in caplog.records), count


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (entry(99), "image_id 99 is not among the images"),
        (entry(10, [1, 2, 2]), "3 numbers where 2 key points have 6"),
        (entry(10, [1, 2, 2, 3, 4, 5]), "visibility 5 is not 0, 1 or 2"),
        (entry(10, ["x", 2, 2, 3, 4, 2]), "not a number"),
        (7, "7 is no object"),
    ],
)
def test_annotations_that_cannot_be_used_say_why(odd: Any, problem: str, save: Save) -> None:
    found = read_annotations(save(coco(entry(20), odd)))
    assert problem in found.images[1].problem and found.images[1].where == "annotations[1]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2], "score": 0.5}], "results file: it names no images"),
        (coco({"id": 1, "image_id": 10, "category_id": 1, "bbox": [0, 0, 1, 1]}), "without key points"),
        (coco(entry(), categories=()), "does not say what its key points are called"),
        (coco(entry(), categories=({**HAND, "keypoints": ["a", "a"]},)), "two key points of one name"),
    ],
)
def test_files_that_hold_no_landmarks_are_refused(content: Any, message: str, save: Save) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotations(save(content))


def test_without_categories_names_can_be_given(save: Save) -> None:
    found = read_annotations(save(coco(entry(), categories=())), names=["wrist", "tip"])
    assert found.images[0].points.tolist() == [[1, 2], [3, 4]]


def test_addresses_of_label_studios_export_become_paths(save: Save) -> None:
    content = coco(entry())
    content["images"] = [{"id": 10, "file_name": "/data/local-files/?d=set/a%20b.png"}]
    (image,) = read_annotations(save(content)).images
    assert image.image == "set/a b.png" and "a b.png" in image.aliases


def test_label_studios_export_counts_from_the_corner_of_the_upright_picture(save: Save) -> None:
    file = save({**coco(entry()), "info": {"contributor": "Label Studio", "version": "1.0"}})
    found = read_annotations(file)
    assert found.images[0].points.tolist() == [[0.5, 1.5], [2.5, 3.5]] and found.upright
    assert read_annotations(file, origin="centre").images[0].points.tolist() == [[1, 2], [3, 4]]
    assert not read_annotations(file, upright=False).upright
    assert found.images[0].size is None, "its exporter states the size of the file, and not that of the upright picture"


DATUMARO = {
    "info": dict.fromkeys(("contributor", "date_created", "description", "url", "version", "year"), ""),
    "licenses": [{"name": "", "id": 0, "url": ""}],
}


def test_datumaros_export_asks_for_the_origin(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    file = save({**coco(entry(), entry(20)), **DATUMARO})
    assert read_annotations(file, origin="corner").images[0].points.tolist() == [[0.5, 1.5], [2.5, 3.5]]
    assert not caplog.text
    assert read_annotations(file).images[0].points.tolist() == [[1, 2], [3, 4]]
    assert "Written by Datumaro: pass origin='corner' if the points were set in CVAT" in caplog.text


def test_categories_of_one_point_are_landmarks(save: Save) -> None:
    """As Datumaro writes points that are in no skeleton."""
    categories = [{"id": i, "name": name, "keypoints": []} for i, name in ((1, "hand"), (2, "wrist"), (3, "tip"))]
    points = [entry(10, [1, 2, 2], 2), entry(10, [3, 4, 1], 3), entry(20, [5, 6, 2], 3)]
    found = read_annotations(save(coco(*points, categories=categories)))
    assert found.names == ("wrist", "tip") and found.images[0].points.tolist() == [[1, 2], [3, 4]]
    assert found.images[0].occluded.tolist() == [False, True] and found.images[1].labelled.tolist() == [False, True]
    twice = read_annotations(save(coco(*points, entry(20, [5, 6, 2], 3), categories=categories)))
    assert twice.images[1].problem == "tip is set twice"
