"""Pictures that are kept while a file is open."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from PIL import Image
from torch.testing import assert_close

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import ScaleModalityd
from monai_degia.reading.picture import KeepPictured, picture_of
from monai_degia.reading.upright import TurnUprightd


def read(path: Path, side: int) -> dict[str, Any]:
    sample: dict[Any, Any] = {"image": str(path), "modality": "photo"}
    steps = (LoadAnyImaged("image"), TurnUprightd("image"), ScaleModalityd("image"), KeepPictured("image", side))
    for step in steps:
        sample = step(sample)
    return sample


def write(path: Path, size: tuple[int, int], orientation: int) -> tuple[float, float]:
    width, height = size
    place = (0.3 * width, 0.8 * height)
    y, x = np.mgrid[:height, :width]
    grey = 250 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 12)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(grey.round().astype(np.uint8)).convert("RGB").save(path, quality=95, exif=exif)
    return place


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("size", "side"), [((120, 90), 50), ((90, 120), 64), ((60, 40), 500)])
def test_points_of_the_file_are_found_in_the_picture(
    tmp_path: Path, size: tuple[int, int], side: int, orientation: int
) -> None:
    place = write(tmp_path / "a.jpg", size, orientation)
    picture = picture_of(read(tmp_path / "a.jpg", side))
    assert picture is not None
    upright = size[::-1] if orientation in (6, 8) else size
    factor = min(1.0, side / max(size))
    assert picture.image.shape[1:] == tuple(round(length * factor) for length in upright)
    grey = picture.image[0].double()
    centre = [(grey.sum(1 - axis) * torch.arange(grey.shape[axis])).sum() / grey.sum() for axis in (0, 1)]
    points = torch.tensor([place])
    assert_close(picture.carry(points)[0], torch.stack(centre), atol=0.3, rtol=0)
    whole, there = picture.upright(size, points)
    assert whole == upright
    assert_close((there[0] + 0.5) / torch.tensor(whole) * torch.tensor(grey.shape) - 0.5, picture.carry(points)[0])


def test_pictures_of_several_sizes_stand_in_one_batch(tmp_path: Path) -> None:
    for name, size in (("a.jpg", (80, 60)), ("b.jpg", (60, 80))):
        write(tmp_path / name, size, 1)
    samples = [read(tmp_path / name, 40) for name in ("a.jpg", "b.jpg")]
    kept = [{key: sample[key] for key in ("picture", "picture_affine")} for sample in samples]
    batch = next(iter(DataLoader(Dataset(kept), batch_size=2)))
    shapes = [picture_of({key: values[index] for key, values in batch.items()}).image.shape for index in (0, 1)]  # type: ignore[union-attr]
    assert shapes == [(3, 40, 30), (3, 30, 40)]


def test_a_sample_without_a_picture_has_none() -> None:
    assert picture_of({}) is None and picture_of({"picture": b"", "picture_affine": torch.eye(3)}) is None


def test_messages() -> None:
    with pytest.raises(ValueError, match="side must be at least 1 pixel, got 0"):
        KeepPictured("image", 0)
    with pytest.raises(ValueError, match=r"'image' with a tracked original_affine: load by LoadAnyImaged"):
        KeepPictured("image", 8)({"image": torch.rand(3, 8, 8)})
