"""The wavelet flow: what its first transform does, from coarse to fine, default scales, messages."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.flows.haar import HaarSqueeze, cosine_matrix
from monai_degia.flows.slice_coupling import SliceCoupling
from monai_degia.flows.wavelet_flow import WaveletFlow


def randomised(flow: WaveletFlow) -> WaveletFlow:
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.3)
    return flow.eval()


def test_low_pass_is_twice_the_mean_of_each_block_and_comes_first() -> None:
    x = torch.rand(2, 3, 4, 6)
    z, log_det = HaarSqueeze(3)(x)
    assert_close(z[:, :3], 2 * nn.functional.avg_pool2d(x, 2), check_stride=False)
    assert torch.equal(log_det, torch.zeros(2))


def test_details_are_differences_and_vanish_where_the_image_is_flat() -> None:
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert HaarSqueeze(1)(x)[0].flatten().tolist() == [3, -2, -1, 0], "mean, along x, along y, both"
    assert_close(HaarSqueeze(2)(torch.ones(1, 2, 4, 4))[0][:, 2:], torch.zeros(1, 6, 2, 2), check_stride=False)


def test_details_of_a_volume_name_their_axes() -> None:
    along = torch.arange(2.0)
    for number, axes in enumerate([(2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4)], start=1):
        volume = torch.ones(1, 1, 2, 2, 2)
        for axis in axes:
            volume = volume * (2 * along - 1).view([2 if place == axis else 1 for place in range(5)])
        details = HaarSqueeze(1, spatial_dims=3)(volume)[0].flatten()
        assert (details.abs() > 1e-6).nonzero().flatten().tolist() == [number], axes
        assert_close(details[number].abs(), torch.tensor(8**0.5))


def test_a_grey_image_has_no_colour_after_mixing() -> None:
    z, _ = HaarSqueeze(3, mix_channels=True)(torch.rand(2, 1, 4, 4).expand(2, 3, 4, 4))
    colour = z[:, [1, 2, *range(6, 12)]]
    assert_close(colour, torch.zeros_like(colour), atol=1e-6, rtol=0)
    assert z[:, [0, 3, 4, 5]].abs().amin(dim=(0, 2, 3)).max() > 0, "vacuous: there is no grey either"


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_cosine_matrix_is_orthonormal(size: int) -> None:
    matrix = cosine_matrix(size)
    assert_close(matrix @ matrix.T, torch.eye(size))
    assert_close(matrix[0], torch.full((size,), size**-0.5))


def test_the_image_itself_keeps_its_precision_under_autocast() -> None:
    flow, x = randomised(WaveletFlow((8, 8), 3, hidden_channels=4)), torch.rand(2, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = flow(x)
        back, log_det_back = flow.inverse(z)
    assert z.dtype == log_det.dtype == torch.float32
    assert_close(back, x, atol=1e-4, rtol=0)
    assert_close(log_det_back, -log_det, atol=1e-2, rtol=1e-4)


def test_only_the_slice_moves() -> None:
    coupling, x = SliceCoupling(5, 1, 3, 4), torch.randn(2, 5, 4, 4)
    assert torch.equal(coupling(x)[0], x), "a new coupling is the identity"
    nn.init.normal_(coupling.net[-1].weight)
    changed = (coupling(x)[0] != x).any(dim=3).any(dim=2).all(dim=0)
    assert changed.tolist() == [False, True, True, False, False]


def test_log_scale_is_bounded() -> None:
    coupling = SliceCoupling(4, 2, 4, 8, max_log_scale=0.5)
    nn.init.normal_(coupling.net[-1].weight, std=100)
    log_det = coupling(torch.randn(2, 4, 3, 3))[1]
    assert log_det.abs().max() <= 0.5 * 18 and log_det.abs().max() > 0


@pytest.mark.parametrize("bounds", [(0, 4), (2, 2), (-1, 2), (3, 5)])
def test_a_slice_must_be_a_part(bounds: tuple[int, int]) -> None:
    message = f"some of 4 channels .* got start={bounds[0]} and stop={bounds[1]}"
    with pytest.raises(ValueError, match=message):
        SliceCoupling(4, *bounds)


@pytest.mark.parametrize(
    ("spatial_shape", "num_scales"), [((64, 64), 5), ((32, 32), 4), ((28, 28), 2), ((6, 10), 1), ((2, 2), 1)]
)
def test_default_scales_leave_two_pixels_a_side(spatial_shape: tuple[int, int], num_scales: int) -> None:
    assert len(WaveletFlow(spatial_shape, 1, couplings=1, hidden_channels=2).scales) == num_scales


def test_couplings_grow_fewer_from_scale_to_scale() -> None:
    flow = WaveletFlow((32, 32), 3, couplings=6, hidden_channels=2)
    counts = [sum(isinstance(layer, SliceCoupling) for layer in scale.bijections) for scale in flow.scales]
    assert counts == [6, 3, 2, 2 + 1], "the last scale moves its low-pass image too"


def test_new_flow_turns_the_image_and_changes_the_range() -> None:
    """An orthonormal turn keeps the length of every image."""
    flow, x = WaveletFlow((8, 8), 3, hidden_channels=4).eval(), torch.rand(2, 3, 8, 8)
    z, log_det = flow(x)
    assert_close(z.square().sum(1), (2 * x - 1).square().sum((1, 2, 3)))
    assert_close(log_det, torch.full((2,), 192 * math.log(2)))


def test_details_are_modelled_given_the_coarser_image() -> None:
    """The low-pass image passes its scale untouched but for ActNorm, so the coarse does not depend on the fine."""
    flow = randomised(WaveletFlow((8, 8), 1, num_scales=2, hidden_channels=4))
    x = torch.rand(2, 1, 8, 8)
    details = torch.rand(2, 1, 8, 8)
    details -= nn.functional.avg_pool2d(details, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    z, moved = flow(x)[0], flow(x + 0.1 * details)[0]
    assert_close(moved[:, 48:], z[:, 48:], atol=1e-5, rtol=1e-5)
    assert (moved[:, :48] - z[:, :48]).abs().max() > 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_every_detail_moves(channels: int) -> None:
    flow, x = WaveletFlow((4, 4), channels, num_scales=1, hidden_channels=4).eval(), torch.rand(2, channels, 4, 4)
    before = flow(x)[0]
    for name, parameter in flow.named_parameters():
        if "net" in name:
            nn.init.normal_(parameter, std=0.5)
    assert ((flow(x)[0] - before).abs() > 1e-6).all()


def test_state_dict_holds_no_constants() -> None:
    assert not any("matrix" in key for key in WaveletFlow((4, 4), 3, hidden_channels=2).state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_shape": (64, 30), "num_scales": 3}, r"spatial_shape .* = 8 .*got 30 .*24 or 32, or num_scales=1"),
        ({"spatial_shape": (45, 64)}, r"spatial_shape .* = 2 .*got 45 .*44 or 46\."),
        ({"spatial_shape": (0, 8)}, r"spatial_shape must be two or three positive sides .*\(0, 8\)"),
        ({"num_scales": 0}, "num_scales must be at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"couplings": 0}, "couplings must be at least 1, got 0"),
        ({"hidden_channels": -1}, "hidden_channels must be at least 1, got -1"),
    ],
)
def test_constructor_messages(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WaveletFlow(**{"spatial_shape": (8, 8), "in_channels": 1, **arguments})


def test_wrong_image_shape() -> None:
    x: Tensor = torch.rand(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"images of shape \(B, 1, 8, 8\), got \(.*resize them"):
        WaveletFlow((8, 8), 1)(x)


@pytest.mark.parametrize("dims", [2, 3])
def test_convolutions_after_the_first_transform_get_the_layout_they_are_fast_in(dims: int) -> None:
    z, _ = HaarSqueeze(2, spatial_dims=dims)(torch.rand(2, 2, *[4, 6, 8][:dims]))
    assert z.is_contiguous(memory_format=torch.channels_last if dims == 2 else torch.channels_last_3d)
    assert not z.is_contiguous(), "vacuous: both layouts are one"


def test_a_slice_by_default() -> None:
    coupling = SliceCoupling(4, 0, 1)
    assert [layer.out_channels for layer in coupling.net if isinstance(layer, nn.Conv2d)] == [32, 32, 2]
    nn.init.normal_(coupling.net[-1].weight, std=100)
    assert 1.5 * 9 < coupling(torch.randn(20, 4, 3, 3))[1].abs().max() <= 2.0 * 9
