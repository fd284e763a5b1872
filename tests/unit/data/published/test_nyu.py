import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose
from PIL import Image
from scipy.io import savemat

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.published.joints import NYU_JOINTS, joint_sources
from monai_degia.data.published.nyu import NYU_FOCAL, load_nyu
from monai_degia.reading.crop import CropBoxd
from monai_degia.reading.depth_encoding import DecodeDepthd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd, landmarks_to_original
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd

WIDTH, HEIGHT, FRAMES = 640, 480, 2
READ = Compose([LoadAnyImaged("image"), LandmarksToWorldd("landmarks"), DecodeDepthd("image"), CropBoxd("image")])
READ = Compose([READ, LandmarksToImaged("landmarks")])


def make_uvd() -> np.ndarray:
    """Points at whole pixels, all depths different, in and before the palm; (views, frames, 36, 3)."""
    rng = np.random.default_rng(3)
    cells = rng.permuted(np.tile(np.arange(400), (6, 1)), axis=1)[:, :36]
    uvd = np.stack([cells % 20 * 9, cells // 20 * 9, np.zeros_like(cells)], axis=-1).reshape(3, FRAMES, 36, 3)
    corner = np.array([[400, 250, 0], [110, 160, 0], [350, 90, 0]])  # views show the hand in different places
    depths = 690 + 3 * rng.permutation(36 * 6).reshape(3, FRAMES, 36) // 6
    uvd = uvd + corner[:, None, None]
    uvd[..., 2] = depths
    return uvd.astype(float)


def write_set(folder: Path, uvd: np.ndarray, names: Any = NYU_JOINTS, images: bool = True, **content: Any) -> Path:
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        cells = np.array([list(names)], dtype=object)
        savemat(
            folder / split / "joint_data.mat", {"joint_names": cells, "joint_uvd": uvd, "joint_xyz": uvd, **content}
        )
    for view, frame in np.ndindex(*uvd.shape[:2]) if images else ():
        write_images(folder / "test", view, frame, uvd[view, frame])
    return folder


def write_images(folder: Path, view: int, frame: int, uvd: np.ndarray) -> None:
    depth, colour = np.full((HEIGHT, WIDTH), 2000), np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth[10:60, 10:60] = 0
    for joint, (u, v, d) in enumerate(uvd.astype(int)):
        depth[v, u] = d
        colour[v, u] = (5 * joint + 1, 50 * view + 1, 50 * frame + 1)
    noise = np.random.default_rng(1).integers(0, 256, depth.shape)
    packed = np.stack([noise, depth // 256, depth % 256], axis=-1).astype(np.uint8)
    Image.fromarray(packed).save(folder / f"depth_{view + 1}_{frame + 1:07d}.png", compress_level=1)
    Image.fromarray(colour).save(folder / f"rgb_{view + 1}_{frame + 1:07d}.png", compress_level=1)


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    uvd = make_uvd()
    return write_set(tmp_path_factory.mktemp("nyu"), uvd), uvd


def single(name: str) -> bool:
    return len(joint_sources("nyu", [name])[0].names) == 1


def numbers(names: tuple[str, ...]) -> list[int]:
    return [NYU_JOINTS.index(joint_sources("nyu", [name])[0].names[0]) for name in names]


@pytest.mark.parametrize("view", [1, 2, 3])
def test_depth_at_a_landmark_is_the_depth_of_its_joint(nyu: tuple[Path, np.ndarray], view: int) -> None:
    """Wrong if x and y, bytes, views, frames or joints change places, or if the landmarks do not follow the crop."""
    folder, uvd = nyu
    names = tuple(filter(single, HAND21))
    items = load_nyu(folder, landmarks=names, views=[view])
    assert len(items) == FRAMES
    for frame, item in enumerate(items):
        d = READ(item)
        x, y = d["landmarks"].round().long().T
        expected = uvd[view - 1, frame, numbers(names), 2]
        assert len(set(expected)) > 10, "vacuous: all depths alike"
        np.testing.assert_array_equal(d["image"][0, x, y].numpy(), expected)
        kept = d["image"].as_tensor().unique()
        assert kept[0] == 0 and kept[1] >= 690 and kept[-1] < 810, "the background is still there"


def test_colour_at_a_landmark_is_that_of_its_joint(nyu: tuple[Path, np.ndarray]) -> None:
    folder, _ = nyu
    names = tuple(filter(single, HAND21))
    items = load_nyu(folder, landmarks=names, kind="rgb", views=(1, 3))
    places = [(0, 0), (2, 0), (0, 1), (2, 1)]
    for (view, frame), item in zip(places, items, strict=True):
        assert (item["modality"], item["domain"]) == ("photo", "nyu_rgb") and "depth_encoding" not in item
        d = READ(item)
        x, y = d["landmarks"].round().long().T
        assert d["image"][0, x, y].tolist() == [5 * joint + 1 for joint in numbers(names)]
        assert set(d["image"][1, x, y].tolist()) == {50 * view + 1}
        assert set(d["image"][2, x, y].tolist()) == {50 * frame + 1}


def test_wrist_lies_between_its_two_points(nyu: tuple[Path, np.ndarray]) -> None:
    folder, uvd = nyu
    item = load_nyu(folder, landmarks=["wrist"], views=[2])[1]
    np.testing.assert_allclose(item["landmarks"][0], uvd[1, 1, 30:32, :2].mean(axis=0))


def test_box_is_the_projected_cube(nyu: tuple[Path, np.ndarray]) -> None:
    folder, uvd = nyu
    item = load_nyu(folder, cube_mm=250.0, every=2)[0]
    mean = uvd[0, 0].mean(axis=0)
    box = np.array(item["crop_box"])
    np.testing.assert_allclose((box[:2] + box[2:] - 1) / 2, mean[:2], atol=0.51)
    np.testing.assert_allclose(box[2:] - box[:2] - 1, 250 * np.array(NYU_FOCAL) / mean[2], atol=1.01)
    np.testing.assert_allclose(item["depth_window_mm"], [mean[2] - 125, mean[2] + 125])
    d = READ(item)
    assert d["image"].shape[1:] == tuple(box[2:] - box[:2])
    torch.testing.assert_close(landmarks_to_original(d["landmarks"], d["image"]), torch.as_tensor(item["landmarks"]))


def test_whole_images_without_a_cube(nyu: tuple[Path, np.ndarray]) -> None:
    item = load_nyu(nyu[0], cube_mm=None, mirror=True, domain="kinect")[0]
    assert "crop_box" not in item and "depth_window_mm" not in item and item["mirror"] and item["domain"] == "kinect"
    d = READ(item)
    assert d["image"].shape == (1, WIDTH, HEIGHT) and d["image"].max() == 2000
    assert item["landmarks"].shape == (21, 2) and item["class"] == 0 and item["modality"] == "depth"


def test_goes_on_through_the_usual_transforms(nyu: tuple[Path, np.ndarray]) -> None:
    d = MatchChannelsd("image", 3)(ScaleModalityd("image")(READ(load_nyu(nyu[0])[0])))
    assert d["image"].shape[0] == 3 and d["image"].max() == 1 and d["image"].min() == 0


def test_order_in_the_file_does_not_matter(tmp_path: Path, nyu: tuple[Path, np.ndarray]) -> None:
    folder, uvd = nyu
    order = np.random.default_rng(5).permutation(36)
    other = write_set(tmp_path, uvd[:, :, order], [NYU_JOINTS[i] for i in order])
    for item, expected in zip(load_nyu(other), load_nyu(folder), strict=True):
        np.testing.assert_array_equal(item["landmarks"], expected["landmarks"])


BAD_OPTIONS = {
    "split": ({"split": "val"}, "split must be one of train, test, got 'val'"),
    "kind": ({"kind": "infrared"}, "kind must be one of rgb, depth, synthdepth, got 'infrared'"),
    "view": ({"views": [0]}, r"views must be different numbers among 1, 2, 3, got \[0\]"),
    "view twice": ({"views": [1, 1]}, "different numbers"),
    "no view": ({"views": []}, "different numbers"),
    "every": ({"every": 0}, "every must be at least 1, got 0"),
    "cube": ({"cube_mm": 0.0}, "cube_mm must be a positive length in mm, or None, got 0.0"),
    "margin": ({"outside_margin": -1}, "outside_margin must be a fraction"),
    "landmark": ({"landmarks": ["elbow"]}, "no point for 1 of 1 landmarks: elbow"),
    "missing images": ({"kind": "synthdepth"}, "2 of 2 rows(.|\n)*synthdepth_1_0000001.png.*not found"),
}


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_bad_options(nyu: tuple[Path, np.ndarray], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_nyu(nyu[0], **options)


def test_bad_files(tmp_path: Path) -> None:
    uvd = make_uvd()
    with pytest.raises(ValueError, match=r"is not a folder\. Pass the folder into which NYU Hand Pose was unpacked"):
        load_nyu(tmp_path / "no")
    with pytest.raises(ValueError, match=r"no file .*joint_data\.mat"):
        load_nyu(tmp_path)
    write_set(tmp_path, uvd[:, :, :35], images=False)
    with pytest.raises(
        ValueError, match=re.escape("joint_uvd must be numbers (views, N, 36, 3), got float64 (3, 2, 35")
    ):
        load_nyu(tmp_path)
    write_set(tmp_path, uvd[:2], images=False)
    with pytest.raises(ValueError, match=r"labels 2 views, asked for \[3\]"):
        load_nyu(tmp_path, views=[3])
    write_set(tmp_path, uvd[:, :0], images=False)
    with pytest.raises(ValueError, match="holds no hands"):
        load_nyu(tmp_path)
    savemat(tmp_path / "test" / "joint_data.mat", {"joint_uvd": uvd})
    with pytest.raises(ValueError, match="needs joint_names and joint_uvd"):
        load_nyu(tmp_path)
    (tmp_path / "test" / "joint_data.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(90))
    with pytest.raises(ValueError, match="is no MATLAB file, or truncated"):
        load_nyu(tmp_path)


def test_bad_labels_are_all_said_at_once(tmp_path: Path) -> None:
    uvd = make_uvd()
    write_set(tmp_path, uvd)
    uvd[0, 0, 18, 0] = np.nan
    uvd[0, 1, 3, 2] = -4
    write_set(tmp_path, uvd, images=False)
    with pytest.raises(ValueError, match=r"2 of 2 rows(.|\n)*frame 1 \(depth_1(.|\n)*joint_uvd holds NaN, infinity or"):
        load_nyu(tmp_path)
    with pytest.raises(ValueError, match=r"1 of 2 rows(.|\n)*frame 1 .*1 coordinates are NaN"):
        load_nyu(tmp_path, cube_mm=None)
