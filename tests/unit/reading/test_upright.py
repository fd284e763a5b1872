from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from PIL import Image

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd, landmarks_to_original
from monai_degia.reading.upright import TurnUprightd, is_mirrored

STORED = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)  # rows, columns


def save(path: Path, orientation: int | None) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    options = {"compression": "tiff_lzw"} if path.name.endswith(".lzw.tif") else {}
    Image.fromarray(STORED).save(path, exif=exif, **options)
    return path


def upright(values: np.ndarray, orientation: int | None) -> np.ndarray:
    """Exif 2.32, tag 0x0112: where the first row and the first column of what is stored lie."""
    turned = {
        2: lambda v: v[:, ::-1],
        3: lambda v: v[::-1, ::-1],
        4: lambda v: v[::-1],
        5: lambda v: v.swapaxes(0, 1),
        6: lambda v: v.swapaxes(0, 1)[:, ::-1],
        7: lambda v: v.swapaxes(0, 1)[::-1, ::-1],
        8: lambda v: v.swapaxes(0, 1)[::-1],
    }
    return turned.get(orientation or 1, lambda v: v)(values)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".lzw.tif"])
@pytest.mark.parametrize("orientation", [None, 0, *range(1, 10)])
def test_photographs_are_turned_as_their_tag_says(tmp_path: Path, orientation: int | None, suffix: str) -> None:
    if suffix == ".lzw.tif" and orientation in (0, 9):
        pytest.skip("libtiff writes no such tag")
    file = save(tmp_path / f"a{suffix}", orientation)
    points = np.array([[0, 0], [19, 0], [3, 11], [7.5, 2]], dtype=np.float32)
    around = LandmarksToWorldd("landmarks"), LandmarksToImaged("landmarks")
    loaded = LoadAnyImaged("image")({"image": str(file), "landmarks": points})
    stored = loaded["image"].numpy()
    if suffix != ".jpg":
        np.testing.assert_array_equal(stored, STORED.transpose(2, 1, 0))
    assert list(loaded["image"].meta["spatial_shape"][:2]) == [20, 12]
    sample = Compose([around[0], TurnUprightd("image"), around[1]])(loaded)
    shown = upright(stored.transpose(2, 1, 0), orientation)
    np.testing.assert_array_equal(sample["image"].numpy(), shown.transpose(2, 1, 0))
    for (x, y), (i, j) in zip(points[:3].astype(int), sample["landmarks"][:3].round().int().tolist(), strict=True):
        np.testing.assert_array_equal(sample["image"].numpy()[:, i, j], stored[:, x, y])
    back = landmarks_to_original(sample["landmarks"], sample["image"], ["left_eye", "right_eye", "nose", "mouth"])
    np.testing.assert_allclose(back.numpy(), points, atol=1e-4)
    assert not is_mirrored(sample["image"]), "what is put right is not mirrored"


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
