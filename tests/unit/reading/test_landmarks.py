from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    CenterSpatialCropd,
    Compose,
    Flipd,
    Orientationd,
    RandAffined,
    Resized,
    ResizeWithPadOrCropd,
)
from PIL import Image
from torch.testing import assert_close

from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import (
    DenormalizeLandmarksd,
    FlipMarkedd,
    LandmarksToImaged,
    LandmarksToWorldd,
    NormalizeLandmarksd,
    RandFlipLandmarksd,
    denormalize_landmarks,
    landmarks_to_original,
    normalize_landmarks,
)
from monai_degia.reading.upright import is_mirrored

SIZE = (90, 60)
NAMES = ["nose", "left_eye", "right_eye"]
FILE = {"filename_or_obj": "a.nii", "spatial_shape": (8, 9, 7)}


def blobs(points: np.ndarray, size: tuple[int, int] = SIZE, sigma: float = 2.0) -> np.ndarray:
    """One channel a landmark, (K, X, Y), peak 1."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    return np.stack([np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points]).astype(np.float32)


def centroids(image: torch.Tensor) -> torch.Tensor:
    axes = torch.meshgrid(*[torch.arange(s, dtype=torch.float32) for s in image.shape[1:]], indexing="ij")
    weights = torch.as_tensor(image) / torch.as_tensor(image).sum((1, 2), keepdim=True)
    return torch.stack([(weights * axis).sum((1, 2)) for axis in axes], -1)


def sample(seed: int = 0) -> dict[str, Any]:
    points = np.random.default_rng(seed).uniform((30, 24), (60, 36), (3, 2)).astype(np.float32)
    affine = torch.diag(torch.tensor([-0.3, -0.7, 1.0, 1.0], dtype=torch.float64))
    affine[:2, 3] = torch.tensor([11.0, -5.0])
    image = MetaTensor(torch.as_tensor(blobs(points)), affine=affine, meta={"original_affine": affine.clone()})
    return {"image": image, "landmarks": points}


CHAINS: dict[str, list[Any]] = {
    "resize": [Resized("image", (64, 48), mode="bilinear")],
    "crop": [CenterSpatialCropd("image", (70, 50))],
    "flip": [Flipd("image", 0)],
    "affine": [
        RandAffined(
            "image", prob=1, rotate_range=0.4, scale_range=0.2, translate_range=4, shear_range=0.1, mode="bilinear"
        )
    ],
    "pad or crop": [ResizeWithPadOrCropd("image", (110, 50))],
}
CHAINS["all"] = [CHAINS[name][0] for name in ("flip", "resize", "affine", "pad or crop")]


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
@pytest.mark.parametrize("seed", range(3))
def test_landmarks_follow_the_image_and_predictions_go_back(chain: list[Any], seed: int) -> None:
    compose = Compose([LandmarksToWorldd("landmarks"), *chain, LandmarksToImaged("landmarks")]).set_random_state(seed)
    given = sample(seed)
    moved = compose(given)
    assert moved["landmarks"].shape == (3, 2) and moved["landmarks"].dtype == torch.float32
    assert (moved["landmarks"] - torch.as_tensor(given["landmarks"])).abs().max() > 0.5, "vacuous: nothing moved"
    assert_close(centroids(moved["image"]), moved["landmarks"], atol=0.1, rtol=0)
    back = landmarks_to_original(moved["landmarks"], moved["image"])
    assert_close(back, torch.as_tensor(given["landmarks"]), atol=0.02, rtol=0)


def test_picture_file_round_trip(tmp_path: Path) -> None:
    points = np.array([[10.0, 40.0], [70.0, 20.0]], dtype=np.float32)
    picture = (255 * blobs(points).max(0)).astype(np.uint8)
    Image.fromarray(picture.T).save(tmp_path / "a.png")
    compose = Compose(
        [
            LoadAnyImaged("image"),
            LandmarksToWorldd("landmarks"),
            Resized("image", (45, 60), mode="bilinear"),
            LandmarksToImaged("landmarks"),
        ]
    )
    moved = compose({"image": tmp_path / "a.png", "landmarks": points})
    expected = (points + 0.5) * np.array([0.5, 1.0]) - 0.5
    assert_close(moved["landmarks"], torch.as_tensor(expected).float(), atol=0.02, rtol=0)
    back = landmarks_to_original(moved["landmarks"], moved["image"])
    assert_close(back, torch.as_tensor(points), atol=0.02, rtol=0)


def test_normalised_coordinates_are_fractions_of_the_side() -> None:
    corners = torch.tensor([[-0.5, -0.5], [89.5, 59.5], [44.5, 29.5]])
    assert_close(normalize_landmarks(corners, SIZE), torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]))
    points = torch.randn(4, 7, 2, dtype=torch.float64) * 50
    assert_close(denormalize_landmarks(normalize_landmarks(points, SIZE), SIZE), points)


def test_dictionary_versions_read_the_size_of_the_image() -> None:
    given = sample()
    d = NormalizeLandmarksd("landmarks")(given)
    assert_close(d["landmarks"], (torch.as_tensor(given["landmarks"]) + 0.5) / torch.tensor([90.0, 60.0]))
    assert_close(DenormalizeLandmarksd("landmarks")(d)["landmarks"], torch.as_tensor(given["landmarks"]))


@pytest.mark.parametrize("axis", [0, 1])
def test_marked_image_is_mirrored_and_sides_change(axis: int) -> None:
    given = {**sample(), "mirror": True}
    flip = FlipMarkedd("image", spatial_axis=axis, landmark_keys="landmarks", names=NAMES)
    moved = Compose([LandmarksToWorldd("landmarks"), flip, LandmarksToImaged("landmarks")])(given)
    expected = torch.as_tensor(given["landmarks"])[[0, 2, 1]].clone()
    expected[:, axis] = SIZE[axis] - 1 - expected[:, axis]
    assert_close(moved["landmarks"], expected)
    assert_close(torch.as_tensor(moved["image"]), torch.as_tensor(given["image"]).flip(axis + 1))
    back = landmarks_to_original(moved["landmarks"], moved["image"], NAMES)
    assert_close(back, torch.as_tensor(given["landmarks"]), atol=0.02, rtol=0)


@pytest.mark.parametrize("flag", [{}, {"mirror": False}])
def test_unmarked_sample_is_kept(flag: dict[str, bool]) -> None:
    given = {**sample(), **flag}
    kept = FlipMarkedd("image", landmark_keys="landmarks", names=NAMES)(given)
    assert kept["image"] is given["image"] and kept["landmarks"] is given["landmarks"]


def test_random_mirroring_is_seeded_and_keeps_sides_true() -> None:
    flip = RandFlipLandmarksd("image", "landmarks", NAMES, prob=0.5)
    chain = Compose([LandmarksToWorldd("landmarks"), flip, LandmarksToImaged("landmarks")])
    flip.set_random_state(0)
    given = sample()
    moved = [chain(given)["landmarks"] for _ in range(40)]
    mirrored = torch.as_tensor(given["landmarks"])[[0, 2, 1]] * torch.tensor([-1.0, 1.0]) + torch.tensor([89.0, 0.0])
    count = sum(torch.allclose(m, mirrored, atol=1e-3) for m in moved)
    kept = sum(torch.allclose(m, torch.as_tensor(given["landmarks"]), atol=1e-3) for m in moved)
    assert count + kept == 40 and 10 < count < 30
    flip.set_random_state(0)
    assert all(torch.equal(m, chain(given)["landmarks"]) for m in moved)


def test_errors_say_what_to_do() -> None:
    plain = {"image": torch.zeros(1, 5, 5), "landmarks": np.zeros((3, 2))}
    with pytest.raises(ValueError, match="LandmarksToWorldd needs 'image' with an affine: use LoadAnyImaged"):
        LandmarksToWorldd("landmarks")(plain)
    with pytest.raises(ValueError, match="needs the image 'scan'"):
        LandmarksToImaged("landmarks", image_key="scan")(plain)
    with pytest.raises(ValueError, match=r"shape \(K, 2\), got \(3, 3\)"):
        LandmarksToWorldd("landmarks")({**sample(), "landmarks": np.zeros((3, 3))})
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\), got \(4, 3\)"):
        normalize_landmarks(torch.zeros(4, 3), SIZE)
    with pytest.raises(ValueError, match=r"two positive numbers \(X, Y\), or three \(X, Y, Z\), got \(5, 0\)"):
        denormalize_landmarks(torch.zeros(4, 2), (5, 0))
    with pytest.raises(ValueError, match="original_affine, got Tensor"):
        landmarks_to_original(torch.zeros(3, 2), torch.zeros(1, 5, 5))
    with pytest.raises(ValueError, match="needs their names"):
        FlipMarkedd("image", landmark_keys="landmarks")
    with pytest.raises(ValueError, match="3 landmarks, but 21 names"):
        FlipMarkedd("image", landmark_keys="landmarks", names="hand21")({**sample(), "mirror": True})


def test_axes_of_a_volume_may_be_reversed_and_left_stays_left() -> None:
    """An orientation is a matter of the array; mirroring makes another body, and is undone in the names."""
    affine = torch.diag(torch.tensor([-2.0, 1.0, 3.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.rand(1, 8, 9, 7), affine=affine, meta={"original_affine": affine.numpy().copy()})
    given = {"image": image, "landmarks": torch.rand(3, 3) * 6, "mirror": True}
    turned = [Orientationd("image", "RAS", labels=None), LandmarksToImaged("landmarks")]
    flip = FlipMarkedd("image", landmark_keys="landmarks", names=NAMES)
    for steps, mirrored in ((turned, False), ([flip, *turned], True), ([flip, flip, *turned], False)):
        moved = Compose([LandmarksToWorldd("landmarks"), *steps])(given)
        assert is_mirrored(moved["image"]) is mirrored
        back = landmarks_to_original(moved["landmarks"], moved["image"], NAMES)
        assert_close(back, given["landmarks"], atol=1e-4, rtol=0)
        kept = FileGeometryd("image")({"image": MetaTensor(moved["image"], meta={**moved["image"].meta, **FILE})})
        assert is_mirrored(kept["image"]) is mirrored
    assert "mirrored_by_flip" not in image.meta, "the sample that was given has changed"


def test_points_as_lists_of_numbers() -> None:
    image = MetaTensor(torch.rand(1, 6, 5), affine=torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0])))
    sample = LandmarksToWorldd("landmarks")({"image": image, "landmarks": [[1, 2], [3.5, 0]]})
    assert_close(sample["landmarks"], torch.tensor([[2.0, 6.0], [7.0, 0.0]]))
