"""The density of images: it agrees with autograd, integrates to 1, and can be learned."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, StudentT
from torch.testing import assert_close

from monai_degia.flows.flow_prior import KINDS, FlowPrior
from monai_degia.flows.prior import ClassConditionalPrior

SHAPES = {
    "1 x 4 x 4": (1, 4, 4),
    "3 x 4 x 4": (3, 4, 4),
    "1 x 8 x 4": (1, 8, 4),
    "1 x 2 x 2": (1, 2, 2),
    "volume": (1, 2, 4, 2),
}


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(previous)


def build(shape: tuple[int, ...], **kwargs: Any) -> FlowPrior:
    flow = FlowPrior(shape[1:], shape[0], num_classes=2, hidden_channels=5, noise_features=3, **kwargs)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.2)
    return flow.eval()


def with_scaled_log_det(flow: FlowPrior, factor: float = 1.05) -> FlowPrior:
    """A wrong copy: the log-determinant of F is 5 % too large."""
    wrong = copy.deepcopy(flow)

    def scale(module: nn.Module, inputs: object, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return output[0], factor * output[1]

    wrong.flow.register_forward_hook(scale)
    return wrong


def check_against_autograd(flow: FlowPrior, x: Tensor, c: Tensor, noise: Tensor) -> None:
    """Eq. (8) written out from the parameters, and the Jacobian from autograd."""
    jacobian = torch.stack([torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], v).flatten(1) for v in x])
    prior = flow.prior
    mean = prior.gamma * prior.class_mean.weight[c] + prior.shift(noise)
    log_std = 3 * (prior.class_log_std.weight[c] / 3).tanh()
    residual = (flow(x)[0] - mean) / log_std.exp()
    gaussian = -0.5 * residual.square().sum(1) - log_std.sum(1) - 0.5 * flow.num_dims * math.log(2 * math.pi)
    expected = gaussian + torch.linalg.slogdet(jacobian).logabsdet
    assert_close(flow.log_prob(x, c, noise), expected)
    assert_close(flow.bits_per_dim(x, c, noise), 8 - expected / math.log(2) / flow.num_dims)


def check_integrates_to_one(flow: FlowPrior, c: int, noise: Tensor | None, count: int = 100_000) -> None:
    """Importance sampling in 4 dimensions; the proposal has heavy tails and the spread of samples of the flow."""
    classes = torch.full((count,), c)
    noises = None if noise is None else noise.expand(count, -1)
    with torch.no_grad():
        pilot = flow.sample(classes[:5000], None if noises is None else noises[:5000]).flatten(1)
        scale = torch.linalg.cholesky(2 * pilot.T.cov())
        tails = StudentT(5.0)
        u = tails.sample((count, 4))
        x = pilot.mean(0) + u @ scale.T
        log_q = tails.log_prob(u).sum(1) - scale.diagonal().log().sum()
        weights = (flow.log_prob(x.view(-1, 1, 2, 2), classes, noises) - log_q).exp()
    standard_error = (weights.std() / math.sqrt(count)).item()
    if standard_error > 0.012:
        pytest.fail(f"the estimate is too noisy to judge: {standard_error}")
    integral = weights.mean().item()
    assert abs(integral - 1) < 4 * standard_error, f"the density integrates to {integral}"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_agrees_with_autograd(shape: tuple[int, ...], kind: str) -> None:
    flow, x, c = build(shape, gamma=1.3, shift_scale=0.4, kind=kind), torch.rand(3, *shape), torch.tensor([0, 1, 1])
    noise = flow.prior.draw_noise(3)

    assert flow(x)[1].abs().min() > 1e-2, "vacuous: log-det is zero"
    check_against_autograd(flow, x, c, noise)
    with pytest.raises(AssertionError):
        check_against_autograd(with_scaled_log_det(flow), x, c, noise)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shift_scale", "c"), [(0.0, 1), (0.8, 0)])
def test_density_integrates_to_one(shift_scale: float, c: int, kind: str) -> None:
    flow = build((1, 2, 2), shift_scale=shift_scale, kind=kind)
    noise = flow.prior.draw_noise(1) if shift_scale else None

    check_integrates_to_one(flow, c, noise)
    with pytest.raises(AssertionError, match="integrates to"):
        check_integrates_to_one(with_scaled_log_det(flow), c, noise)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_inverse_returns_the_image(shape: tuple[int, ...], kind: str) -> None:
    flow, x = build(shape, kind=kind), torch.rand(4, *shape)
    assert_close(flow.inverse(flow(x)[0]), x)


def test_samples_have_the_latent_mean_and_standard_deviation() -> None:
    flow, count = build((1, 2, 2), gamma=2.0, shift_scale=0.5), 20_000
    noise = flow.prior.draw_noise(1)
    z, _ = flow(flow.sample(torch.ones(count, dtype=torch.long), noise.expand(count, -1)))

    expected_mean = 2 * flow.prior.class_mean.weight[1] + flow.prior.shift(noise)[0]
    expected_std = (3 * (flow.prior.class_log_std.weight[1] / 3).tanh()).exp()
    assert (expected_mean - 2 * flow.prior.class_mean.weight[0]).abs().max() > 0.1, "vacuous: no class, no shift"
    tolerance = 5 * expected_std.max().item() / math.sqrt(count)
    assert_close(z.mean(0), expected_mean, atol=tolerance, rtol=0)
    assert_close(z.std(0), expected_std, atol=tolerance, rtol=0)


@pytest.mark.parametrize("weight_scale", [1e-3, 1.0, 50.0])
def test_shift_has_the_size_of_lambda_whatever_the_weights(weight_scale: float) -> None:
    prior = ClassConditionalPrior(200, 1, shift_scale=0.3, noise_features=8)
    for parameter in prior.parameters():
        nn.init.normal_(parameter, std=weight_scale)
    noise = prior.draw_noise(500)
    shift = prior.shift(noise)

    assert_close(shift.square().mean(1).sqrt(), 0.3 * noise.square().mean(1).sqrt())
    assert shift.std(0).min() > 0.01, "the shift does not depend on the noise"
    assert_close(prior.shift(torch.zeros(2, 8)), torch.zeros(2, 200))


def test_maximum_likelihood_does_not_shrink_the_shift() -> None:
    prior = ClassConditionalPrior(20, 1, shift_scale=0.5, noise_features=4)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (-prior.log_prob(torch.randn(64, 20), torch.zeros(64, dtype=torch.long)).mean()).backward()
        optimizer.step()
    noise = prior.draw_noise(1000)
    assert_close(prior.shift(noise).norm() / noise.norm() * math.sqrt(4 / 20), torch.tensor(0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_adam_lowers_bits_per_dim_below_those_of_a_gaussian(kind: str) -> None:
    """Toy images are strongly dependent pixels; one Gaussian per pixel cannot see that, the flow must."""
    torch.set_default_dtype(torch.float32)

    def toy(count: int) -> Tensor:
        amplitude = 0.2 + 0.6 * torch.rand(count, 1, 1, 1)
        return (amplitude * torch.linspace(0.5, 1, 8).view(1, 1, 8, 1) + 0.02 * torch.randn(count, 1, 8, 8)).clamp(0, 1)

    flow = FlowPrior((8, 8), 1, hidden_channels=8, kind=kind)
    optimizer, losses = torch.optim.Adam(flow.parameters(), lr=5e-3), []
    for _ in range(120):
        loss = flow.bits_per_dim(flow.dequantize(toy(64))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    held_out = toy(500)
    pixels = held_out.flatten(1)
    independent = 8 - Normal(pixels.mean(0), pixels.std(0)).log_prob(pixels).mean() / math.log(2)
    fitted = flow.eval().bits_per_dim(flow.dequantize(held_out)).mean()
    noise = 8 + math.log2(0.02 * math.sqrt(2 * math.pi * math.e))
    # Neighbours come as their difference in the wavelet flow, so its very first batch is near the end already.
    assert fitted < independent - 1 and fitted - noise < 0.5 * (losses[0] - noise)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shift_scale", [0.0, 0.3])
def test_every_parameter_gets_a_finite_gradient(shift_scale: float, kind: str) -> None:
    flow, noise = build((1, 4, 4), shift_scale=shift_scale, kind=kind), torch.randn(4, 3)
    flow.log_prob(torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 0, 1]), noise).sum().backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_zero_noise_gives_finite_gradients() -> None:
    prior = ClassConditionalPrior(6, 1, noise_features=3)
    noise = torch.zeros(2, 3, requires_grad=True)
    prior.log_prob(torch.randn(2, 6), torch.zeros(2, dtype=torch.long), noise).sum().backward()
    assert noise.grad is not None and torch.isfinite(noise.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in prior.parameters() if p.grad is not None)
