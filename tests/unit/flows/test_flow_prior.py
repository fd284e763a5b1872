"""Flow and prior together: calls agree with each other, dequantisation, messages."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.flows.flow_prior import FlowPrior


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def randomised(seed: int = 0) -> FlowPrior:
    torch.manual_seed(seed)
    flow = FlowPrior((8, 4), 1, num_classes=3, hidden_channels=4, noise_features=2)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.2)
    return flow.eval()


def test_log_prob_from_latent_equals_log_prob_and_runs_the_flow_once() -> None:
    flow, x, c, noise = randomised(), torch.rand(3, 1, 8, 4), torch.tensor([2, 0, 1]), torch.randn(3, 2)
    z, log_det = flow(x)
    expected = flow.log_prob(x, c, noise)
    calls: list[int] = []
    flow.flow.register_forward_hook(lambda *_: calls.append(1))
    assert torch.equal(flow.log_prob_from_latent(z, log_det, c, noise), expected) and not calls
    assert_close(expected, flow.prior.log_prob(z, c, noise) + log_det)


@pytest.mark.parametrize(("shape", "spacing"), [((8, 4), 2), ((8, 8, 4), (4, 2, 1))])
def test_a_coarser_flow_has_the_density_of_the_means_of_blocks(shape: tuple, spacing: object) -> None:
    flow = FlowPrior(shape, 2, hidden_channels=4, shift_scale=0, flow_spacing=spacing).eval()
    coarse_shape = [side // block for side, block in zip(shape, flow.flow_spacing, strict=True)]
    plain = FlowPrior(coarse_shape, 2, hidden_channels=4, shift_scale=0).eval()
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.2)
    plain.load_state_dict(flow.state_dict())
    coarse = torch.rand(3, 2, *coarse_shape)
    x = flow.grow(coarse)
    assert x.shape == (3, 2, *shape)
    assert_close(flow.log_prob(x), plain.log_prob(coarse))
    assert_close(flow.inverse(flow(x)[0]), coarse)
    restored = FlowPrior.from_state_dict(flow.state_dict(), shape, 2, flow_spacing=spacing).eval()
    assert_close(restored.bits_per_dim(x), plain.bits_per_dim(coarse))
    x = x.clone().requires_grad_()
    flow.log_prob(x).sum().backward()
    assert x.grad is not None and x.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("spacing", "message"), [(3, "must divide"), (0, "must divide"), ((2, 2, 2), "needs one number, or one for each")]
)
def test_blocks_that_do_not_fit(spacing: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"flow_spacing {message}"):
        FlowPrior((8, 4), 1, flow_spacing=spacing)


def test_checkpointing_changes_memory_and_not_the_gradients() -> None:
    torch.manual_seed(0)
    plain = FlowPrior((8, 8, 4), 1, hidden_channels=16)
    thrifty = FlowPrior((8, 8, 4), 1, hidden_channels=16, use_checkpoint=True)
    thrifty.load_state_dict(plain.state_dict())
    x, noise = torch.rand(2, 1, 8, 8, 4), torch.zeros(2, 32)
    saved: dict[str, int] = {}
    for name, flow in (("plain", plain), ("thrifty", thrifty)):
        saved[name] = 0

        def keep(tensor: torch.Tensor, name: str = name) -> torch.Tensor:
            saved[name] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = flow.log_prob(x, noise=noise).sum()
        value.backward()
    for (name, a), b in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        if a.grad is not None and b.grad is not None:
            assert_close(a.grad, b.grad, msg=name)
    assert sum(parameter.grad is not None for parameter in thrifty.parameters()) > 10
    assert saved["thrifty"] < 0.5 * saved["plain"]


def test_no_class_means_class_zero() -> None:
    flow, x = randomised(), torch.rand(3, 1, 8, 4)
    zero = torch.zeros(3, dtype=torch.long)
    assert torch.equal(flow.log_prob(x, None), flow.log_prob(x, zero))
    assert not torch.isclose(flow.log_prob(x), flow.log_prob(x, zero + 1)).any()


def test_uniform_noise_costs_eight_bits() -> None:
    """Uniform density 1 on [0, 1] is 8 bits a value; a Gaussian latent can only do worse, by a known amount."""
    flow, x = FlowPrior((4, 4), 1).eval(), torch.rand(4, 1, 4, 4)
    y = 2 * x.flatten(1) - 1
    expected = 8 - 1 + (0.5 * y.square() + 0.5 * math.log(2 * math.pi)).mean(1) / math.log(2)
    assert_close(flow.bits_per_dim(x), expected)


def test_sample_gives_images_without_gradient_that_the_flow_takes_back() -> None:
    flow, c = randomised().double(), torch.tensor([0, 2])
    images = flow.sample(c, flow.prior.draw_noise(2))
    assert images.shape == (2, 1, 8, 4) and not images.requires_grad
    assert_close(flow.inverse(flow(images)[0]), images)


def test_inverse_carries_gradients_to_latents() -> None:
    flow, z = randomised(), torch.randn(2, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(flow.inverse(z).sum(), z)
    assert gradient.abs().min() > 0


def test_dequantize_spreads_each_level_over_its_interval() -> None:
    levels = torch.arange(256).repeat(200, 1)
    spread = FlowPrior((4, 4), 1).dequantize(levels / 255)
    assert spread.min() >= 0 and spread.max() <= 1
    within = 256 * spread - levels
    assert within.min() > -1e-3 and within.max() < 1 + 1e-3
    assert_close(within.mean(), torch.tensor(0.5), atol=0.01, rtol=0)
    assert_close(within.var(), torch.tensor(1 / 12), atol=0.005, rtol=0)


def test_dequantize_clamps_what_rounding_puts_beyond() -> None:
    """Interpolated white is 1 but for rounding: no reason to end a training run."""
    x = torch.tensor([1 + 2e-7, -2e-7]).repeat(1, 1, 4, 2)
    spread = FlowPrior((4, 4), 1).dequantize(x)
    assert spread.min() >= 0 and spread.max() <= 1


def test_dequantize_replays_with_a_generator() -> None:
    flow, x = FlowPrior((4, 4), 1), torch.rand(2, 1, 4, 4)
    first, second = (flow.dequantize(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first, flow.dequantize(x))


def test_state_dict_brings_back_the_same_density() -> None:
    trained, loaded, x = randomised(1), randomised(2), torch.rand(6, 1, 8, 4)
    trained.train()(x)
    assert not torch.isclose(trained.eval().log_prob(x), loaded.log_prob(x)).any()
    loaded.load_state_dict(trained.state_dict())
    loaded.train()(x / 2)
    assert torch.equal(trained.log_prob(x), loaded.eval().log_prob(x))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.tensor([0.0, 255.0]), ValueError, r"in \[0, 1\], got \[0, 255\].*ScaleIntensityd"),
        (torch.tensor([-0.5, 1.0]), ValueError, r"got \[-0.5, 1\]"),
        (torch.tensor([0.0, math.nan]), ValueError, r"got \[nan, nan\]"),
        (torch.tensor([0, 255]), TypeError, r"floating point images in \[0, 1\], got torch.int64"),
    ],
)
def test_dequantize_messages(x: torch.Tensor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FlowPrior((4, 4), 1).dequantize(x)


def test_wrong_image_shape_and_class() -> None:
    flow = randomised()
    with pytest.raises(ValueError, match=r"images of shape \(B, 1, 8, 4\), got \(2, 1, 4, 8\)"):
        flow.log_prob(torch.rand(2, 1, 4, 8))
    with pytest.raises(ValueError, match=r"lie in \[0, 3\), got 7"):
        flow.sample(torch.tensor([7]))
    with pytest.raises(ValueError, match=r"got 1 classes for 2 latents"):
        flow.log_prob(torch.rand(2, 1, 8, 4), torch.tensor([0]))
