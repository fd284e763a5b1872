"""One bad file among others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from PIL import Image

from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.guarded import GuardedCompose
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd


def guarded(*more: object) -> GuardedCompose:
    chain = [LoadAnyImaged("image"), ScaleModalityd("image"), MatchChannelsd("image", 3), FileGeometryd("image"), *more]
    return GuardedCompose(chain, image_size=(8, 6), in_channels=3)


@pytest.fixture
def files(tmp_path: Path) -> list[dict[str, str]]:
    level = np.full((6, 8, 3), 100, dtype=np.uint8)
    for name in ("a.png", "c.png"):
        Image.fromarray(level).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    Image.fromarray(np.zeros((6, 8), dtype=np.uint16)).save(tmp_path / "d.png")
    names = ("a.png", "b.png", "c.png", "d.png", "missing.png")
    return [{"image": str(tmp_path / name), "modality": "auto"} for name in names]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_files_stand_in_a_batch_as_blanks_with_their_reason(files: list[dict[str, str]], num_workers: int) -> None:
    select = lambda sample: {key: sample[key] for key in ("image", "spacing", "modality")}  # noqa: E731
    loader = DataLoader(Dataset(files, guarded(select)), batch_size=5, num_workers=num_workers)
    (batch,) = list(loader)
    assert batch["image"].shape == (5, 3, 8, 6)
    assert batch["image"][[0, 2]].mean() == pytest.approx(100 / 255) and batch["image"][[1, 3, 4]].abs().max() == 0
    assert batch["modality"] == ["photo", "", "photo", "", ""]
    assert [bool(reason) for reason in batch["error"]] == [False, True, False, True, True]
    assert "b.png" in batch["error"][1] and "\n" not in batch["error"][1]
    assert "no measurement, all pixels are 0" in batch["error"][3]
    assert "missing.png" in batch["error"][4] and "Check that it exists" in batch["error"][4]
    assert batch["image"].meta["filename_or_obj"] == [item["image"] for item in files]


def test_an_error_that_nobody_foresaw_is_told_with_its_type(files: list[dict[str, str]]) -> None:
    def fail(sample: dict[str, object]) -> dict[str, object]:
        raise ZeroDivisionError("by zero")

    sample = guarded(fail)(files[0])
    assert sample["error"] == "ZeroDivisionError: by zero" and torch.isnan(sample["spacing"]).all()
