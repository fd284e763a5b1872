import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, Resized
from PIL import Image

from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.items import load_digits, load_mnist_m_from
from monai_degia.data.digits.mnist_m import make_mnist_m
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
HISTOGRAM = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (20, 8, 6), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 8, 6, 3), dtype=np.uint8)
LABELS = RNG.permutation(np.arange(20) % 10)

needs_mnist = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="shared MNIST is not there")


def save(folder: Path, images: np.ndarray, labels: np.ndarray = LABELS) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "digits.npz", images=images, labels=labels)
    return folder / "digits.npz"


def test_items_of_grey_and_colour_digits(tmp_path: Path) -> None:
    for images, channels in ((GREY, 1), (COLOUR, 3)):
        items = load_digits(save(tmp_path, images), domain="usps")
        assert len(items) == 20
        for index, item in enumerate(items):
            assert item["image"].shape == (channels, 6, 8) and item["image"].dtype == np.uint8
            for channel in range(channels):
                # (C, X, Y): columns of the file's image come first.
                np.testing.assert_array_equal(item["image"][channel].T, images[index].reshape(8, 6, -1)[..., channel])
            assert type(item["target"]) is int and item["target"] == item["class"] == LABELS[index]
            assert {key: item[key] for key in ("domain", "modality", "name")} == {
                "domain": "usps",
                "modality": "photo",
                "name": f"usps/test/{index}",
            }
        assert np.shares_memory(items[0]["image"].base, items[19]["image"].base), "the images were copied one by one"


def test_the_domain_is_that_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "clinic", GREY)
    monkeypatch.chdir(tmp_path / "clinic")
    for path in (file, file.parent, ".", "digits.npz"):
        assert load_digits(path, "train")[3]["name"] == "clinic/train/3"


def test_a_part_keeps_the_names_of_the_whole(tmp_path: Path) -> None:
    file = save(tmp_path, GREY)
    whole = load_digits(file, domain="d")
    for count, start in ((5, 0), (5, 15), (None, 12), (1, 3), (20, 0)):
        part = load_digits(file, domain="d", count=count, start=start)
        expected = whole[start:] if count is None else whole[start : start + count]
        assert [item["name"] for item in part] == [item["name"] for item in expected]
        assert [item["target"] for item in part] == [item["target"] for item in expected]
        for one, other in zip(part, expected, strict=True):
            np.testing.assert_array_equal(one["image"], other["image"])
        base = part[0]["image"]
        while base.base is not None:
            base = base.base
        assert base.size == len(part) * 48, "a part holds on to the whole"


@pytest.mark.parametrize(("count", "start"), [(21, 0), (1, 20), (0, 0), (-1, 5), (None, 20), (3, -1), (6, 15)])
def test_parts_that_are_not_there(tmp_path: Path, count: int | None, start: int) -> None:
    with pytest.raises(ValueError, match=f"d/test has 20 digits, asked for count={count} from start={start}"):
        load_digits(save(tmp_path, GREY), domain="d", count=count, start=start)


def test_faults_of_the_file_come_through(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no"):
        load_digits(tmp_path / "none.npz")


def test_items_pass_through_a_pipeline_and_workers_in_one_batch(tmp_path: Path) -> None:
    grey = load_digits(save(tmp_path, GREY), domain="grey")
    colour = load_digits(save(tmp_path, COLOUR), domain="colour")
    before = grey[2]["image"].copy()
    transform = Compose([ScaleModalityd("image"), MatchChannelsd("image", 3), Resized("image", (12, 16))])
    dataset = CacheDataset(grey[:4] + colour[:4], transform, num_workers=0, progress=False)
    batch = next(iter(DataLoader(dataset, batch_size=8, num_workers=1)))
    assert batch["image"].shape == (8, 3, 12, 16) and batch["image"].dtype == torch.float32
    assert batch["target"].dtype == torch.int64 and batch["target"].tolist() == [*LABELS[:4], *LABELS[:4]]
    assert float(batch["image"].min()) >= 0 and 0.5 < float(batch["image"].max()) <= 1
    np.testing.assert_array_equal(grey[2]["image"], before)


def test_mnist_m_from_digits_and_photographs(tmp_path: Path) -> None:
    digits = DigitImages(RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8), LABELS)
    file = save(tmp_path / "mnist", digits.images)
    (tmp_path / "photos").mkdir()
    Image.fromarray(RNG.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(tmp_path / "photos" / "p.png")
    expected = make_mnist_m(digits, tmp_path / "photos", seed=4)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        items = load_mnist_m_from(file, tmp_path / "photos", seed=4, cache_dir=cache, count=6, start=10)
        assert [item["name"] for item in items] == [f"mnist_m/test/{index}" for index in range(10, 16)]
        assert {item["domain"] for item in items} == {"mnist_m"}
        assert [item["class"] for item in items] == LABELS[10:16].tolist()
        for item, image in zip(items, expected.images[10:16], strict=True):
            np.testing.assert_array_equal(item["image"], image.transpose(2, 1, 0))
    assert len(list((tmp_path / "cache").iterdir())) == 1, "one file for the split, whatever part is taken"


@needs_mnist
def test_real_mnist_test_digits() -> None:
    items = load_digits(DATA / "mnist")
    assert np.bincount([item["target"] for item in items]).tolist() == HISTOGRAM
    assert items[17]["name"] == "mnist/test/17" and items[17]["image"].shape == (1, 28, 28)
    ones = np.mean([item["image"][0] for item in items if item["target"] == 1], axis=0)
    assert np.count_nonzero(ones.max(axis=1) > 60) < np.count_nonzero(ones.max(axis=0) > 60), "ones stand upright in y"


@needs_mnist
def test_the_first_ten_thousand_of_real_mnist() -> None:
    items = load_digits(DATA / "mnist", "train", count=10000)
    assert [item["target"] for item in items[:10]] == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert len(items) == 10000 and items[-1]["name"] == "mnist/train/9999"
    np.testing.assert_array_equal(items[-1]["image"][0].T, read_digits(DATA / "mnist", "train").images[9999])
