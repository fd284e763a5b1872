import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.transforms import Compose

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.published.joints import RHPE_JOINTS, mapped_joints
from monai_degia.data.published.rhpe import load_rhpe
from monai_degia.reading.crop import CropBoxd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd

NAMES = mapped_joints("rhpe")
Make = Callable[..., Path]


@pytest.fixture
def make(joints: dict[str, np.ndarray], paint: Any, write_coco: Any) -> Make:
    """A folder as it is given out, with two hands; ``change`` may alter the triples of the second."""

    def write(
        folder: Path,
        order: tuple[str, ...] = RHPE_JOINTS,
        change: Callable[[np.ndarray], None] | None = None,
        **box: Any,
    ) -> Path:
        first = np.array([[*joints[name], 2] for name in order], dtype=float)
        second = first.copy()
        if change:
            change(second)
        for name in ("00001.png", "00002.png"):
            paint(folder / "RHPE_train" / name, {name: joints[name] for name in HAND21})
        file = folder / "RHPE_Annotations" / "RHPE_anatomical_ROIs_train.json"
        write_coco(file, {"00002.png": first, "00001.png": second}, **box)
        return folder

    return write


def test_each_landmark_lies_on_its_joint(tmp_path: Path, make: Make, joints: dict[str, np.ndarray], seen: Any) -> None:
    """The picture's level says which joint is there, so a swap of order or of x and y would show."""
    levels = [5 * (HAND21.index(name) + 1) for name in NAMES]
    items = load_rhpe(make(tmp_path))
    assert [Path(item["image"]).name for item in items] == ["00002.png", "00001.png"]
    for item in items:
        assert seen(item) == levels and item["landmarks"].shape == (16, 2)
        assert (item["modality"], item["domain"], item["mirror"], item["class"]) == ("xray", "rhpe", False, 0)
    assert seen(load_rhpe(tmp_path, landmarks=["little_dip", "wrist"])[0]) == [5 * (HAND21.index("little_dip") + 1), 5]


def test_crop_holds_the_box_and_landmarks_follow(tmp_path: Path, make: Make, joints: dict[str, np.ndarray]) -> None:
    make(tmp_path)
    chain = [LoadAnyImaged("image"), LandmarksToWorldd("landmarks"), CropBoxd("image"), LandmarksToImaged("landmarks")]
    low, high = np.array([joints[n] for n in RHPE_JOINTS]).min(axis=0), np.array(list(joints.values())).max(axis=0)
    for margin in (0.0, 0.3):
        item = load_rhpe(tmp_path, crop_margin=margin)[0]
        box = np.array(item["crop_box"])
        size = np.array([joints[n] for n in RHPE_JOINTS]).max(axis=0) - low
        np.testing.assert_allclose(box[:2], low - margin * size, atol=1)
        np.testing.assert_allclose(box[2:], low + (1 + margin) * size, atol=1)
        d = Compose(chain)(item)
        x, y = d["landmarks"].round().long().T.clip(min=0)
        inside = (x < d["image"].shape[1]) & (y < d["image"].shape[2])
        levels = np.array([5 * (HAND21.index(name) + 1) for name in NAMES])[inside]
        assert d["image"][0, x[inside], y[inside]].tolist() == levels.tolist() and inside.sum() > 12
    assert high[0] > 0 and "crop_box" not in load_rhpe(tmp_path, crop_margin=None)[0]


def test_another_order_is_noticed_and_can_be_given(tmp_path: Path, make: Make, seen: Any) -> None:
    order = RHPE_JOINTS[::-1]
    make(tmp_path, order)
    with pytest.raises(
        ValueError, match=r"in 2 of 2 hands the key points do not lie on a hand in the order(.|\n)*order="
    ):
        load_rhpe(tmp_path)
    assert seen(load_rhpe(tmp_path, order=order)[0]) == [5 * (HAND21.index(name) + 1) for name in NAMES]


def unlabel(triples: np.ndarray) -> None:
    triples[RHPE_JOINTS.index("index_pip")] = 0


def test_unlabelled_points(tmp_path: Path, make: Make) -> None:
    make(tmp_path, change=unlabel)
    with pytest.raises(
        ValueError, match=r"1 of 2 rows(.|\n)*annotations\[1\] \(00001.png\): 1 points have no label: ind"
    ):
        load_rhpe(tmp_path)
    with pytest.warns(UserWarning, match="1 of 2 hands lack wanted landmarks, left out"):
        items = load_rhpe(tmp_path, incomplete="drop")
    assert [Path(item["image"]).name for item in items] == ["00002.png"]
    assert len(load_rhpe(tmp_path, landmarks=["wrist", "index_dip"])) == 2, "only wanted points count"


def test_none_left(tmp_path: Path, make: Make) -> None:
    make(tmp_path, keypoints=[0] * 51, bbox=[0, 0, 0, 0])
    with pytest.raises(ValueError, match="none of 2 hands has all wanted landmarks"):
        load_rhpe(tmp_path, incomplete="drop")


def nan(triples: np.ndarray) -> None:
    triples[3, 0] = np.nan


CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"change": nan, "bbox": [9, 9, 90, 90]}, r"1 of 2 rows(.|\n)*1 coordinates are NaN"),
    "too few": ({"keypoints": [1, 2, 2] * 16}, "2 of 2 rows(.|\n)*keypoints are not 17 triples of numbers"),
    "text": ({"keypoints": "abc"}, "keypoints are not 17 triples"),
    "no image": ({"image_id": 3}, "2 of 2 rows(.|\n)*image_id 3 is not among the images"),
    "no area": ({"bbox": [3, 4, 0, 9]}, r"bbox \[3, 4, 0, 9\] has no area; crop_margin=None takes"),
    "no box": ({"bbox": [3, 4]}, r"bbox \[3, 4\] is not \[x, y, width, height\]"),
}


@pytest.mark.parametrize(("changes", "message"), CONTENT.values(), ids=CONTENT.keys())
def test_bad_annotations(tmp_path: Path, make: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_rhpe(make(tmp_path, **changes))


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "hand21": ({"landmarks": "hand21"}, "'rhpe' has no point for 5 of 21 landmarks: thumb_tip"),
    "split": ({"split": "training"}, "split must be one of train, val, test, got 'training'"),
    "no file": ({"split": "val"}, r"Found none of .*RHPE_anatomical_ROIs_val\.json.* annotations=\.\.\."),
    "no images": ({"image_dir": "elsewhere"}, r"Found none of .*elsewhere.* image_dir=\.\.\."),
    "order": ({"order": RHPE_JOINTS[1:]}, "order must name each of little_dip"),
    "incomplete": ({"incomplete": "skip"}, "incomplete must be one of error, drop, keep, got 'skip'"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_bad_options(tmp_path: Path, make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_rhpe(make(tmp_path), **options)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not valid JSON"), ("[]", "is no COCO file"), ('{"images": []}', "is no COCO file")]
)
def test_bad_files(tmp_path: Path, make: Make, text: str, message: str) -> None:
    (make(tmp_path) / "RHPE_Annotations" / "RHPE_anatomical_ROIs_train.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_rhpe(tmp_path)


def test_no_hands(tmp_path: Path, make: Make) -> None:
    file = make(tmp_path) / "RHPE_Annotations" / "RHPE_anatomical_ROIs_train.json"
    file.write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(ValueError, match="holds no hands"):
        load_rhpe(tmp_path)
