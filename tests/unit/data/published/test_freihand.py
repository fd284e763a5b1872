import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.published.freihand import FREIHAND_VERSIONS, load_freihand, load_onehand10k
from monai_degia.data.published.joints import ONEHAND10K_JOINTS

CAMERA = np.array([[480.0, 0, 70], [0, 400.0, 61], [0, 0, 1]])  # a swap of x and y would show
LEVELS = [5 * (i + 1) for i in range(21)]
Make = Callable[..., Path]


@pytest.fixture
def make(joints: dict[str, np.ndarray], paint: Any) -> Make:
    """Two hands, the second elsewhere, in four copies numbered through; back-projected to depths that differ."""

    def write(folder: Path, split: str = "training", **changes: Any) -> Path:
        places = np.array([[joints[name] + shift for name in HAND21] for shift in (0, 3)])
        depth = np.random.default_rng(0).uniform(0.5, 0.9, (2, 21))
        x, y = (places[..., 0] - 70) / 480 * depth, (places[..., 1] - 61) / 400 * depth
        content = {"xyz": np.stack([x, y, depth], axis=-1).tolist(), "K": [CAMERA.tolist()] * 2, **changes}
        for name, value in content.items():
            folder.mkdir(exist_ok=True)
            (folder / f"{split}_{name}.json").write_text(json.dumps(value))
        for number in range(2 * len(FREIHAND_VERSIONS)):
            points = dict(zip(HAND21, places[number % 2], strict=True))
            paint(folder / split / "rgb" / f"{number:08d}.jpg", points)
        return folder

    return write


def test_each_landmark_lies_on_its_joint(tmp_path: Path, make: Make, seen: Any) -> None:
    items = load_freihand(make(tmp_path))
    assert [Path(item["image"]).name for item in items] == ["00000000.jpg", "00000001.jpg"]
    assert all(seen(item) == LEVELS for item in items)
    item = items[0]
    assert (item["modality"], item["domain"], item["mirror"], item["class"]) == ("photo", "freihand", False, 0)
    assert seen(load_freihand(tmp_path, landmarks=["ring_dip", "thumb_cmc"])[1]) == [80, 10]


@pytest.mark.parametrize("version", FREIHAND_VERSIONS)
def test_copies_have_the_same_labels(tmp_path: Path, make: Make, seen: Any, version: str) -> None:
    items = load_freihand(make(tmp_path), version=version)
    first = 2 * FREIHAND_VERSIONS.index(version)
    assert [int(Path(item["image"]).stem) for item in items] == [first, first + 1]
    assert seen(items[1]) == LEVELS


def test_evaluation_has_one_copy(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "evaluation")
    assert len(load_freihand(tmp_path, split="evaluation", mirror=True)) == 2
    with pytest.raises(ValueError, match="version of evaluation must be one of gs, got 'hom'"):
        load_freihand(tmp_path, split="evaluation", version="hom")
    with pytest.raises(ValueError, match=r"no file .*training_xyz\.json"):
        load_freihand(tmp_path)


def behind(z: float) -> list[Any]:
    return [[[0.01, 0.02, z]] * 21] * 2


FREIHAND: dict[str, tuple[dict[str, Any], str]] = {
    "count": ({"K": [CAMERA.tolist()] * 3}, "holds 2 hands and 3 cameras"),
    "joints": ({"xyz": [[[0, 0, 1]] * 20] * 2}, r"training_xyz\.json must be a list of 21 x 3 numbers"),
    "ragged": ({"K": [[1, 2], 3]}, r"training_K\.json must be a list of 3 x 3 numbers"),
    "text": ({"xyz": "abc"}, "must be a list of 21 x 3 numbers"),
    "empty": ({"xyz": []}, "must be a list of 21 x 3 numbers"),
    "behind": ({"xyz": behind(-0.5)}, r"2 of 2 rows(.|\n)*entry 0 \(00000000.jpg\): a joint lies behind the camera"),
    "at 0": ({"xyz": behind(0.0)}, "a joint lies behind the camera"),
    "nan": ({"xyz": behind(float("nan"))}, "42 coordinates are NaN"),
    "outside": ({"xyz": [[[0.5, 0.02, 0.4]] * 21] * 2}, "21 landmarks lie outside the 150 x 120 image"),
}


@pytest.mark.parametrize(("changes", "message"), FREIHAND.values(), ids=FREIHAND.keys())
def test_bad_freihand(tmp_path: Path, make: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_freihand(make(tmp_path, **changes))


def test_bad_freihand_options(tmp_path: Path, make: Make) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match="split must be one of training, evaluation, got 'train'"):
        load_freihand(tmp_path, split="train")
    with pytest.raises(ValueError, match="version of training must be one of gs, hom, sample, auto, got 'x'"):
        load_freihand(tmp_path, version="x")
    (tmp_path / "training" / "rgb" / "00000001.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 rows(.|\n)*entry 1 \(00000001.jpg\): image file not found"):
        load_freihand(tmp_path)


@pytest.fixture
def onehand(joints: dict[str, np.ndarray], paint: Any, write_coco: Any) -> Make:
    def write(folder: Path, names: Any = ONEHAND10K_JOINTS, order: Any = range(21), unlabelled: int | None = 3) -> Path:
        triples = np.array([[*joints[name], 1] for name in HAND21], dtype=float)
        second = triples.copy()
        if unlabelled is not None:
            second[unlabelled] = 0
        for number in (0, 1):
            paint(folder / "Train" / "source" / f"{number}.jpg", {name: joints[name] for name in HAND21})
        images = {"Train/source/0.jpg": triples[list(order)], "Train/source/1.jpg": second[list(order)]}
        write_coco(folder / "annotations" / "onehand10k_train.json", images, names)
        return folder

    return write


@pytest.mark.parametrize("named", [True, False])
def test_onehand_landmarks_lie_on_their_joints(tmp_path: Path, onehand: Make, seen: Any, named: bool) -> None:
    items = load_onehand10k(onehand(tmp_path, ONEHAND10K_JOINTS if named else None, unlabelled=None))
    assert [seen(item) for item in items] == [LEVELS] * 2
    assert (items[0]["modality"], items[0]["domain"]) == ("photo", "onehand10k")


def test_names_of_the_category_go_before_the_usual_order(tmp_path: Path, onehand: Make, seen: Any) -> None:
    order = np.random.default_rng(2).permutation(21)
    onehand(tmp_path, [ONEHAND10K_JOINTS[i] for i in order], order, unlabelled=None)
    assert seen(load_onehand10k(tmp_path)[0]) == LEVELS


def test_hands_with_unlabelled_joints(tmp_path: Path, onehand: Make) -> None:
    onehand(tmp_path)
    with pytest.raises(ValueError, match=r"1 of 2 rows(.|\n)*1 points have no label: thumb3; incomplete='drop'"):
        load_onehand10k(tmp_path)
    with pytest.warns(UserWarning, match="1 of 2 hands"):
        assert [Path(i["image"]).name for i in load_onehand10k(tmp_path, incomplete="drop")] == ["0.jpg"]
    assert len(load_onehand10k(tmp_path, landmarks=["wrist", "little_tip"])) == 2
    whole, partial = load_onehand10k(tmp_path, incomplete="keep")
    assert np.isnan(partial["landmarks"]).any(axis=1).nonzero()[0].tolist() == [HAND21.index("thumb_ip")]
    others = [index for index, name in enumerate(HAND21) if name != "thumb_ip"]
    np.testing.assert_array_equal(partial["landmarks"][others], whole["landmarks"][others])
    assert "crop_box" in partial


def test_onehand_box(tmp_path: Path, onehand: Make, joints: dict[str, np.ndarray]) -> None:
    onehand(tmp_path, unlabelled=None)
    places = np.array([joints[name] for name in HAND21])
    low, size = places.min(axis=0), np.ptp(places, axis=0)
    box = load_onehand10k(tmp_path)[0]["crop_box"]
    np.testing.assert_allclose(box, [*(low - 0.25 * size), *(low + 1.25 * size)], atol=1)
    assert box[:2] == np.floor(low - 0.25 * size).tolist() and box[2:] == np.ceil(low + 1.25 * size).tolist()
    assert "crop_box" not in load_onehand10k(tmp_path, crop_margin=None)[0]


def test_onehand_with_other_names(tmp_path: Path, onehand: Make) -> None:
    onehand(tmp_path, [f"k{i}" for i in range(21)])
    with pytest.raises(ValueError, match=r"The file has no joint forefinger1, .*its joints: k0"):
        load_onehand10k(tmp_path)
    with pytest.raises(ValueError, match=r"Found none of .*onehand10k_test\.json"):
        load_onehand10k(tmp_path, annotations="annotations/onehand10k_test.json")


def test_fingers_numbered_from_the_tip_are_refused(
    tmp_path: Path, joints: dict[str, np.ndarray], paint: Any, write_coco: Any
) -> None:
    hand = np.array([[*joints[name], 1] for name in HAND21], dtype=float)
    fist = hand.copy()
    fist[4::4, :2] = hand[:1, :2] + 1  # all tips at the wrist
    paint(tmp_path / "Train" / "0.jpg", {name: joints[name] for name in HAND21})
    for number in range(1, 12):
        (tmp_path / "Train" / f"{number}.jpg").write_bytes((tmp_path / "Train" / "0.jpg").read_bytes())
    file = tmp_path / "annotations" / "onehand10k_train.json"

    def write(*hands: np.ndarray) -> None:
        write_coco(file, {f"Train/{i}.jpg": h for i, h in enumerate(hands)}, ONEHAND10K_JOINTS)

    write(*[hand] * 7, *[fist] * 5)
    assert len(load_onehand10k(tmp_path)) == 12
    write(*[fist] * 3)  # too few to tell
    assert len(load_onehand10k(tmp_path)) == 3
    backwards = hand[[0, *(4 * finger + k for finger in range(5) for k in (4, 3, 2, 1))]]
    write(*[backwards] * 12)
    with pytest.raises(ValueError, match=r"100% of the fingers of 12 hands end nearer .*numbered from the tip\. Name"):
        load_onehand10k(tmp_path)
