"""The objective of the maximisation phase: every term alone by its formula, signs, modes and randomness."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.objective import AscentObjective

NONE: dict[str, Any] = {"task_weight": 0.0, "nll_weight": 0.0, "alpha": 0.0, "prediction_weight": 0.0}
WEIGHTS: dict[str, Any] = {"task_weight": 1.3, "nll_weight": 0.7, "alpha": 0.9, "prediction_weight": 2.1}
BATCH = 5


class Setup:
    """Networks, a batch, and images that have moved away from it."""

    def __init__(self, flow: FlowPrior) -> None:
        self.network = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 6)
        )
        self.network.append(nn.Unflatten(1, (3, 2)))
        self.flow = flow
        self.image, self.target = torch.rand(BATCH, 1, 8, 8), torch.rand(BATCH, 3, 2)
        self.moved = (self.image + 0.2 * torch.randn_like(self.image)).clamp(0, 1)
        self.classes = torch.arange(BATCH) % 2

    def value(self, x: Tensor | None = None, seed: int = 0, part: slice = slice(None), **weights: Any) -> Tensor:
        """Value of images, by default the moved ones, with no weight but those given."""
        objective = AscentObjective(self.network, self.flow, **{**NONE, **weights})
        with objective.bind(
            self.image[part], self.target[part], self.classes[part], torch.Generator().manual_seed(seed)
        ) as f:
            return f((self.moved if x is None else x)[part])


@pytest.fixture(autouse=True)
def no_gradient() -> Any:
    with torch.no_grad():
        yield


@pytest.fixture
def setup(make_flow: Callable[..., FlowPrior]) -> Setup:
    return Setup(make_flow(shift_scale=0.0))


@pytest.fixture
def noisy(make_flow: Callable[..., FlowPrior]) -> Setup:
    return Setup(make_flow(shift_scale=1.0))


def test_task_term(setup: Setup) -> None:
    prediction = setup.network.eval()(setup.moved)
    expected = ((prediction - setup.target) ** 2).mean((1, 2))
    assert_close(setup.value(task_weight=1.3), 1.3 * expected)


def test_task_term_of_any_loss(setup: Setup) -> None:
    objective = AscentObjective(
        setup.network, task_loss=lambda p, t: (p - t).abs().amax((1, 2)), **{**NONE, "task_weight": 1}
    )
    with objective.bind(setup.image, setup.target, None) as value:
        expected = (setup.network(setup.moved) - setup.target).abs().amax((1, 2))
        assert_close(value(setup.moved), expected)


def test_autocast_rounds_the_task_network_and_nothing_else(setup: Setup) -> None:
    seen: list[torch.dtype] = []
    setup.network[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    exact = setup.value(**WEIGHTS)
    rounded = setup.value(**WEIGHTS, autocast_dtype=torch.bfloat16)
    assert seen == [torch.float32] * 2 + [torch.bfloat16] * 2, "source and moved images, each way"
    assert rounded.dtype == torch.float32
    assert_close(rounded, exact, atol=0.05, rtol=0.02)
    flow_alone = {"nll_weight": 0.7, "alpha": 0.9}
    assert_close(setup.value(**flow_alone, autocast_dtype=torch.bfloat16), setup.value(**flow_alone), atol=0, rtol=0)


def test_likelihood_term(setup: Setup) -> None:
    """Unlikely images are sought: the sign is that of the negative log-likelihood, in nats a dimension."""
    setup.flow.eval()
    log_prob = setup.flow.log_prob(setup.moved, setup.classes)
    assert_close(setup.value(nll_weight=0.7), -0.7 * log_prob / 64)
    other = setup.flow.log_prob(setup.moved, 1 - setup.classes)
    assert (other - log_prob).abs().min() > 1e-3, "vacuous: classes do not matter"


def test_likelihood_term_uses_the_noise_it_draws(noisy: Setup) -> None:
    noisy.flow.eval()
    noise = noisy.flow.prior.draw_noise(BATCH, torch.Generator().manual_seed(4))
    expected = -noisy.flow.log_prob(noisy.moved, noisy.classes, noise) / 64
    assert_close(noisy.value(nll_weight=1.0, seed=4), expected)
    assert (expected + noisy.flow.log_prob(noisy.moved, noisy.classes) / 64).abs().min() > 1e-3, "vacuous: no shift"


def test_transport_term_is_a_cost(setup: Setup) -> None:
    z, source = setup.flow(setup.moved)[0], setup.flow(setup.image)[0]
    cost = ((z - source) ** 2).mean(1)
    assert cost.min() > 1e-3
    assert_close(setup.value(alpha=0.9), -0.9 * cost)


def test_wasserstein_term_is_a_cost(setup: Setup) -> None:
    z, source = setup.flow(setup.moved)[0], setup.flow(setup.image)[0]
    cost = (z.mean(1) - source.mean(1)) ** 2 + (z.var(1, correction=0).sqrt() - source.var(1, correction=0).sqrt()) ** 2
    assert cost.min() > 1e-6
    assert_close(setup.value(alpha=0.9, distance="wasserstein"), -0.9 * cost)


def test_prediction_term_is_a_gain(setup: Setup) -> None:
    """The paper's sign: a prediction that moves away raises the objective; a negative weight holds it back."""
    setup.network.eval()
    shift = ((setup.network(setup.moved) - setup.network(setup.image)) ** 2).mean((1, 2))
    assert shift.min() > 1e-5
    assert_close(setup.value(prediction_weight=2.1), 2.1 * shift)
    assert_close(setup.value(prediction_weight=-1.0), -shift)


def test_terms_add_up(noisy: Setup) -> None:
    alone = [noisy.value(**{name: weight}) for name, weight in WEIGHTS.items()]
    assert_close(noisy.value(**WEIGHTS), torch.stack(alone).sum(0))
    assert torch.equal(noisy.value(), torch.zeros(BATCH))


@pytest.mark.parametrize(
    "weights", [{"alpha": 1.0}, {"prediction_weight": 1.0}, {"alpha": 1.0, "distance": "wasserstein"}]
)
def test_leaving_the_source_costs_nothing_before_it_is_left(setup: Setup, weights: dict[str, Any]) -> None:
    assert_close(setup.value(setup.image, **weights), torch.zeros(BATCH), atol=1e-10, rtol=0)
    assert setup.value(**weights).abs().min() > 1e-6


@pytest.mark.parametrize("distance", ["transport", "wasserstein"])
def test_value_of_a_sample_does_not_depend_on_its_batch(setup: Setup, distance: str) -> None:
    together = setup.value(**WEIGHTS, distance=distance)
    alone = [setup.value(part=slice(i, i + 1), **WEIGHTS, distance=distance) for i in range(BATCH)]
    assert_close(torch.cat(alone), together, atol=1e-5, rtol=1e-5)


def test_noise_is_fixed_while_bound(noisy: Setup) -> None:
    objective = AscentObjective(noisy.network, noisy.flow, **WEIGHTS)
    generator = torch.Generator().manual_seed(0)
    values = []
    for _ in range(2):
        with objective.bind(noisy.image, noisy.target, noisy.classes, generator) as value:
            values.append(value(noisy.moved))
            assert torch.equal(value(noisy.moved), values[-1])
    assert (values[0] - values[1]).abs().max() > 1e-4, "each bind draws anew"
    assert torch.equal(noisy.value(**WEIGHTS), values[0]), "the generator decides"


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_networks_are_in_eval_mode_inside_and_as_before_outside(setup: Setup, train: bool, fails: bool) -> None:
    modules = [*setup.network.modules(), *setup.flow.modules()]
    setup.network.train(train), setup.flow.train(train)
    inside: list[bool] = []
    objective = AscentObjective(setup.network, setup.flow)
    try:
        with objective.bind(setup.image, setup.target, setup.classes) as value:
            value(setup.moved)
            inside = [module.training for module in modules]
            if fails:
                raise RuntimeError("the ascent broke off")
    except RuntimeError:
        assert fails
    assert not any(inside) and len(inside) == len(modules)
    assert [module.training for module in modules] == [train] * len(modules)


def test_layers_that_were_frozen_stay_frozen(setup: Setup) -> None:
    """Fine-tuning keeps batch statistics by a layer in eval mode inside a network in train mode."""
    setup.network.train()
    setup.network[1].eval()
    setup.value(**WEIGHTS)
    assert setup.network.training and setup.network[3].training
    assert not setup.network[1].training


def test_source_images_pass_the_networks_once(setup: Setup) -> None:
    seen: list[Tensor] = []
    setup.network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    setup.flow.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with AscentObjective(setup.network, setup.flow).bind(setup.image, setup.target, setup.classes) as value:
        value(setup.moved), value(setup.moved)
    assert [x is setup.image for x in seen] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("weights", "calls"), [({"task_weight": 1.0}, (1, 0)), ({"nll_weight": 1.0}, (0, 1)), ({}, (0, 0))]
)
def test_terms_without_weight_cost_nothing(setup: Setup, weights: dict[str, Any], calls: tuple[int, int]) -> None:
    counts = [0, 0]
    for i, module in enumerate((setup.network, setup.flow)):
        module.register_forward_hook(lambda *_, i=i: counts.__setitem__(i, counts[i] + 1))
    setup.value(**weights)
    assert tuple(counts) == calls


def test_without_flow(setup: Setup) -> None:
    objective = AscentObjective(setup.network, nll_weight=0, alpha=0, task_weight=1.3, prediction_weight=2.1)
    with objective.bind(setup.image, setup.target, None) as value:
        assert_close(value(setup.moved), setup.value(task_weight=1.3, prediction_weight=2.1))


@pytest.mark.parametrize("weights", [{"nll_weight": 0.5, "alpha": 0.0}, {"nll_weight": 0.0, "alpha": 2.0}])
def test_flow_terms_need_a_flow(weights: dict[str, Any]) -> None:
    message = f"nll_weight={weights['nll_weight']} and alpha={weights['alpha']} .* flow is None: pass a FlowPrior"
    with pytest.raises(ValueError, match=message):
        AscentObjective(nn.Identity(), **weights)


def test_unknown_distance() -> None:
    with pytest.raises(ValueError, match=r"Unknown distance 'sinkhorn'. Available: transport, wasserstein"):
        AscentObjective(nn.Identity(), nll_weight=0, alpha=0, distance="sinkhorn")


def test_the_weights_by_default(noisy: Setup) -> None:
    objective = AscentObjective(noisy.network, noisy.flow)
    with objective.bind(noisy.image, noisy.target, noisy.classes, torch.Generator().manual_seed(2)) as value:
        assert_close(value(noisy.moved), noisy.value(seed=2, **dict.fromkeys(WEIGHTS, 1.0)))


@pytest.mark.parametrize(("distance", "passes"), [(5e-7, 1), (5e-6, 2)])
def test_images_are_the_source_up_to_rounding(setup: Setup, distance: float, passes: int) -> None:
    """Then the first pass serves both; images further away must not be taken for their own source."""
    seen: list[Tensor] = []
    setup.network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    image = torch.full_like(setup.image, 0.9)
    objective = AscentObjective(setup.network, **{**NONE, "prediction_weight": 1.0})
    with objective.bind(image, setup.target, None) as value:
        value(image + distance)
    assert len(seen) == passes
