"""The multi-scale flow: shapes, default scales, factoring out, messages."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.flows.real_nvp import RealNVP


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("spatial_shape", "num_scales"), [((64, 64), 3), ((28, 28), 2), ((32, 12), 2), ((6, 10), 1), ((128, 16), 3)]
)
def test_default_is_as_many_scales_as_divide_at_most_three(spatial_shape: tuple[int, int], num_scales: int) -> None:
    assert len(RealNVP(spatial_shape, 1, couplings_per_scale=1, hidden_channels=2).scales) == num_scales


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 2, 4), (2, 12, 8), (1, 16, 8), (3, 8, 8)])
def test_latents_are_flat_and_the_inverse_gives_images(shape: tuple[int, int, int]) -> None:
    flow, x = RealNVP(shape[1:], shape[0], hidden_channels=4), torch.rand(3, *shape)
    z, log_det = flow(x)
    assert z.shape == (3, math.prod(shape)) and log_det.shape == (3,)
    assert_close(flow.inverse(z)[0], x)


def test_new_flow_only_changes_the_range() -> None:
    flow, x = RealNVP((8, 8), 3, hidden_channels=4).eval(), torch.rand(2, 3, 8, 8)
    z, log_det = flow(x)
    assert_close(z.sort(dim=1).values, (2 * x - 1).flatten(1).sort(dim=1).values)
    assert_close(log_det, torch.full((2,), 192 * math.log(2)))


def test_two_couplings_change_every_entry() -> None:
    flow = RealNVP((4, 4), 1, num_scales=1, couplings_per_scale=2, hidden_channels=4).eval()
    x = torch.rand(2, 1, 4, 4)
    before = flow(x)[0]
    for name, parameter in flow.named_parameters():
        if "net" in name:
            nn.init.normal_(parameter, std=0.5)
    # The order of channels is the same in both flows, so entries can be compared place by place.
    assert ((flow(x)[0] - before).abs() > 1e-6).all()


def test_latents_of_the_first_scale_do_not_pass_the_second() -> None:
    flow, x = RealNVP((4, 4), 1, hidden_channels=4).eval(), torch.rand(2, 1, 4, 4)
    before = flow(x)[0]
    for parameter in flow.scales[1].parameters():
        nn.init.normal_(parameter, std=0.5)
    after = flow(x)[0]
    assert torch.equal(after[:, :8], before[:, :8])
    assert not torch.isclose(after[:, 8:], before[:, 8:]).any(dim=0).all()


def test_seed_decides_the_channel_orders() -> None:
    def orders(seed: int) -> list[list[int]]:
        flow = RealNVP((8, 8), 3, hidden_channels=2, seed=seed)
        return [b.tolist() for name, b in flow.named_buffers() if "permutation" in name]

    assert orders(0) == orders(0) != orders(1)


def test_state_dict_brings_back_the_same_map() -> None:
    x = torch.rand(8, 1, 8, 8)
    trained = RealNVP((8, 8), 1, hidden_channels=4, seed=1).train()
    trained(x)
    loaded = RealNVP((8, 8), 1, hidden_channels=4, seed=2).train()
    loaded.load_state_dict(trained.state_dict())
    assert_close(loaded(2 * x / 3), trained(2 * x / 3), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_shape": (64, 30), "num_scales": 3}, r"spatial_shape .* = 8 .*got 30 .*24 or 32, or num_scales=1"),
        ({"spatial_shape": (45, 64)}, r"spatial_shape .* = 2 .*got 45 .*44 or 46\."),
        ({"spatial_shape": (1, 2)}, r"got 1 .*that work: 2\."),
        ({"spatial_shape": (8, 8, 8, 8)}, r"spatial_shape must be two or three positive sides .*\(8, 8, 8, 8\)"),
        ({"spatial_shape": (0, 8)}, r"spatial_shape must be two or three positive sides .*\(0, 8\)"),
        ({"num_scales": 0}, "num_scales must be at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"couplings_per_scale": 0}, "couplings_per_scale must be at least 1, got 0"),
        ({"hidden_channels": -1}, "hidden_channels must be at least 1, got -1"),
        ({"residual_blocks": -1}, "residual_blocks must not be negative, got -1"),
    ],
)
def test_constructor_messages(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RealNVP(**{"spatial_shape": (8, 8), "in_channels": 1, **arguments})


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 8, 4), (1, 8, 8), (2, 64)])
def test_wrong_image_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images of shape \(B, 1, 8, 8\), got \(.*resize them"):
        RealNVP((8, 8), 1)(torch.rand(shape))


def test_wrong_latent_shape_and_type() -> None:
    flow = RealNVP((8, 8), 1)
    with pytest.raises(ValueError, match=r"latents of shape \(B, 64\), got \(2, 63\)"):
        flow.inverse(torch.rand(2, 63))
    with pytest.raises(TypeError, match=r"floating point images, got torch.uint8"):
        flow(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
