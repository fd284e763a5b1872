"""Errors in volumes, whose voxels are seldom cubes."""

import math

import pytest
import torch
from monai.data import MetaTensor
from torch.testing import assert_close

from monai_degia.metrics.errors import hand_size, landmark_size, nme, normalized_mse, radial_error
from monai_degia.metrics.landmark_metrics import (
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKMetric,
    SuccessDetectionRateMetric,
)
from monai_degia.metrics.summary import summarize_landmarks
from monai_degia.reading.landmarks import LandmarksToWorldd

# Voxels of 0.5 x 0.5 x 3 mm; the box around the landmarks is 40 x 20 x 10 voxels, or 20 x 10 x 30 mm.
SIZE, SPACING = (80, 64, 20), (0.5, 0.5, 3.0)
TARGET = torch.tensor([[[10.0, 10.0, 4.0], [50.0, 30.0, 14.0], [20.0, 15.0, 6.0]]])
SHIFT = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 8.0, 1.0], [0.0, 0.0, 0.0]]])
ERRORS = torch.tensor([[1.0, 5.0, 0.0]])  # 8 voxels of 0.5 mm and 1 of 3 mm are 5 mm


def normalised(points: torch.Tensor) -> torch.Tensor:
    return (points + 0.5) / torch.tensor(SIZE)


def test_millimetres_go_by_each_axis() -> None:
    assert_close(radial_error(TARGET + SHIFT, TARGET, SPACING), ERRORS)
    assert_close(radial_error(TARGET + SHIFT, TARGET), torch.tensor([[2.0, math.sqrt(65), 0.0]]))
    two = torch.cat([TARGET] * 2)
    each = radial_error(two + SHIFT, two, torch.tensor([SPACING, (1.0, 1.0, 1.0)]))
    assert_close(each, torch.cat([ERRORS, radial_error(TARGET + SHIFT, TARGET)]))


def test_world_coordinates_of_an_oblique_volume_have_the_same_errors() -> None:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3], affine[:3, 3] = turn * torch.tensor(SPACING), torch.tensor([7.0, -80.0, 31.0])
    sample = {"image": MetaTensor(torch.zeros(1, *SIZE), affine=affine), "x": (TARGET + SHIFT)[0], "y": TARGET[0]}
    world = LandmarksToWorldd(["x", "y"])(sample)
    assert_close(radial_error(world["x"][None], world["y"][None]), ERRORS, atol=1e-4, rtol=0)


def test_size_is_the_longest_side_or_a_distance_in_millimetres() -> None:
    spacing = torch.tensor(SPACING)
    assert hand_size(TARGET).item() == 40 and hand_size(TARGET * spacing).item() == 30
    assert_close(landmark_size(TARGET * spacing, (0, 1)), torch.tensor([math.sqrt(20**2 + 10**2 + 30**2)]))
    assert_close(nme(TARGET + SHIFT, TARGET, spacing=SPACING), ERRORS / 30)
    assert_close(nme((TARGET + SHIFT)[:, :1], TARGET[:, :1], None, 60.0, SPACING), ERRORS[:, :1] / 60)
    missing = TARGET.clone()
    missing[0, 1] = torch.nan
    found = nme(TARGET + SHIFT, missing, spacing=SPACING)  # of a box of 5 x 2.5 x 6 mm
    assert_close(found, torch.tensor([[1 / 6, torch.nan, 0.0]]), equal_nan=True)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (LandmarkMSEMetric(), ((2 / 80) ** 2 + (8 / 64) ** 2 + (1 / 20) ** 2) / 9),
        (MeanRadialErrorMetric(SIZE, SPACING), 2.0),
        (SuccessDetectionRateMetric(SIZE, thresholds_mm=(1.5, 6), spacing=SPACING), [2 / 3, 1.0]),
        (NormalizedMeanErrorMetric(SIZE, spacing=SPACING), 2 / 30),
        (PCKMetric(SIZE, (0.1,), spacing=SPACING), [2 / 3]),
    ],
)
def test_metrics_of_monai_engines(metric, expected) -> None:
    metric(normalised(TARGET + SHIFT), normalised(TARGET))
    assert_close(metric.aggregate(), torch.tensor(expected), atol=1e-4, rtol=1e-4)
    assert_close(
        normalized_mse(normalised(TARGET + SHIFT), normalised(TARGET))[0],
        LandmarkMSEMetric()(normalised(TARGET + SHIFT), normalised(TARGET)).mean(),
    )


def test_summary_measures_in_millimetres_where_they_are_known() -> None:
    names = ["a", "b", "c"]
    given = [normalised(TARGET + SHIFT)[0]] * 2, [normalised(TARGET)[0]] * 2
    told = summarize_landmarks(*given, SIZE, names, ["known", "unknown"], [SPACING, None])
    assert told["known"]["nme"] == pytest.approx(2 / 30, rel=1e-4)
    assert told["known"]["mre_mm"] == pytest.approx(2.0, rel=1e-4) and told["known"]["sdr"]["rates"][-1] == 1
    assert told["known"]["mre_px"] == told["unknown"]["mre_px"] == pytest.approx((2 + math.sqrt(65)) / 3, rel=1e-4)
    assert told["unknown"]["nme"] == pytest.approx((2 + math.sqrt(65)) / 3 / 40, rel=1e-4)
    assert told["unknown"]["mre_mm"] is None
    with pytest.raises(ValueError, match=r"three numbers \(x, y, z\) or None, got \[\(1.0, 1.0\), None\]"):
        summarize_landmarks(*given, SIZE, names, ["known"] * 2, [(1.0, 1.0), None])
