"""Smooth fields of a batch: against SciPy's splines and torch's interpolation."""

import pytest
import torch
from scipy.interpolate import RBFInterpolator
from torch.nn import functional as F
from torch.testing import assert_close

from monai_degia.augment.splines import grow_grids, thin_plate_splines


@pytest.mark.parametrize("smoothing", [0.0, 1e-4, 0.1])
def test_thin_plates_are_those_of_scipy(smoothing: float) -> None:
    noise = torch.Generator().manual_seed(0)
    knots, values = (torch.rand(3, 37, 2, generator=noise, dtype=torch.float64) for _ in range(2))
    places = 1.4 * torch.rand(50, 2, generator=noise, dtype=torch.float64) - 0.2
    found = thin_plate_splines(knots, values, places, smoothing)
    for i in range(3):
        spline = RBFInterpolator(knots[i].numpy(), values[i].numpy(), kernel="thin_plate_spline", smoothing=smoothing)
        assert_close(found[i], torch.as_tensor(spline(places.numpy())), atol=1e-8, rtol=0)
    through = torch.stack([thin_plate_splines(knots, values, own, smoothing)[i] for i, own in enumerate(knots)])
    assert ((through - values).abs().max() < 1e-8) == (smoothing == 0)


def test_smoothing_survives_knots_that_coincide() -> None:
    knots = torch.rand(2, 20, 2, dtype=torch.float64)
    knots[:, 7] = knots[:, 3]
    found = thin_plate_splines(knots, torch.rand(2, 20, 2, dtype=torch.float64), knots[0], smoothing=1e-4)
    assert torch.isfinite(found).all() and found.abs().max() < 10


@pytest.mark.parametrize(("grid", "shape"), [((3, 3), (64, 64)), ((16, 16), (72, 60)), ((4, 5), (3, 40))])
def test_grids_grow_as_torch_interpolates(grid: tuple[int, int], shape: tuple[int, int]) -> None:
    grids = torch.rand(4, 2, *grid)
    expected = F.interpolate(grids, shape, mode="bicubic", align_corners=True)
    assert_close(grow_grids(grids, shape), expected, atol=1e-5, rtol=0)
