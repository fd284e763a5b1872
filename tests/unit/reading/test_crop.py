from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Flipd, Resized

from monai_degia.reading.crop import CropBoxd
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd, landmarks_to_original

BOXES = {
    "inside": [3, 5, 20, 17],
    "all": [0, 0, 30, 20],
    "beyond the start": [-4, -2, 10, 11],
    "beyond the end": [18, 9, 37, 26],
    "larger": [-5, -3, 41, 29],
}


def sample(box: Any, scale: float = 1.0) -> dict[Any, Any]:
    affine = torch.diag(torch.tensor([scale, -scale, 1.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.rand(2, 30, 20) + 0.1, affine=affine)
    image.meta["original_affine"] = affine.clone()
    return {"image": image, "landmarks": torch.tensor([[7.0, 9.0], [19.0, 10.0], [1.5, 3.0]]), "crop_box": box}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_pixels_and_landmarks_of_the_box(box: list[int], scale: float) -> None:
    given = sample(box, scale)
    out = Compose([LandmarksToWorldd("landmarks"), CropBoxd("image"), LandmarksToImaged("landmarks")])(given)
    expected = torch.zeros(2, box[2] - box[0], box[3] - box[1])
    for i in range(30):
        for j in range(20):
            if box[0] <= i < box[2] and box[1] <= j < box[3]:
                expected[:, i - box[0], j - box[1]] = given["image"][:, i, j]
    torch.testing.assert_close(out["image"].as_tensor(), expected)
    torch.testing.assert_close(out["landmarks"], given["landmarks"] - torch.tensor(box[:2]))
    torch.testing.assert_close(landmarks_to_original(out["landmarks"], out["image"]), given["landmarks"])


def test_way_back_through_further_transforms() -> None:
    given = sample([-4, 2, 25, 27])
    chain = [LandmarksToWorldd("landmarks"), CropBoxd("image"), Flipd("image", 0), Resized("image", (40, 64))]
    out = Compose([*chain, LandmarksToImaged("landmarks")])(given)
    assert out["image"].shape == (2, 40, 64)
    back = landmarks_to_original(out["landmarks"], out["image"])
    torch.testing.assert_close(back, given["landmarks"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("given", [sample(None), {"image": MetaTensor(torch.rand(1, 4, 4))}])
def test_without_a_box_nothing_happens(given: dict[Any, Any]) -> None:
    assert CropBoxd("image")(given)["image"] is given["image"]


def test_keys() -> None:
    given = {"picture": MetaTensor(torch.rand(1, 9, 9)), "roi": torch.tensor([1, 2, 4, 8])}
    assert CropBoxd("picture", box_key="roi")(given)["picture"].shape == (1, 3, 6)
    assert CropBoxd("image", box_key="roi", allow_missing_keys=True)(given) == given
    with pytest.raises(KeyError, match="image"):
        CropBoxd("image", box_key="roi")(given)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1, 2, 3], r"crop_box must be four integers .*got \[1, 2, 3\]"),
        ([1, 2, 3, 4, 5], "must be four integers"),
        ([1.5, 2, 3, 4], "must be four integers"),
        ([1, float("nan"), 3, 4], "must be four integers"),
        ([1, float("inf"), 3, 4], "must be four integers"),
        ("abcd", "must be four integers"),
        (7, "must be four integers"),
        ([5, 5, 5, 9], r"\[5, 5, 5, 9\] holds no pixel of the image, 30 x 20"),
        ([30, 0, 40, 9], "holds no pixel"),
        ([0, -9, 9, 0], "holds no pixel"),
    ],
)
def test_bad_boxes(box: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CropBoxd("image")(sample(box))


def test_bad_image() -> None:
    with pytest.raises(ValueError, match=r"takes images \(C, X, Y\), got shape \(4, 4\)"):
        CropBoxd("image")({"image": torch.rand(4, 4), "crop_box": [0, 0, 2, 2]})
