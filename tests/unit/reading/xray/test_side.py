"""The side of the thumb against how radiographs of hands are taken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import FlipMarkedd
from monai_degia.reading.xray.side import thumb_side


@pytest.mark.parametrize(
    ("tags", "side"),
    [
        ({}, ""),
        ({"ImageLaterality": "R"}, "left"),
        ({"Laterality": "L"}, "right"),
        ({"ImageLaterality": "R", "ViewPosition": "AP"}, "right"),
        ({"ImageLaterality": "L", "ViewPosition": "AP"}, "left"),
        ({"ImageLaterality": "U", "StudyDescription": "XRAY RIGHT HAND", "ViewPosition": "PA"}, "left"),
        ({"SeriesDescription": "Hand, left, d.p."}, "right"),
        ({"StudyDescription": "left and right hand"}, ""),
        ({"StudyDescription": "both hands", "SeriesDescription": "RT"}, "left"),
        ({"StudyDescription": "bright leftover"}, ""),
        ({"Laterality": "R", "StudyDescription": "LEFT HAND"}, "left"),
        ({"ImageLaterality": "R", "Laterality": "L"}, ""),
    ],
)
def test_side_by_header(tags: dict[str, str], side: str) -> None:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    assert thumb_side(dataset) == side


@pytest.mark.parametrize(
    ("mirror", "laterality", "mirrored"),
    [("auto", "R", True), ("auto", "L", False), (True, "L", True), (False, "R", False)],
)
def test_hands_with_the_thumb_on_the_left_are_mirrored(
    write_xray: Callable[..., Path], mirror: object, laterality: str, mirrored: bool
) -> None:
    path = write_xray(np.arange(12, dtype=np.uint8).reshape(3, 4), ImageLaterality=laterality, StudyDescription="Doe")
    loaded = LoadAnyImaged("image")({"image": path, "mirror": mirror})
    assert "Doe" not in str(loaded["image"].meta)
    first, second = loaded["image"].as_tensor(), FlipMarkedd("image")(loaded)["image"].as_tensor()
    assert (second == first.flip(1)).all() if mirrored else (second == first).all()
