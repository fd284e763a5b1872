"""Training in bfloat16: where it is chosen, what is computed in it, and what is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.inferers import SimpleInferer
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.engines.autocast import AutocastInferer
from monai_degia.engines.views import ViewsInferer
from monai_degia.networks.precision import native_bfloat16


class Spy(nn.Module):
    """A linear layer that tells in which precision it was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = nn.Linear(64, 3), torch.float64

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x.flatten(1))
        self.seen = y.dtype
        return y


def test_the_network_runs_in_bfloat16_and_the_prediction_is_float32() -> None:
    network, images = Spy(), torch.rand(5, 1, 8, 8)
    prediction = AutocastInferer(SimpleInferer())(images, network)
    assert network.seen == torch.bfloat16 and prediction.dtype == torch.float32
    assert_close(prediction, network(images), atol=0.02, rtol=0.02)
    assert network.seen == torch.float32, "autocast outlives the call"


def test_gradients_are_float32_and_near_the_exact_ones() -> None:
    network, images = Spy(), torch.rand(64, 1, 8, 8)
    gradients = []
    for inferer in (SimpleInferer(), AutocastInferer(SimpleInferer())):
        (gradient,) = torch.autograd.grad(inferer(images, network).square().mean(), network.layer.weight)
        gradients.append(gradient)
    assert gradients[1].dtype == torch.float32
    assert_close(gradients[1], gradients[0], atol=0.02 * float(gradients[0].abs().max()), rtol=0.05)


def test_what_an_inferer_does_around_the_network_keeps_its_precision() -> None:
    """Views are made by convolutions, which autocast would round."""
    network, images = Spy(), torch.rand(4, 1, 8, 8)
    seen: list[torch.dtype] = []

    def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
        seen.append((batch.flatten(1) @ torch.rand(64, 2)).dtype)
        return batch

    prediction = AutocastInferer(ViewsInferer(2, augment))(images, network)
    assert seen == [torch.float32] * 2 and network.seen == torch.bfloat16
    assert prediction.shape == (2, 4, 3)


def test_float16_is_refused() -> None:
    with pytest.raises(ValueError, match=r"trains in torch\.bfloat16, got torch\.float16: .*scaled gradients"):
        AutocastInferer(SimpleInferer(), torch.float16)


def test_the_trainer_learns_in_bfloat16(two_phases: Callable[..., Any], tmp_path: Path) -> None:
    exact = two_phases(tmp_path / "exact")
    low = two_phases(tmp_path / "low", autocast_dtype=torch.bfloat16)
    assert isinstance(low.trainer.inferer, AutocastInferer) and not isinstance(exact.trainer.inferer, AutocastInferer)
    for run in (exact, low):
        run.trainer.run()
    weights = [torch.cat([p.detach().flatten() for p in run.network.parameters()]) for run in (exact, low)]
    assert all(w.dtype == torch.float32 for w in weights)
    assert 0 < (weights[0] - weights[1]).abs().max() < 0.1


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_tile": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"neon": True, "bf16": True}, True),
        ({"neon": True, "bf16": False}, False),
    ],
)
def test_a_processor_without_instructions_for_it_keeps_float32(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert native_bfloat16("cpu") == (torch.bfloat16 if native else None)


def test_what_torch_cannot_tell_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert native_bfloat16(torch.device("cpu")) is None
    assert native_bfloat16("meta") is None


@pytest.mark.parametrize("emulated", [True, False])
def test_a_gpu_is_asked_without_emulation(monkeypatch: pytest.MonkeyPatch, emulated: bool) -> None:
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return including_emulation or not emulated

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert native_bfloat16("cuda:0") == (None if emulated else torch.bfloat16)
