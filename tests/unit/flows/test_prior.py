"""The prior of Eq. (8): when noise is drawn, what the weights do, messages."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.flows.prior import ClassConditionalPrior


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def randomised(**kwargs: Any) -> ClassConditionalPrior:
    prior = ClassConditionalPrior(**{"num_features": 5, "num_classes": 3, "noise_features": 2, **kwargs})
    for parameter in prior.parameters():
        nn.init.normal_(parameter)
    return prior


def test_new_prior_without_shift_is_standard_normal() -> None:
    z = torch.randn(4, 5)
    expected = -0.5 * z.square().sum(1) - 2.5 * math.log(2 * math.pi)
    assert_close(ClassConditionalPrior(5, 2).eval().log_prob(z, torch.tensor([0, 1, 1, 0])), expected)


def test_noise_is_drawn_in_training_and_zero_in_eval() -> None:
    prior, z, c = randomised(shift_scale=0.5), torch.randn(4, 5), torch.tensor([0, 1, 2, 2])
    assert not torch.equal(prior.train().log_prob(z, c), prior.log_prob(z, c))
    assert torch.equal(prior.eval().log_prob(z, c), prior.log_prob(z, c))
    assert_close(prior.log_prob(z, c), prior.log_prob(z, c, torch.zeros(4, 2)))


def test_given_noise_is_used_in_both_modes() -> None:
    prior, z, c = randomised(shift_scale=0.5), torch.randn(4, 5), torch.tensor([0, 1, 2, 2])
    noise = prior.draw_noise(4)
    assert torch.equal(prior.train().log_prob(z, c, noise), prior.eval().log_prob(z, c, noise))
    assert not torch.isclose(prior.log_prob(z, c, noise), prior.log_prob(z, c)).all()
    assert_close(prior.log_prob(z + prior.shift(noise), c, noise), prior.log_prob(z, c))


def test_zero_lambda_switches_the_shift_off() -> None:
    prior, z, c = randomised(shift_scale=0.0).train(), torch.randn(4, 5), torch.tensor([0, 1, 2, 2])
    assert torch.equal(prior.log_prob(z, c), prior.log_prob(z, c, prior.draw_noise(4)))
    assert not [name for name, _ in prior.named_parameters() if "shift" in name]


def test_gamma_scales_the_class_mean() -> None:
    prior, c = randomised(gamma=-2.5).eval(), torch.tensor([2, 0])
    assert_close(prior.distribution(c).mean, -2.5 * prior.class_mean.weight[c])


def test_standard_deviation_is_bounded() -> None:
    prior = ClassConditionalPrior(2, 1)
    nn.init.constant_(prior.class_log_std.weight, -1e6)
    assert_close(prior.distribution(torch.tensor([0])).stddev, torch.full((1, 2), math.exp(-3)))


def test_samples_follow_the_class() -> None:
    prior = randomised().eval()
    samples = prior.sample(torch.full((20_000,), 1))
    assert_close(samples.mean(0), prior.class_mean.weight[1], atol=0.5, rtol=0)
    assert (prior.class_mean.weight[0] - prior.class_mean.weight[1]).abs().max() > 0.5


def test_drawn_noise_is_standard_normal() -> None:
    noise = ClassConditionalPrior(2, 1, noise_features=3).draw_noise(20_000)
    assert noise.shape == (20_000, 3) and not noise.requires_grad
    assert_close(noise.T.cov(), torch.eye(3), atol=0.05, rtol=0)


def test_noise_can_be_replayed() -> None:
    prior = randomised()
    first, second = (prior.draw_noise(4, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first, prior.draw_noise(4))


def test_noise_is_drawn_where_the_parameters_are() -> None:
    prior = randomised()
    with torch.device("meta"):  # another default, on which nothing has a value
        assert prior.draw_noise(4).device == prior.class_mean.weight.device == torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int64])
def test_any_integer_type_is_a_class(dtype: torch.dtype) -> None:
    prior, z = randomised().eval(), torch.randn(3, 5)
    assert torch.equal(prior.log_prob(z, torch.tensor([0, 2, 1]).to(dtype)), prior.log_prob(z, torch.tensor([0, 2, 1])))


@pytest.mark.parametrize(
    ("c", "message"),
    [
        (torch.tensor([0, 3, 1]), r"lie in \[0, 3\), got 3\. Set num_classes"),
        (torch.tensor([0, 1, -1]), r"lie in \[0, 3\), got -1"),
        (torch.tensor([0.0, 1.0, 2.0]), r"must be integers, got dtype torch.float32"),
        (torch.tensor([True, False, True]), r"must be integers, got dtype torch.bool"),
        (torch.zeros(3, 1, dtype=torch.long), r"shape \(B,\), got \(3, 1\)"),
        (torch.tensor(1), r"shape \(B,\), got \(\)"),
        (torch.tensor([0, 1]), r"got 2 classes for 3 latents"),
    ],
)
def test_wrong_classes(c: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        randomised().log_prob(torch.randn(3, 5), c)


def test_wrong_latents_and_noise() -> None:
    prior, c = randomised(), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"latents of shape \(B, 5\), got \(2, 4\)"):
        prior.log_prob(torch.randn(2, 4), c)
    with pytest.raises(ValueError, match=r"noise must be of shape \(2, 2\).*got \(3, 2\)"):
        prior.log_prob(torch.randn(2, 5), c, torch.randn(3, 2))
    with pytest.raises(ValueError, match=r"noise must be of shape \(2, 2\).*got \(2, 7\)"):
        prior.sample(c, torch.randn(2, 7))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_features": 0}, "num_features must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"noise_features": 0}, "noise_features must be at least 1, got 0"),
        ({"hidden_features": 0}, "hidden_features must be at least 1, got 0"),
        ({"gamma": math.nan}, "gamma must be a finite number, got nan"),
        ({"shift_scale": -0.1}, r"shift_scale must be a finite number >= 0, got -0.1"),
        ({"shift_scale": math.inf}, r"shift_scale must be a finite number >= 0, got inf"),
    ],
)
def test_constructor_messages(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        randomised(**arguments)


def test_a_prior_by_default() -> None:
    prior = ClassConditionalPrior(5, 2)
    assert (prior.gamma, prior.shift_scale, prior.noise_features) == (1.0, 0.1, 32)
    shapes = {name: tuple(parameter.shape) for name, parameter in prior.shift_net.named_parameters()}  # type: ignore
    assert shapes == {"0.weight": (64, 32), "2.weight": (5, 64)}, "H_m has no bias"


def test_latents_that_are_not_finite_have_no_likelihood_and_raise_nothing() -> None:
    """Who trains the flow says it with the iteration and a way out, and a check here would wait for the device."""
    z = torch.tensor([[0.0] * 5, [torch.nan] * 5])
    assert randomised().eval().log_prob(z, torch.tensor([0, 1])).isnan().tolist() == [False, True]
