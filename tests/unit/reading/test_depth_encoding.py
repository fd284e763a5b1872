from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_degia.reading.depth_encoding import DecodeDepthd


def packed(depth_mm: torch.Tensor) -> MetaTensor:
    noise = torch.randint(0, 256, depth_mm.shape)
    affine = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
    image = torch.stack([noise, depth_mm // 256, depth_mm % 256]).float()
    return MetaTensor(image, affine=affine, meta={"filename_or_obj": "d.png"})


def test_every_value_comes_back() -> None:
    depth = torch.arange(65536).reshape(512, 128)
    image = packed(depth)
    out = DecodeDepthd("image")({"image": image, "depth_encoding": "nyu"})["image"]
    assert out.shape == (1, 512, 128) and out.dtype == torch.float32
    torch.testing.assert_close(out.as_tensor()[0], depth.float(), atol=0, rtol=0)
    torch.testing.assert_close(out.affine, image.affine)
    assert out.meta["filename_or_obj"] == "d.png" and image.shape == (3, 512, 128)


@pytest.mark.parametrize("encoding", ["nyu", None])
def test_beyond_the_window_nothing_is_measured(encoding: str | None) -> None:
    depth = torch.tensor([[0, 599, 600, 750], [900, 901, 2000, 256]])
    image = packed(depth) if encoding else MetaTensor(depth[None].float())
    out = DecodeDepthd("image")({"image": image, "depth_encoding": encoding, "depth_window_mm": [600, 900.0]})["image"]
    assert out.as_tensor()[0].tolist() == [[0, 0, 600, 750], [900, 0, 0, 0]]


def test_other_samples_are_left_alone() -> None:
    given = {"image": MetaTensor(torch.rand(3, 4, 4)), "modality": "depth"}
    assert DecodeDepthd("image")(given)["image"] is given["image"]
    assert DecodeDepthd("x", allow_missing_keys=True)({**given, "depth_encoding": "nyu"})["image"] is given["image"]


GOOD = packed(torch.full((4, 4), 700))
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "encoding": ({"depth_encoding": "icvl"}, "d.png: unknown depth_encoding 'icvl'. Available: nyu"),
    "channels": ({"image": GOOD[:1], "depth_encoding": "nyu"}, r"has 3 channels, got shape \(1, 4, 4\)"),
    "scaled": ({"image": GOOD / 255, "depth_encoding": "nyu"}, "whole numbers from 0 to 255"),
    "range": ({"image": GOOD + 256, "depth_encoding": "nyu"}, "whole numbers from 0 to 255"),
    "window": ({"depth_encoding": "nyu", "depth_window_mm": [5, 5]}, r"must be \[near, far\] in mm, got \[5, 5\]"),
    "window text": ({"depth_encoding": "nyu", "depth_window_mm": "near"}, r"must be \[near, far\]"),
    "empty": ({"depth_encoding": "nyu", "depth_window_mm": [1, 600]}, "nothing was measured from 1 to 600 mm"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecodeDepthd("image")({"image": GOOD, **change})
