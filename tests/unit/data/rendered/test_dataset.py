import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered import dataset as synthetic
from monai_degia.data.rendered.clothing import sample_clothing
from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.data.rendered.model import sample_shape
from monai_degia.data.rendered.scene import MODALITIES, render_faded_hand, render_hand, render_scene, sample_scene
from monai_degia.data.rendered.settings import sample_child, sample_flat_hand

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
    def die(modality: str, seed: tuple[int, int], *args: Any) -> None:
        if seed[1] == 2:
            raise KeyboardInterrupt
        return render_hand(modality, seed, *args)

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
        (("xray", 1, 64, 0, False, "anywere"), "Unknown setting 'anywere'. Did you mean 'anywhere'"),
        (("xray", 1, 64, 0, False, "anywhere", "photos"), "background_dir is for photographs in the setting"),
        (("photo", 1, 64, 0, False, "anywhere", "photos"), "photos holds no photograph"),
        (("xray", 1, 64, 0, False, "anywhere", None, True), "faded hands are photographs, modality is 'xray'"),
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


def test_hands_anywhere_are_of_either_side_and_any_size() -> None:
    scenes = [sample_scene((0, i), 128, "anywhere") for i in range(200)]
    points = np.stack([scene.landmarks for scene in scenes])
    assert points.min() > 0 and points.max() < 127
    span = np.ptp(points, axis=1).max(axis=1)
    assert span.min() < 45 and span.max() > 100, "all hands fill as much of the image"
    middle = (points.max(axis=1) + points.min(axis=1)) / 2
    assert middle.std(axis=0).min() > 10, "all hands are in the middle"
    assert 60 < sum(scene.thumb_on_right for scene in scenes) < 140
    assert 60 < sum(scene.mirrored for scene in scenes) < 140
    assert 40 < sum(bool(scene.clothes) for scene in scenes) < 160
    sizes = [np.linalg.norm(np.diff(scene.parts.joints_mm[[0, 9]], axis=0)) for scene in scenes]
    assert min(sizes) < 60 < 90 < max(sizes), "children and adults"


def test_side_of_the_thumb_is_that_of_the_turned_hand() -> None:
    """The little finger's MCP is on the other side of the line from the wrist to the middle MCP than the index's."""
    for i in range(60):
        scene = sample_scene((1, i), 64, "anywhere")
        wrist, index, little = scene.landmarks[[0, 5, 17]]
        (ax, ay), (bx, by) = index - wrist, little - wrist
        assert (ax * by - ay * bx < 0) == scene.thumb_on_right


def test_sleeve_covers_the_arm_and_not_the_hand() -> None:
    seen = 0
    for i in range(30):
        scene = replace(sample_scene((2, i), 96, "anywhere"), mirrored=False)
        bare = render_scene(replace(scene, clothes=()), "photo", 5).image.astype(int)
        worn = render_scene(scene, "photo", 5).image.astype(int)
        # Cloth throws a shadow of its own, which is weak.
        y, x = np.nonzero(np.abs(worn - bare).max(axis=2) > 60)
        seen += len(y) > 20
        toward_fingers = scene.landmarks[9] - scene.landmarks[0]
        along = (np.stack([x, y], 1) - scene.landmarks[0]) @ toward_fingers
        assert not len(y) or along.max() < 0.2 * toward_fingers @ toward_fingers, "cloth lies beyond the wrist"
    assert 2 < seen < 28


def test_some_arms_wear_a_watch_that_leaves_the_rest_bare() -> None:
    """A watch is a band: behind it, toward the elbow, there is skin again, where a sleeve goes on to the arm's end."""
    rng = np.random.default_rng(4)
    worn = [sample_clothing(rng, sample_shape(rng), sample_flat_hand(rng)) for _ in range(300)]
    ends = [max(np.linalg.norm(capsule.b) for capsule in garment.capsules) for arm in worn for garment in arm]
    assert 0.05 < sum(end < 90 for end in ends) / len(worn) < 0.2, "watches"
    assert 0.35 < sum(end > 200 for end in ends) / len(worn) < 0.65, "sleeves"


def test_flat_hands_are_straight_and_their_fingers_closed_or_spread() -> None:
    rng = np.random.default_rng(5)
    poses = [sample_flat_hand(rng) for _ in range(200)]
    assert np.abs(np.rad2deg([pose.flexion[1:] for pose in poses])).mean() < 8
    assert np.abs(np.rad2deg([pose.tilt for pose in poses])).max() <= 10
    spread = np.rad2deg([pose.abduction[1] - pose.abduction[4] for pose in poses])
    assert np.quantile(spread, 0.1) < 10 and np.quantile(spread, 0.9) > 45


def test_children_have_smaller_hands_shorter_fingers_and_rounder_flesh() -> None:
    shapes = [sample_child(np.random.default_rng([6, i])) for i in range(400)]
    size = np.array([shape.size for shape in shapes])
    fingers = np.array([shape.bones_mm[1:].sum() / np.abs(shape.roots_mm[1:, 1]).sum() for shape in shapes])
    girth = np.array([shape.girth for shape in shapes])
    small, large = size < np.quantile(size, 0.2), size > np.quantile(size, 0.5)
    assert size[small].mean() < 0.75 * size[large].mean()
    assert fingers[small].mean() < 0.97 * fingers[large].mean()
    assert girth[small].mean() > 1.05 * girth[large].mean()


def test_grounds_are_cut_from_named_photographs(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40), (0, 255, 0)).save(tmp_path / "photos" / "green.png")
    options = {"setting": "anywhere", "background_dir": tmp_path / "photos"}
    path = write_synthetic_dataset(tmp_path / "set", "photo", 24, 32, **options)
    corners = np.stack([np.asarray(Image.open(item["image"]), int)[1, 1] for item in load_datalist(path)])
    green = corners[:, 1] > 60 + corners[:, [0, 2]].max(axis=1)
    assert 5 < green.sum() < 20
    with pytest.raises(ValueError, match="other parameters: background_dir"):
        write_synthetic_dataset(tmp_path / "set", "photo", 24, 32, setting="anywhere")


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    sets = [
        write_synthetic_dataset(tmp_path / str(n), "photo", 7, 32, setting="anywhere", num_workers=n) for n in (0, 2)
    ]
    assert sets[0].read_bytes() == sets[1].read_bytes()
    for path in (sets[0].parent / "images").iterdir():
        assert path.read_bytes() == (sets[1].parent / "images" / path.name).read_bytes()
    items = load_datalist(sets[0], mirror_where={"thumb_on_right": "0"})
    assert {item["mirror"] for item in items} == {True, False}


def test_faded_hands_are_those_of_the_photographs_and_dim_where_they_are_thin() -> None:
    """Along straight fingers brightness falls from MCP to tip, seen from the ground's."""
    falls = []
    for i in range(40):
        hand, photo = render_faded_hand((3, i), 96), render_hand("photo", (3, i), 96, "anywhere")
        np.testing.assert_array_equal(hand.landmarks, photo.landmarks)
        assert (hand.image == hand.image[..., :1]).all()
        grey = hand.image[..., 0].astype(float)
        ground = np.median(grey[:, [0, -1]])
        x, y = hand.landmarks[[9, 12]].round().astype(int).T
        mcp, tip = np.abs(grey[y, x] - ground)
        falls.append(mcp > tip)
    assert np.mean(falls) > 0.8
