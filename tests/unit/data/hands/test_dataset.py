import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.datalist import load_datalist
from monai_degia.data.hands import dataset as synthetic
from monai_degia.data.hands.dataset import write_synthetic_dataset
from monai_degia.data.hands.scene import MODALITIES, render_hand, render_scene, sample_scene
from monai_degia.data.landmark_sets import HAND21

SIZE = 64


def at_landmarks(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    columns, rows = np.rint(landmarks).astype(int).T
    return image[rows, columns]


@pytest.mark.parametrize("modality", MODALITIES)
def test_seed_decides_everything(modality: str) -> None:
    first, again, other = (render_hand(modality, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    assert (first.image != other.image).mean() > 0.05
    assert np.abs(first.landmarks - other.landmarks).max() > 1


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("size", [16, 33, 96])
def test_types_and_sizes(modality: str, size: int) -> None:
    hand = render_hand(modality, 1, size)
    assert hand.image.shape == ((size, size, 3) if modality == "photo" else (size, size))
    assert hand.image.dtype == (np.uint16 if modality == "depth" else np.uint8)
    assert hand.landmarks.shape == (21, 2)


def test_one_seed_is_one_hand_in_all_modalities_and_sizes() -> None:
    hands = [render_hand(modality, (3, 4)) for modality in MODALITIES]
    for hand in hands[1:]:
        np.testing.assert_array_equal(hand.landmarks, hands[0].landmarks)
        assert hand.spacing_mm == hands[0].spacing_mm
    large = render_hand("depth", (3, 4), 2 * SIZE)
    np.testing.assert_allclose((large.landmarks + 0.5) / 2, hands[0].landmarks + 0.5)
    assert large.spacing_mm == pytest.approx(hands[0].spacing_mm / 2)


def test_appearance_changes_without_moving_the_hand() -> None:
    scene = sample_scene(2)
    a, b = (render_scene(scene, "photo", seed) for seed in (0, 1))
    np.testing.assert_array_equal(a.landmarks, b.landmarks)
    assert (a.image != b.image).mean() > 0.5


def test_landmarks_lie_in_the_image_and_on_the_hand() -> None:
    on_hand, brighter = [], []
    for seed in range(60):
        depth, xray = render_hand("depth", seed), render_hand("xray", seed)
        assert depth.landmarks.min() >= -0.5 and depth.landmarks.max() <= SIZE - 0.5
        on_hand.append(at_landmarks(depth.image, depth.landmarks) > 0)
        brighter.append(at_landmarks(xray.image, xray.landmarks) > np.median(xray.image[depth.image == 0]) + 15)
    assert np.mean(on_hand) > 0.97
    assert np.mean(brighter) > 0.97


def test_landmarks_fit_their_own_image_only() -> None:
    hands = [render_hand("depth", seed) for seed in range(20)]
    swapped = [at_landmarks(a.image, b.landmarks) > 0 for a, b in pairwise(hands)]
    assert np.mean(swapped) < 0.8


def test_depth_is_in_millimetres_and_palm_is_in_range() -> None:
    for seed in range(20):
        image = render_hand("depth", seed).image.astype(int)
        palm = np.median(image[image > 0])
        assert 550 < palm < 1050
        assert (image == 0).mean() > 0.3


def test_thumb_is_on_the_right_of_the_upright_hand() -> None:
    for seed in range(60):
        points = sample_scene(seed).landmarks
        up, across = points[9] - points[0], points[5] - points[17]
        upright_x = (across[0] * -up[1] + across[1] * up[0]) / np.linalg.norm(up)
        assert upright_x > 3


@pytest.mark.parametrize("modality", MODALITIES)
def test_files_read_back(tmp_path: Path, modality: str) -> None:
    path = write_synthetic_dataset(tmp_path / "set", modality, 4, seed=7)
    items = load_datalist(path, landmarks="hand21")
    assert len(items) == 4
    for index, item in enumerate(items):
        hand = render_hand(modality, (7, index))
        np.testing.assert_allclose(item["landmarks"], hand.landmarks, atol=1e-3)
        np.testing.assert_allclose(item["spacing"], hand.spacing_mm, rtol=1e-5)
        assert item["modality"] == modality
        np.testing.assert_array_equal(np.asarray(Image.open(item["image"])), hand.image)
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    assert header[0] == "image" and header[-42:] == [f"{joint}_{axis}" for joint in HAND21 for axis in "xy"]
    assert not list(path.parent.rglob("*.tmp"))


def test_finished_set_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_synthetic_dataset(tmp_path, "xray", 3)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")}
    monkeypatch.setattr(synthetic, "render_hand", lambda *_: pytest.fail("rendered again"))
    assert write_synthetic_dataset(tmp_path, "xray", 3) == path
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")} == before


def test_missing_image_is_written_again(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path, "xray", 3)
    lost = tmp_path / "images" / "hand_00001.png"
    content = lost.read_bytes()
    lost.unlink()
    write_synthetic_dataset(tmp_path, "xray", 3)
    assert lost.read_bytes() == content


def test_killed_run_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(modality: str, seed: tuple[int, int], image_size: int) -> None:
        if seed[1] == 2:
            raise KeyboardInterrupt
        return render_hand(modality, seed, image_size)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(synthetic, "render_hand", die)
        write_synthetic_dataset(tmp_path, "depth", 4)
    assert not (tmp_path / "landmarks.csv").exists()
    assert json.loads((tmp_path / "synthetic.json").read_text())["complete"] is False
    path = write_synthetic_dataset(tmp_path, "depth", 4)
    assert len(load_datalist(path, landmarks="hand21")) == 4


@pytest.mark.parametrize(
    "change", [{"modality": "depth"}, {"count": 2}, {"image_size": 32}, {"seed": 1}], ids=lambda c: next(iter(c))
)
def test_other_parameters_are_refused_or_replaced(tmp_path: Path, change: dict) -> None:
    settings = {"modality": "xray", "count": 3, "image_size": 24, "seed": 0}
    write_synthetic_dataset(tmp_path, **settings)
    (key,) = change
    with pytest.raises(ValueError, match=rf"other parameters: {key} .*overwrite=True"):
        write_synthetic_dataset(tmp_path, **{**settings, **change})
    path = write_synthetic_dataset(tmp_path, **{**settings, **change}, overwrite=True)
    images = sorted((tmp_path / "images").iterdir())
    assert len(images) == len(load_datalist(path, landmarks="hand21")) == {**settings, **change}["count"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_data_are_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "landmarks.csv").write_text("image\nmine.png\n")
    with pytest.raises(ValueError, match=r"no synthetic\.json.*Choose another folder"):
        write_synthetic_dataset(tmp_path, "xray", 1, overwrite=overwrite)
    assert (tmp_path / "landmarks.csv").read_text() == "image\nmine.png\n"
    assert not (tmp_path / "images").exists()


def test_broken_record_and_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "synthetic.json").write_text("{")
    with pytest.raises(ValueError, match="not a record of a synthetic data set"):
        write_synthetic_dataset(tmp_path, "xray", 1)
    with pytest.raises(ValueError, match="is a file, but a folder is needed"):
        write_synthetic_dataset(tmp_path / "synthetic.json", "xray", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x-ray", 1), "Unknown modality 'x-ray'. Did you mean 'xray'"),
        (("xray", 0), "count must be an integer of at least 1, got 0"),
        (("xray", 1, 8), "image_size must be an integer of at least 16 pixels, got 8"),
        (("xray", 1, 64, -1), "seed must be an integer of at least 0, got -1"),
    ],
)
def test_messages(tmp_path: Path, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_synthetic_dataset(tmp_path / "set", *arguments)
    assert not (tmp_path / "set").exists()


def test_render_hand_messages() -> None:
    with pytest.raises(ValueError, match="Unknown modality 'ct'"):
        render_hand("ct")
    with pytest.raises(ValueError, match="at least 16 pixels, got 15"):
        render_hand("photo", image_size=15)
    with pytest.raises(ValueError, match="seed must not be negative, got -2"):
        render_hand("photo", seed=-2)
