import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.networks.heads import HeatmapHead, RegressionHead, soft_argmax


@pytest.mark.parametrize(("i", "j"), [(0, 0), (7, 2), (11, 4)])
def test_a_peak_gives_the_centre_of_its_cell(i: int, j: int) -> None:
    heatmaps = torch.zeros(2, 3, 12, 5)
    heatmaps[1, 2, i, j] = 1e4
    u = soft_argmax(heatmaps)
    assert_close(u[1, 2], torch.tensor([(i + 0.5) / 12, (j + 0.5) / 5]))
    # A flat map gives the image centre.
    assert_close(u[0], torch.full((3, 2), 0.5))


def test_two_equal_peaks_give_their_midpoint_and_weights_follow_the_softmax() -> None:
    heatmaps = torch.full((1, 1, 8, 8), -1e4)
    heatmaps[0, 0, 1, 2] = 0.0
    heatmaps[0, 0, 5, 6] = torch.tensor(3.0).log()
    expected = torch.tensor([(1.5 + 3 * 5.5) / 4 / 8, (2.5 + 3 * 6.5) / 4 / 8])
    assert_close(soft_argmax(heatmaps)[0, 0], expected)


def test_shift_of_the_map_shifts_the_coordinates() -> None:
    torch.manual_seed(0)
    heatmaps = torch.full((2, 3, 16, 20), -1e4)
    heatmaps[:, :, 4:8, 5:9] = torch.randn(2, 3, 4, 4)
    shifted = soft_argmax(heatmaps.roll((3, -4), dims=(2, 3)))
    assert_close(shifted - soft_argmax(heatmaps), torch.tensor([3 / 16, -4 / 20]).expand(2, 3, 2))


def test_temperature_sharpens_towards_the_argmax() -> None:
    torch.manual_seed(0)
    features = [torch.randn(2, 8, 6, 6)]
    cold, warm = (HeatmapHead([(8, 6, 6)], (24, 24), 4, temperature=t).eval() for t in (1e-3, 1.0))
    nn.init.normal_(warm.output.weight)
    cold.load_state_dict({**warm.state_dict(), "log_temperature": cold.log_temperature})
    index = warm.heatmaps(features).flatten(2).argmax(2)
    cells = torch.stack([index // 6, index % 6], dim=2)
    assert_close(cold(features), (cells + 0.5) / 6, atol=1e-2, rtol=0)
    assert (warm(features) - (cells + 0.5) / 6).abs().max() > 0.05


@pytest.mark.parametrize("learnable", [False, True])
def test_temperature_is_a_parameter_only_on_request_and_is_saved(learnable: bool) -> None:
    head = HeatmapHead([(8, 4, 4)], (64, 64), 3, temperature=0.5, learnable_temperature=learnable)
    assert ("log_temperature" in dict(head.named_parameters())) == learnable
    assert_close(head.state_dict()["log_temperature"].exp(), torch.tensor(0.5))


@pytest.mark.parametrize(
    ("grid", "image_size", "expected"),
    [
        ((2, 2), (64, 64), (16, 16)),
        ((3, 3), (64, 48), (16, 12)),
        ((1, 2), (50, 70), (13, 18)),
        ((16, 16), (64, 64), (16, 16)),
        ((32, 8), (64, 64), (32, 16)),
    ],
)
def test_heatmaps_have_stride_4_or_the_finer_grid_of_the_features(
    grid: tuple[int, int], image_size: tuple[int, int], expected: tuple[int, int]
) -> None:
    head = HeatmapHead([(8, *grid)], image_size, 3, hidden_features=8)
    assert head.heatmaps([torch.randn(2, 8, *grid)]).shape == (2, 3, *expected)
    for (x, y), (next_x, next_y) in zip([grid, *head.grids], head.grids, strict=False):
        assert x <= next_x <= 2 * x and y <= next_y <= 2 * y


@pytest.mark.parametrize(("grid", "cells"), [((16, 9), 16 * 9), ((17, 16), 9 * 16), ((64, 40), 16 * 14), ((1, 1), 1)])
def test_regression_head_bounds_its_hidden_layer_and_loses_no_border(grid: tuple[int, int], cells: int) -> None:
    head = RegressionHead((3, *grid), (64, 64), 4, hidden_features=8)
    assert head.hidden.in_features == 3 * cells
    features = torch.rand(2, 3, *grid, requires_grad=True)
    head.hidden.weight.data.abs_()
    head.output.weight.data.abs_()
    head(features).sum().backward()
    assert features.grad is not None and (features.grad != 0).all(), "a cell of the map is never seen"


def test_regression_head_is_not_bounded() -> None:
    head = RegressionHead((3, 2, 2), (64, 64), 4)
    assert_close(head(torch.zeros(1, 3, 2, 2)), torch.full((1, 4, 2), 0.5), atol=0.02, rtol=0)
    nn.init.constant_(head.output.bias, 1.7)
    assert head(torch.zeros(1, 3, 2, 2)).min() > 1.6


def test_every_scale_has_a_say_in_the_heatmaps() -> None:
    shapes = [(5, 16, 12), (6, 8, 6), (7, 3, 2)]
    head = HeatmapHead(shapes, (64, 48), 4, hidden_features=8).eval()
    maps = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    heatmaps = head.heatmaps(maps)
    assert heatmaps.shape == (2, 4, 16, 12)
    for gradient in torch.autograd.grad(heatmaps.square().sum(), maps):
        assert (gradient.abs().amax((0, 2, 3)) > 0).all()
