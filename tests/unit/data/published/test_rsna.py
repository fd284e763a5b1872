from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.published.joints import RHPE_JOINTS, mapped_joints
from monai_degia.data.published.rsna import load_rsna

TRAINING = "id,boneage,male\n1377,180,False\n1378,12,True\n1379,94.5,False\n"
Make = Callable[..., Path]


@pytest.fixture
def make(joints: dict[str, np.ndarray], paint: Any) -> Make:
    def write(
        folder: Path, text: str = TRAINING, name: str = "boneage-training-dataset", images: str = "{0}/{0}"
    ) -> Path:
        (folder / f"{name}.csv").write_text(text)
        for line in text.split("\n")[1:-1]:
            if number := line.split(",")[0]:
                paint(folder / images.format(name) / f"{number}.png", {name: joints[name] for name in HAND21})
        return folder

    return write


@pytest.fixture
def points(joints: dict[str, np.ndarray]) -> np.ndarray:
    return np.array([[*joints[name], 2] for name in RHPE_JOINTS], dtype=float)


@pytest.mark.parametrize("images", ["{0}/{0}", "{0}", "images"])
def test_a_list_for_inference(tmp_path: Path, make: Make, images: str) -> None:
    items = load_rsna(make(tmp_path, images=images))
    assert [Path(item.pop("image")).name for item in items] == ["1377.png", "1378.png", "1379.png"]
    assert [item.pop("bone_age_months") for item in items] == [180.0, 12.0, 94.5]
    assert all(item == {"domain": "rsna", "modality": "xray", "mirror": False} for item in items)


def test_tables_of_validation_and_test(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "Image ID,male,Bone Age (months)\n1386,TRUE,30\n", "Validation", "set-1")
    make(tmp_path, "Case ID,Sex\n4360,M\n4361,F\n", "boneage-test-dataset")
    (item,) = load_rsna(tmp_path, annotations="Validation.csv", image_dir=["set-1"], mirror=True)
    assert item["bone_age_months"] == 30.0 and item["mirror"]
    items = load_rsna(tmp_path, annotations="boneage-test-dataset.csv")
    assert [Path(i["image"]).stem for i in items] == ["4360", "4361"] and "bone_age_months" not in items[0]


def test_key_points_meet_their_image(
    tmp_path: Path, make: Make, points: np.ndarray, write_coco: Any, seen: Any
) -> None:
    """Images are matched by name, not by their place in the files."""
    moved = points + np.array([2, 1, 0])
    write_coco(
        make(tmp_path) / "rois.json", {"1379.png": points, "1377.png": moved, "1378.png": points, "9.png": points}
    )
    items = load_rsna(tmp_path, keypoints="rois.json")
    levels = [5 * (HAND21.index(name) + 1) for name in mapped_joints("rsna")]
    assert seen(items[1]) == seen(items[2]) == levels
    np.testing.assert_array_equal(items[0]["landmarks"], items[1]["landmarks"] + [2, 1])
    assert [item["bone_age_months"] for item in items] == [180.0, 12.0, 94.5] and "crop_box" not in items[0]
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    cut = load_rsna(tmp_path, keypoints="rois.json", crop_margin=0.0, landmarks=["wrist"])[1]["crop_box"]
    np.testing.assert_allclose(cut, [*low, *high], atol=1)


def test_images_without_key_points(tmp_path: Path, make: Make, points: np.ndarray, write_coco: Any) -> None:
    write_coco(make(tmp_path) / "rois.json", {"1379.png": points, "1377.png": points * 0})
    with pytest.raises(
        ValueError, match=r"2 of 3 rows(.|\n)*1377.png\): 16 points have no(.|\n)*1378.png\): the image has"
    ):
        load_rsna(tmp_path, keypoints="rois.json")
    with pytest.warns(UserWarning, match="2 of 3 hands"):
        items = load_rsna(tmp_path, keypoints="rois.json", incomplete="drop")
    assert [Path(item["image"]).stem for item in items] == ["1379"]
    with pytest.warns(UserWarning, match="2 of 3 hands have no wanted landmark"):
        kept = load_rsna(tmp_path, keypoints="rois.json", incomplete="keep")
    np.testing.assert_array_equal(kept[0]["landmarks"], items[0]["landmarks"])


def test_an_image_labelled_twice(tmp_path: Path, make: Make, points: np.ndarray, write_coco: Any) -> None:
    images = {f"{number}.png": points for number in (1377, 1378, 1379)} | {"again/1378.png": points}
    write_coco(make(tmp_path) / "rois.json", images)
    with pytest.raises(ValueError, match=r"1 of 3 rows(.|\n)*2 annotations of one image"):
        load_rsna(tmp_path, keypoints="rois.json")


TABLES = {
    "age": (
        "id,boneage,male\n1,abc,True\n2,nan,True\n3,-4,True\n4,1,True\n",
        r"3 of 4 rows(.|\n)*bone age 'abc' is not",
    ),
    "twice": ("id,boneage,male\n1,5,True\n1,5,True\n2,5,True\n", r"2 of 3 rows(.|\n)*the image is listed 2 times"),
    "cells": ("id,boneage,male\n1,5\n2,5,True\n", r"1 of 2 rows(.|\n)*line 2 .*2 cells where the header has 3"),
    "no id": ("id,boneage,male\n1,5,True\n,5,True\n", "1 of 2 rows(.|\n)*the image is not named"),
    "columns": ("number,age\n1,5\n", "no column id, Image ID or Case ID; its columns: number, age"),
    "no rows": ("id,boneage,male\n", "holds no hands"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize(("text", "message"), TABLES.values(), ids=TABLES.keys())
def test_bad_tables(tmp_path: Path, make: Make, text: str, message: str) -> None:
    (make(tmp_path, text) / "images").mkdir(exist_ok=True)
    with pytest.raises(ValueError, match=message):
        load_rsna(tmp_path)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "landmarks": ({"landmarks": "hand21"}, "has no landmarks of its own. Pass keypoints="),
    "table": ({"annotations": "no.csv"}, r"Found none of .*no\.csv.* annotations="),
    "key points": ({"keypoints": "no.json"}, r"Found none of .*no\.json.* keypoints="),
    "images": ({"image_dir": "no"}, "Found none of .*no.* image_dir="),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_bad_options(tmp_path: Path, make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_rsna(make(tmp_path), **options)


def test_missing_images_and_no_text(tmp_path: Path, make: Make) -> None:
    make(tmp_path)
    (tmp_path / "boneage-training-dataset" / "boneage-training-dataset" / "1378.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 rows(.|\n)*line 3 \(1378.png\): image file not found"):
        load_rsna(tmp_path)
    (tmp_path / "boneage-training-dataset.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a CSV file in UTF-8"):
        load_rsna(tmp_path)
    with pytest.raises(ValueError, match=r"is not a folder\. Pass the folder into which RSNA Bone Age"):
        load_rsna(tmp_path / "no")
