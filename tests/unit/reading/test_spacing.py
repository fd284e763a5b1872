"""Millimetres per pixel of an image that was resized, cropped, turned."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Flipd, Resized, ResizeWithPadOrCropd, Rotate90d, Rotated
from torch.testing import assert_close

from monai_degia.reading.spacing import PixelSpacingd

FILE = (0.2, 0.3)
TURN = 0.4
# A step along a turned axis goes along both axes of the file.
TURNED = (
    math.hypot(FILE[0] * math.cos(TURN), FILE[1] * math.sin(TURN)),
    math.hypot(FILE[0] * math.sin(TURN), FILE[1] * math.cos(TURN)),
)
MOVED: dict[str, tuple[Any, tuple[float, float]]] = {
    "untouched": (Compose([]), FILE),
    "smaller": (Resized("image", (20, 15)), (0.4, 1.2)),
    "larger": (Resized("image", (80, 120)), (0.1, 0.15)),
    "fitted and padded": (
        Compose([Resized("image", 30, size_mode="longest"), ResizeWithPadOrCropd("image", (30, 30))]),
        (0.4, 0.6),
    ),
    "mirrored": (Flipd("image", 0), FILE),
    "a quarter turn": (Rotate90d("image"), FILE[::-1]),
    "turned": (Rotated("image", TURN, keep_size=True), TURNED),
    "smaller, a quarter turn": (Compose([Resized("image", (20, 15)), Rotate90d("image")]), (1.2, 0.4)),
}


def sample(affine_scale: float = 1.0) -> dict[Any, Any]:
    affine = torch.diag(torch.tensor([-affine_scale, -affine_scale, 1.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.rand(1, 40, 60), affine=affine)
    image.meta["original_affine"] = affine.clone()
    return {"image": image}


@pytest.mark.parametrize(("transform", "expected"), MOVED.values(), ids=MOVED.keys())
@pytest.mark.parametrize("affine_scale", [1.0, 0.15])
@pytest.mark.parametrize("spacing", [list(FILE), np.array(FILE), torch.tensor(FILE)], ids=["list", "array", "tensor"])
def test_spacing_follows_the_image(
    transform: Any, expected: tuple[float, float], affine_scale: float, spacing: Any
) -> None:
    """The spacing of the file counts, whatever units its affine is in."""
    out = PixelSpacingd("image")(transform({**sample(affine_scale), "spacing": spacing}))["spacing"]
    assert out.dtype == torch.float32
    assert_close(out, torch.tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("given", [{}, {"spacing": None}])
def test_unknown_spacing_is_nan(given: dict[Any, Any]) -> None:
    out = PixelSpacingd("image", spacing_key="spacing")({**sample(), **given})
    assert out["spacing"].shape == (2,) and out["spacing"].isnan().all()


def test_other_key_and_given_sample_untouched() -> None:
    given = {**sample(), "mm": [1.0, 2.0]}
    out = PixelSpacingd("image", spacing_key="mm")(given)
    assert_close(out["mm"], torch.tensor([1.0, 2.0]))
    assert given["mm"] == [1.0, 2.0] and out["image"] is given["image"]


def test_missing_image() -> None:
    assert PixelSpacingd("image", allow_missing_keys=True)({"domain": "x"}) == {"domain": "x"}
    with pytest.raises(KeyError, match="image"):
        PixelSpacingd("image")({"domain": "x"})


@pytest.mark.parametrize("image", [torch.rand(1, 4, 4), MetaTensor(torch.rand(1, 4, 4))])
def test_image_that_is_not_tracked(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="PixelSpacingd needs 'image' with a tracked original_affine"):
        PixelSpacingd("image")({"image": image})


def test_a_dicom_files_own_spacing_counts_where_the_list_has_none() -> None:
    """The original affine holds it; one millimetre without a source may be what readers write for want of one."""
    unknown, own = sample(1.0), sample(0.2)
    unknown.pop("spacing", None), own.pop("spacing", None)
    own["image"].meta["spacing_source"] = "PixelSpacing"
    half = Resized("image", (20, 30))
    assert torch.isnan(PixelSpacingd("image")(half(unknown))["spacing"]).all()
    assert_close(PixelSpacingd("image")(half(own))["spacing"], torch.tensor([0.4, 0.4]))
    given = {**own, "spacing": np.array([0.5, 0.5], dtype=np.float32)}
    assert_close(PixelSpacingd("image")(half(given))["spacing"], torch.tensor([1.0, 1.0]))
