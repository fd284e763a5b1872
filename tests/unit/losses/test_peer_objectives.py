"""The objective on classes: ADA's feature cost, ME-ADA's entropy, the shift of probabilities, and what they cost."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.ascent.adversarial import AdversarialAscent
from monai_degia.losses.classification import cross_entropy
from monai_degia.losses.objective import AscentObjective
from monai_degia.networks.digit_lenet import DigitLeNet

NONE: dict[str, Any] = {"task_weight": 0.0, "nll_weight": 0.0, "alpha": 0.0, "prediction_weight": 0.0}
WEIGHTS: dict[str, Any] = {"task_weight": 1.3, "prediction_weight": 2.1, "feature_weight": 0.8, "entropy_weight": 1.7}
BATCH = 5


class Counting(DigitLeNet):
    """Says how often its convolutions, which are nearly all of its cost, were run."""

    def __init__(self) -> None:
        super().__init__(
            in_channels=1, num_classes=4, image_size=(16, 16), channels=(3, 4), hidden_features=(9,), dropout=0.5
        )
        self.calls = 0
        self.convolutions.register_forward_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1


class Setup:
    def __init__(self) -> None:
        self.network = Counting()
        for parameter in self.network.parameters():
            nn.init.normal_(parameter, std=0.3)
        self.image = torch.rand(BATCH, 1, 16, 16)
        self.moved = (self.image + 0.2 * torch.randn_like(self.image)).clamp(0, 1)
        self.target = torch.arange(BATCH) % 4

    def objective(self, **options: Any) -> AscentObjective:
        return AscentObjective(self.network, task_loss=cross_entropy, **{**NONE, **options})

    def value(self, x: Tensor | None = None, part: slice = slice(None), **options: Any) -> Tensor:
        with self.objective(**options).bind(self.image[part], self.target[part], None) as value:
            return value((self.moved if x is None else x)[part])

    def evaluated(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        self.network.eval()
        with torch.no_grad():
            result = function(x)
        self.network.train()
        return result


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_feature_term_is_a_cost(setup: Setup) -> None:
    h, source = (setup.evaluated(setup.network.features, x) for x in (setup.moved, setup.image))
    cost = ((h - source) ** 2).sum(1) / 9
    assert cost.min() > 1e-4
    assert_close(setup.value(feature_weight=0.8), -0.8 * cost)


def test_features_of_any_function_and_shape(setup: Setup) -> None:
    """What a gamma for a sum of squares becomes: here the features are the 256 pixels themselves."""
    cost = (setup.moved - setup.image).square().sum((1, 2, 3))
    assert_close(setup.value(feature_weight=0.5 * 256, features=lambda x: x), -0.5 * cost)


def test_features_of_a_module_are_those_of_eval_mode(setup: Setup) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(256, 3)).train()
    value = setup.value(feature_weight=1.0, features=other)
    assert other.training and other[1].training
    other.eval()
    assert_close(value, -(other(setup.moved) - other(setup.image)).detach().square().mean(1))


def test_entropy_term_is_a_gain(setup: Setup) -> None:
    p = setup.evaluated(setup.network, setup.moved).softmax(1)
    entropy = -(p * p.log()).sum(1)
    assert 0.01 < entropy.min() < entropy.max() < 1.38
    assert_close(setup.value(entropy_weight=1.7), 1.7 * entropy)


def test_prediction_term_on_probabilities(setup: Setup) -> None:
    p, source = (setup.evaluated(setup.network, x).softmax(1) for x in (setup.moved, setup.image))
    expected = 2.1 * (p - source).square().mean(1)
    assert expected.max() > 1e-4
    assert_close(setup.value(prediction_weight=2.1, prediction=nn.Softmax(dim=1)), expected)
    assert (setup.value(prediction_weight=2.1) - expected).abs().min() > 1e-4, "without it, on logits"


def test_terms_add_up(setup: Setup) -> None:
    alone = [setup.value(**{name: weight}) for name, weight in WEIGHTS.items()]
    assert_close(setup.value(**WEIGHTS), torch.stack(alone).sum(0))


def test_source_images_cost_nothing(setup: Setup) -> None:
    assert_close(setup.value(setup.image, feature_weight=1.0), torch.zeros(BATCH), atol=1e-10, rtol=0)


def test_value_of_a_sample_does_not_depend_on_its_batch(setup: Setup) -> None:
    alone = [setup.value(part=slice(i, i + 1), **WEIGHTS) for i in range(BATCH)]
    assert_close(torch.cat(alone), setup.value(**WEIGHTS), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weights", [WEIGHTS, {"feature_weight": 1.0}, {"task_weight": 1.0, "entropy_weight": 1.0}])
def test_one_pass_serves_all_terms(setup: Setup, weights: dict[str, Any]) -> None:
    sources = 1 if {"feature_weight", "prediction_weight"} & set(weights) else 0
    with setup.objective(**weights).bind(setup.image, setup.target, None) as value:
        value(setup.moved), value(setup.moved)
    assert setup.network.calls == sources + 2


@pytest.mark.parametrize("weights", [WEIGHTS, {"feature_weight": 1.0}])
def test_an_ascent_from_the_source_images_needs_no_pass_of_its_own(setup: Setup, weights: dict[str, Any]) -> None:
    with setup.objective(**weights).bind(setup.image, setup.target, None) as value:
        first = value(setup.image)
        then = value(setup.moved)
    assert setup.network.calls == 2
    assert_close(first, setup.value(setup.image, **weights))
    assert_close(then, setup.value(**weights))


def test_gradient_is_that_of_the_formula(setup: Setup) -> None:
    """ME-ADA written out, through autograd alone."""
    network, x = setup.network, setup.moved.clone().requires_grad_(True)
    with (
        setup.objective(task_weight=1.0, feature_weight=3.0, entropy_weight=0.5).bind(
            setup.image, setup.target, None
        ) as value,
        torch.enable_grad(),
    ):
        (gradient,) = torch.autograd.grad(value(x).sum(), x)
        log_p = network(x).log_softmax(1)
        terms = (
            -log_p[torch.arange(BATCH), setup.target]
            - 3.0 * (network.features(x) - network.features(setup.image)).square().mean(1)
            - 0.5 * (log_p.exp() * log_p).sum(1)
        )
        (expected,) = torch.autograd.grad(terms.sum(), x)
    assert expected.abs().max() > 1e-4
    assert_close(gradient, expected)


@pytest.mark.parametrize("parametrization", ["pixel", "appearance"])
def test_an_ascent_climbs_it(setup: Setup, parametrization: str) -> None:
    objective = setup.objective(task_weight=1.0, feature_weight=0.1, entropy_weight=0.5)
    ascent = AdversarialAscent(objective, parametrization, steps=8, step_size=0.1, rule="normalized")
    start = AdversarialAscent(objective, parametrization, steps=0)
    reached, begun = (a.set_random_state(3)(setup.image, setup.target) for a in (ascent, start))
    with objective.bind(setup.image, setup.target, None) as value:
        assert (value(reached) > value(begun) + 1e-3).all()
    assert all(parameter.grad is None for parameter in setup.network.parameters())


def test_features_that_the_network_does_not_offer() -> None:
    message = "feature_weight=0.5 weighs features, but Linear has no methods features and classify: pass features="
    with pytest.raises(ValueError, match=message):
        AscentObjective(nn.Linear(2, 2), nll_weight=0, alpha=0, feature_weight=0.5)


def test_entropy_of_a_regressor(setup: Setup) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 4), nn.Unflatten(1, (2, 2)))
    objective = AscentObjective(network, **{**NONE, "entropy_weight": 1.0})
    with objective.bind(setup.image, setup.target, None) as value, pytest.raises(ValueError, match=r"got \(5, 2, 2\)"):
        value(setup.moved)
