from typing import Any

import monai
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, Flipd, Rotated
from torch import Tensor

from monai_degia.reading.file_geometry import FileGeometryd


def image(spacing: tuple[float, float], **meta: Any) -> MetaTensor:
    affine: Tensor = torch.tensor([-spacing[0], -spacing[1], 1, 1], dtype=torch.float64).diag()
    known = {"filename_or_obj": "x.dcm", "spatial_shape": (8, 6), "original_affine": affine}
    return MetaTensor(torch.rand(1, 8, 6), affine=affine, meta={**known, **meta})


NAN = (float("nan"), float("nan"))
CASES: dict[str, tuple[dict[str, Any], tuple[float, float], str]] = {
    "a tag tells": ({"image": image((0.2, 0.4), spacing_source="PixelSpacing")}, (0.2, 0.4), "PixelSpacing"),
    "a tag tells one mm": ({"image": image((1, 1), spacing_source="ImagerPixelSpacing")}, (1, 1), "ImagerPixelSpacing"),
    "no tag tells": ({"image": image((1, 1), spacing_source="")}, NAN, ""),
    "one mm by default": ({"image": image((1, 1))}, NAN, ""),
    "another format tells": ({"image": image((0.2, 0.4))}, (0.2, 0.4), "affine"),
    "given": ({"image": image((1, 1)), "spacing": [0.3, 0.5]}, (0.3, 0.5), "given"),
    "given against the tag": (
        {"image": image((0.2, 0.4), spacing_source="PixelSpacing"), "spacing": [1.0, 1.0]},
        (1, 1),
        "given",
    ),
    "given as unknown": ({"image": image((0.2, 0.4), spacing_source="PixelSpacing"), "spacing": NAN}, NAN, ""),
}


@pytest.mark.parametrize(("sample", "spacing", "source"), CASES.values(), ids=CASES.keys())
def test_spacing_goes_with_its_source(sample: dict[str, Any], spacing: tuple[float, float], source: str) -> None:
    done = FileGeometryd("image")(sample)
    torch.testing.assert_close(done["spacing"], torch.tensor(spacing, dtype=torch.float32), equal_nan=True)
    assert done["image"].meta["spacing_source"] == source


def test_identity_of_the_instance_is_kept_and_all_formats_collate() -> None:
    samples = [{"image": image((1, 1), sop_instance_uid="1.2.3", extra=1)}, {"image": image((2, 2), mode="L")}]
    batch = next(iter(DataLoader(Dataset(samples, FileGeometryd("image")), batch_size=2)))["image"]
    assert batch.meta["sop_instance_uid"] == ["1.2.3", ""] and batch.meta["spacing_source"] == ["", "affine"]
    assert set(map(str, batch.meta)) >= {"filename_or_obj", "spatial_shape", "original_affine", "affine"}
    assert not {"mode", "extra"} & set(map(str, batch.meta))


@pytest.mark.skipif(monai.__version__ < "1.6.1", reason="before, lazy transforms left affines of one shape")
def test_what_lazy_transforms_left_collates_whether_they_interpolated_or_not() -> None:
    steps = [Flipd("image", 0), Rotated("image", 0.3, mode="bilinear")]
    left = [Compose([step], lazy=True)({"image": image((0.2, 0.4))}) for step in steps]
    assert [tuple(sample["image"].affine.shape) for sample in left] == [(3, 3), (4, 4)], "vacuous"
    batch = next(iter(DataLoader(Dataset(left, FileGeometryd("image")), batch_size=2)))["image"]
    assert batch.affine.shape == batch.meta["original_affine"].shape == (2, 4, 4)
    torch.testing.assert_close(batch.affine[0, :2, :2], left[0]["image"].affine[:2, :2])
