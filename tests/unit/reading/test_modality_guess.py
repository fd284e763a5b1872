"""Depth maps and radiographs of more than 8 bits, told apart by their values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import ScaleModalityd
from monai_degia.reading.modality_guess import guess_modality

RNG = np.random.default_rng(8)
Y, X = np.mgrid[:120, :90]
ANATOMY = np.clip(np.exp(-((X - 45) ** 2 + (Y - 60) ** 2) / 900) + 0.05 + RNG.normal(0, 0.01, X.shape), 0, 1)
HAND = (X - 45) ** 2 + (Y - 60) ** 2 < 900


def radiograph(bits: int, shift: int = 0, pedestal: int = 0) -> np.ndarray:
    return (pedestal + ANATOMY * (2**bits - 1 - pedestal)).astype(np.int64) << shift


DEPTH = {
    "cut out": np.where(HAND, 620 + 60 * np.sin(X / 9), 0),
    "cut out with an arm": np.where(HAND, 400 + Y * 2.5, 0),
    "a scene with holes": np.where(RNG.random(X.shape) < 0.05, 0, np.where(HAND, 600, 2400)),
    "without holes": np.where(HAND, 600, 820),
}
XRAYS = {
    "16 bits": radiograph(16),
    "12 bits": radiograph(12),
    "10 bits": radiograph(10),
    "12 in 16, high": radiograph(12, 4),
    "turned over": 65535 - radiograph(12),
    "collimated": np.where(X < 8, 0, radiograph(14, pedestal=300)),
    "pedestal": radiograph(12, pedestal=700),
}


def guess(values: np.ndarray, tmp_path: Path, suffix: str = ".png") -> str:
    Image.fromarray(values.astype(np.uint16)).save(tmp_path / f"a{suffix}")
    sample = ScaleModalityd("image")(
        LoadAnyImaged("image")({"image": str(tmp_path / f"a{suffix}"), "modality": "auto"})
    )
    return sample["modality"]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", DEPTH)
def test_depth_maps_stay_depth_maps(tmp_path: Path, name: str, suffix: str) -> None:
    assert guess(DEPTH[name], tmp_path, suffix) == "depth"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", XRAYS)
def test_radiographs_of_many_bits_are_no_depth_maps(tmp_path: Path, name: str, suffix: str) -> None:
    assert guess(XRAYS[name], tmp_path, suffix) == "xray"


def test_doubt_is_told_and_the_option_goes_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert guess(DEPTH["cut out"], tmp_path) == "depth" and guess(XRAYS["16 bits"], tmp_path) == "xray"
    assert "a.png" not in caplog.text
    assert guess(XRAYS["pedestal"], tmp_path) == "xray"
    assert "a.png" in caplog.text and "modality=depth or modality=xray" in caplog.text
    caplog.clear()
    item = {"image": str(tmp_path / "a.png"), "modality": "depth"}
    assert ScaleModalityd("image")(LoadAnyImaged("image")(item))["modality"] == "depth"
    assert "a.png" not in caplog.text


def test_one_radiograph_in_8_12_and_16_bits_is_one_picture(tmp_path: Path) -> None:
    eight = (ANATOMY * 255).round()
    eight[0, 0], eight[0, 1] = 0, 255
    found = []
    for values in (eight.astype(np.uint8), (eight * 257).astype(np.uint16), (eight * 16).astype(np.uint16)):
        Image.fromarray(values).save(tmp_path / "a.png")
        item = {"image": str(tmp_path / "a.png"), "modality": "auto"}
        found.append(ScaleModalityd("image")(LoadAnyImaged("image")(item))["image"].numpy())
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


@pytest.mark.parametrize(
    ("values", "meta", "modality"),
    [
        (torch.rand(1, 9, 9), {}, "photo"),
        (torch.full((3, 9, 9), 60000.0), {"mode": "RGB"}, "photo"),
        (torch.full((1, 9, 9), -1000.0), {}, "xray"),
        (torch.rand(1, 9, 9), {"photometric_interpretation": "MONOCHROME2"}, "xray"),
        (torch.zeros(1, 9, 9), {"mode": "I;16"}, "depth"),  # no measurement, which is said when it is scaled
        (torch.full((1, 9, 9), torch.nan), {}, "depth"),
    ],
)
def test_what_else_tells(values: torch.Tensor, meta: dict[str, str], modality: str) -> None:
    assert guess_modality(values, meta) == modality
