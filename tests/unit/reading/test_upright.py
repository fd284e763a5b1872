from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from PIL import Image, ImageOps

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd, landmarks_to_original
from monai_degia.reading.upright import TurnUprightd

STORED = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)  # rows, columns
MIRRORING = (2, 4, 5, 7)


def save(path: Path, orientation: int | None) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(STORED).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", [None, 0, 1, 3, 6, 8, *MIRRORING, 9])
def test_photographs_are_turned_as_pillow_turns_them(tmp_path: Path, orientation: int | None, suffix: str) -> None:
    file = save(tmp_path / f"a{suffix}", orientation)
    points = np.array([[0, 0], [19, 0], [3, 11], [7.5, 2]], dtype=np.float32)
    around = LandmarksToWorldd("landmarks"), LandmarksToImaged("landmarks")
    steps = [LoadAnyImaged("image"), around[0], TurnUprightd("image"), around[1]]
    sample = Compose(steps)({"image": str(file), "landmarks": points})
    with Image.open(file) as picture:
        stored = np.asarray(picture).transpose(2, 1, 0)
        shown = picture if orientation in MIRRORING else ImageOps.exif_transpose(picture)
        np.testing.assert_array_equal(sample["image"].numpy(), np.asarray(shown).transpose(2, 1, 0))
    for (x, y), (i, j) in zip(points[:3].astype(int), sample["landmarks"][:3].round().int().tolist(), strict=True):
        np.testing.assert_array_equal(sample["image"].numpy()[:, i, j], stored[:, x, y])
    back = landmarks_to_original(sample["landmarks"], sample["image"])
    np.testing.assert_allclose(back.numpy(), points, atol=1e-4)


def test_images_that_tell_nothing_are_left_alone() -> None:
    image = MetaTensor(torch.rand(1, 4, 6))
    assert torch.equal(TurnUprightd("image")({"image": image})["image"], image)
    plain = torch.rand(1, 4, 6)
    assert TurnUprightd(["image", "other"], allow_missing_keys=True)({"image": plain})["image"] is plain


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00damaged",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x02\x00\x00\x00x\x00\x00\x00",
    ],
)
def test_damaged_exif_does_not_hide_the_picture(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(STORED).save(tmp_path / "a.png", exif=exif)
    image = TurnUprightd("image")(LoadAnyImaged("image")({"image": str(tmp_path / "a.png")}))["image"]
    np.testing.assert_array_equal(image.numpy(), STORED.transpose(2, 1, 0))
