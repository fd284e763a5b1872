"""A flow comes back from its weights alone, whatever its shape, and also the flows that shipped."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_degia.flows.flow_prior import FlowPrior

MODELS = Path(__file__).parents[3] / "bundle" / "models"
SHAPES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "wavelets, one scale": {"num_scales": 1, "couplings": 3, "hidden_channels": 5},
    "wavelets, one coupling": {"couplings": 1, "num_classes": 4, "noise_features": 7},
    "wavelets, no shift": {"num_scales": 2, "shift_scale": 0.0},
    "RealNVP": {"kind": "real_nvp"},
    "RealNVP, one scale": {"kind": "real_nvp", "num_scales": 1, "couplings_per_scale": 5, "residual_blocks": 0},
    "RealNVP, deep": {"kind": "real_nvp", "couplings_per_scale": 2, "hidden_channels": 3, "residual_blocks": 3},
    "RealNVP, other order": {"kind": "real_nvp", "seed": 5, "num_classes": 2, "gamma": 0.5},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 3])
def test_the_flow_comes_back_from_its_weights(shape: dict[str, Any], channels: int) -> None:
    flow = FlowPrior((8, 16), channels, **shape)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.1)
    again = FlowPrior.from_state_dict(flow.state_dict(), (8, 16), channels, gamma=shape.get("gamma", 1.0)).eval()
    x, c = torch.rand(3, channels, 8, 16), torch.full((3,), flow.prior.num_classes - 1)
    assert torch.equal(again.log_prob(x, c), flow.eval().log_prob(x, c))
    assert again.prior.shift_scale == flow.prior.shift_scale


def test_the_flow_that_ships_loads_and_knows_photographs_from_noise() -> None:
    state = torch.load(MODELS / "flow.pt", weights_only=True)
    flow = FlowPrior.from_state_dict(state, (96, 96), 3).eval()
    even, noise = torch.full((1, 3, 96, 96), 0.5), torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert flow.bits_per_dim(even).item() < 4 < 7.5 < flow.bits_per_dim(noise).item()


@pytest.mark.parametrize("state", [{}, {"weight": torch.zeros(2)}, {"prior.class_mean.weight": torch.zeros(1, 4)}])
def test_a_state_of_something_else(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not one of FlowPrior: .*got (nothing|weight|prior).*flow\.pt"):
        FlowPrior.from_state_dict(state, (8, 8), 1)


@pytest.mark.parametrize("spatial_shape", [(16, 16), (8, 16)])
@pytest.mark.parametrize("kind", ["wavelet", "real_nvp"])
def test_a_state_for_other_images(spatial_shape: tuple[int, int], kind: str) -> None:
    state = FlowPrior((8, 8), 1, kind=kind, hidden_channels=2).state_dict()
    with pytest.raises(
        ValueError, match=rf"images of shape \(1, {spatial_shape[0]}, .* latents have 64 values. Pass the"
    ):
        FlowPrior.from_state_dict(state, spatial_shape, 1)


def test_sides_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match=r"spatial_shape must be divisible by .*got 9"):
        FlowPrior.from_state_dict(FlowPrior((8, 8), 1, hidden_channels=2).state_dict(), (9, 9), 1)


def test_a_state_with_a_part_missing() -> None:
    state = FlowPrior((8, 8), 1, hidden_channels=2).state_dict()
    del state["flow.scales.0.bijections.1.shift"]
    with pytest.raises(
        ValueError, match=r"no flow for images .*flow\.scales\.0\.bijections\.1\.shift has shape missing"
    ):
        FlowPrior.from_state_dict(state, (8, 8), 1)


def test_unknown_kind_and_unknown_argument() -> None:
    with pytest.raises(ValueError, match=r"Unknown kind of flow 'glow'\. Available: wavelet, real_nvp"):
        FlowPrior((8, 8), 1, kind="glow")
    with pytest.raises(TypeError, match="residual_blocks"):
        FlowPrior((8, 8), 1, residual_blocks=1)
