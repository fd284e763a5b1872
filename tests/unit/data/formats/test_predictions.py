"""Predictions for COCO's evaluation and for correction in Label Studio."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.formats.predictions import annotations_of, write_predictions
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.write import write_annotations
from monai_degia.results.prediction import LandmarkPrediction

Save = Callable[..., Path]


def prediction(image: str = "sub/a.png", sure: tuple[float, ...] | None = (0.75, 0.5)) -> LandmarkPrediction:
    return LandmarkPrediction(
        image=image,
        file=Path(image),
        output_name=image,
        names=("wrist", "tip"),
        points_px=((0.0, 0.0), (49.5, 24.5)),
        size_px=(200, 100),
        confidence=sure,
        model_version="hands 1.2",
    )


def test_coco_results(tmp_path: Path) -> None:
    path = write_predictions([prediction(), prediction("b.png", None)], tmp_path / "results.json", "coco")
    first, second = json.loads(path.read_text(encoding="utf-8"))
    keypoints = [0.0, 0.0, 0.75, 49.5, 24.5, 0.5]
    assert first == {"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 0.625}
    assert second["image_id"] == 2 and second["keypoints"][2::3] == [1, 1] and second["score"] == 1


def test_coco_ids_are_those_of_the_reference(save: Save, tmp_path: Path) -> None:
    categories = [{"id": 3, "keypoints": ["x"]}, {"id": 8, "keypoints": ["wrist", "tip"]}]
    images = [{"id": 55, "file_name": "b.png"}, {"id": 77, "file_name": "sub\\a.png"}]
    reference = save({"images": images, "annotations": [], "categories": categories})
    path = write_predictions([prediction()], tmp_path / "results.json", "coco", reference=reference)
    (entry,) = json.loads(path.read_text(encoding="utf-8"))
    assert (entry["image_id"], entry["category_id"]) == (77, 8)
    with pytest.raises(ValueError, match=r"lacks 1 images: c.png"):
        write_predictions([prediction("c.png")], tmp_path / "more.json", "coco", reference=reference)
    with pytest.raises(ValueError, match=r"is no COCO file"):
        write_predictions([prediction()], tmp_path / "more.json", "coco", reference=save([1], "list"))


def test_label_studio_pre_annotations(tmp_path: Path) -> None:
    path = write_predictions([prediction()], tmp_path / "tasks.json", "label_studio")
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    assert task["data"] == {"image": "/data/local-files/?d=sub/a.png"}
    (given,) = task["predictions"]
    assert (given["model_version"], given["score"]) == ("hands 1.2", 0.625)
    wrist, tip = given["result"]
    assert wrist["value"] == {"x": 0.25, "y": 0.5, "width": 0.5, "keypointlabels": ["wrist"]}
    assert (tip["value"]["x"], tip["value"]["y"], tip["score"]) == (25, 25, 0.5)
    assert (tip["original_width"], tip["original_height"], tip["type"]) == (200, 100, "keypointlabels")


def test_label_studio_shows_photographs_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "sub").mkdir()
    Image.new("L", (200, 100)).save(tmp_path / "sub" / "a.png", exif=exif)
    path = write_predictions([prediction()], tmp_path / "tasks.json", "label_studio", image_dir=tmp_path)
    wrist = json.loads(path.read_text(encoding="utf-8"))[0]["predictions"][0]["result"][0]
    assert (wrist["original_width"], wrist["original_height"]) == (100, 200)
    assert (wrist["value"]["x"], wrist["value"]["y"]) == (99.5, 0.25), "the first pixel is the last of the first row"


def test_predictions_are_annotations_for_every_format(tmp_path: Path) -> None:
    found = annotations_of([prediction()])
    write_annotations(found, tmp_path / "a.xml", "cvat")
    (image,) = read_annotations(tmp_path / "a.xml").images
    np.testing.assert_allclose(image.points, prediction().points_px, atol=0.01)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Unknown format of predictions 'coko'. Did you mean 'coco'"):
        write_predictions([prediction()], tmp_path / "a", "coko")
    with pytest.raises(ValueError, match=r"no prediction to write"):
        write_predictions([], tmp_path / "a", "coco")
    with pytest.raises(ValueError, match=r"take no reference"):
        write_predictions([prediction()], tmp_path / "a", "label_studio", reference=tmp_path)
    path = write_predictions([prediction()], tmp_path / "a", "coco")
    with pytest.raises(ValueError, match=r"exists already"):
        write_predictions([prediction()], path, "coco")
