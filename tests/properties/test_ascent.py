"""Gradient ascent against closed forms, and what it must leave alone."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.ascent.gradient_ascent import STEP_RULES, gradient_ascent
from monai_degia.ascent.parametrization import LatentParametrization, PixelParametrization

WIDE = (-1e6, 1e6)
SHAPE = (3, 2, 4, 5)


def per_sample(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: per_sample(weight[: len(x)] * x)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 50])
def test_iterate_on_a_quadratic(steps: int) -> None:
    """The gradient of <w, x> - g/2 |x - x0|^2 vanishes at x0 + w/g; each step shrinks the rest by 1 - eta g."""
    curvature, step_size = 1.7, 0.13
    x0, w = torch.randn(SHAPE), torch.randn(SHAPE)

    def objective(x: Tensor) -> Tensor:
        return per_sample(w * x - curvature / 2 * (x - x0) ** 2)

    reached = gradient_ascent(x0, objective, steps=steps, step_size=step_size, bounds=WIDE)
    assert_close(reached, x0 + (1 - (1 - step_size * curvature) ** steps) * w / curvature)


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1.0, 1e25])
def test_normalized_step_has_the_asked_length(scale: float) -> None:
    x0, w = torch.rand(SHAPE), scale * torch.randn(SHAPE)
    moved = gradient_ascent(x0, linear(w), steps=1, step_size=0.7, rule="normalized", bounds=WIDE) - x0
    assert_close(moved.flatten(1).norm(dim=1), torch.full((3,), 0.7), atol=1e-5, rtol=1e-5)
    direction = (w / scale).flatten(1)
    assert_close(torch.cosine_similarity(moved.flatten(1), direction), torch.ones(3), atol=1e-5, rtol=0)


def test_normalized_steps_add_up_along_a_line() -> None:
    x0, w = torch.rand(SHAPE), torch.randn(SHAPE)
    moved = gradient_ascent(x0, linear(w), steps=4, step_size=0.5, rule="normalized", bounds=WIDE) - x0
    assert_close(moved.flatten(1).norm(dim=1), torch.full((3,), 2.0), atol=1e-5, rtol=1e-5)


def test_sign_step_moves_every_pixel_by_the_step_size() -> None:
    x0, w = torch.rand(SHAPE), torch.randn(SHAPE)
    moved = gradient_ascent(x0, linear(w), steps=3, step_size=0.02, rule="sign", bounds=WIDE) - x0
    assert_close(moved, 0.06 * w.sign())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("x_waves", "y_waves"), [(0, 3), (2, 0), (5, 1), (4, 4)])
def test_sobolev_step_damps_a_wave_by_its_number(x_waves: int, y_waves: int) -> None:
    """Of a constant and a wave in the gradient, the step keeps the constant and shrinks the wave: (1 - D / 2^2)^-3."""
    x, y = (2 * torch.pi * torch.arange(side) / side for side in (16, 24))
    wave = torch.cos(x_waves * x)[:, None] * torch.cos(y_waves * y)
    step = gradient_ascent(
        torch.zeros(1, 1, 16, 24), linear(1 + wave[None, None]), steps=1, step_size=0.3, rule="sobolev"
    )
    kept = (1 + (x_waves**2 + y_waves**2) / 2**2) ** -3
    assert_close(step[0, 0], 0.3 * (1 + kept * wave) / (1 + kept))


def test_sobolev_climbs_and_each_sample_by_the_step_size() -> None:
    weight = torch.randn(4, 3, 36, 30) * torch.tensor([1e-6, 1.0, 1e3, 1.0]).view(-1, 1, 1, 1)
    start = torch.zeros(4, 3, 36, 30)
    reached = gradient_ascent(start, linear(weight), steps=1, step_size=0.2, rule="sobolev", bounds=WIDE)
    assert_close(reached.abs().amax((1, 2, 3)), torch.full((4,), 0.2))
    assert (linear(weight)(reached) > 0).all()
    rough, smooth = (x.diff(dim=2).abs().mean() / x.abs().mean() for x in (weight, reached))
    assert smooth < 0.7 * rough


def test_sobolev_keeps_the_ratio_of_channels() -> None:
    """The largest change is one of the sample, as colour is."""
    slope = torch.tensor([1.0, 0.5, -0.25]).view(1, 3, 1, 1).expand(1, 3, 4, 6)
    step = gradient_ascent(torch.zeros(1, 3, 4, 6), linear(slope), steps=1, step_size=0.3, rule="sobolev", bounds=WIDE)
    assert_close(step, 0.3 * slope)


def test_sobolev_needs_space() -> None:
    with pytest.raises(
        ValueError, match=r"smooths over space; the parameters have shape \(2, 8\): choose another rule"
    ):
        gradient_ascent(Flat(torch.rand(2, 8)), per_sample, steps=1, step_size=1.0, rule="sobolev")


def test_sobolev_smooths_along_one_axis_too() -> None:
    step = gradient_ascent(torch.zeros(1, 1, 8), lambda x: per_sample(x), steps=1, step_size=0.3, rule="sobolev")
    assert_close(step, torch.full((1, 1, 8), 0.3))


class Flat(PixelParametrization):
    """Parameters without spatial axes, as a latent code has them."""

    def decode(self, parameters: Tensor) -> Tensor:
        return parameters.view(len(parameters), 1, 4, 2)


@pytest.mark.parametrize("rule", ["normalized", "sign"])
def test_where_the_objective_is_flat_nothing_moves(rule: str) -> None:
    x0 = torch.rand(SHAPE)
    reached = gradient_ascent(x0, lambda x: per_sample(0 * x), steps=2, step_size=0.5, rule=rule)
    assert torch.equal(reached, x0)


@pytest.mark.parametrize("rule", STEP_RULES)
def test_no_step_is_identity_and_never_asks_the_objective(rule: str) -> None:
    def objective(x: Tensor) -> Tensor:
        raise RuntimeError("asked")

    x0 = torch.rand(SHAPE)
    assert torch.equal(gradient_ascent(x0, objective, steps=0, step_size=1.0, rule=rule), x0)


@pytest.mark.parametrize("rule", STEP_RULES)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 2.0)])
def test_values_stay_within_bounds(rule: str, bounds: tuple[float, float]) -> None:
    x0, w = torch.rand(SHAPE), 10 * torch.randn(SHAPE)
    seen: list[Tensor] = []

    def objective(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return linear(w)(x)

    reached = gradient_ascent(x0, objective, steps=3, step_size=9.0, rule=rule, bounds=bounds)
    assert len(seen) == 3
    for x in (*seen, reached):
        assert bounds[0] <= x.min() and x.max() <= bounds[1]
    # Steps this long reach the bounds: a clamp that is too tight would show.
    assert (reached.min(), reached.max()) == bounds


def test_a_pixel_does_not_run_away_beyond_a_bound() -> None:
    """Far up, then one small step down: what counts is the distance from the bound."""
    directions = iter([1.0, 1.0, -1.0])
    reached = gradient_ascent(
        torch.rand(SHAPE), lambda x: next(directions) * per_sample(x), steps=3, step_size=0.9, rule="sign"
    )
    assert_close(reached, torch.full(SHAPE, 0.1))


def test_a_pixel_at_a_bound_can_come_back() -> None:
    x0 = torch.zeros(1, 1, 2, 2)
    assert_close(gradient_ascent(x0, per_sample, steps=2, step_size=0.1), torch.full_like(x0, 0.2))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rule", STEP_RULES)
def test_batch_equals_its_samples_one_by_one(rule: str) -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(24, 1)).eval()
    x0 = torch.rand(SHAPE)

    def climb(x: Tensor) -> Tensor:
        return gradient_ascent(x, lambda x: net(x)[:, 0], steps=4, step_size=0.3, rule=rule)

    together = climb(x0)
    assert (together - x0).abs().amax((1, 2, 3)).min() > 1e-3, "vacuous: a sample did not move"
    assert_close(together, torch.cat([climb(x) for x in x0.split(1)]))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rule", ["gradient", "normalized"])
def test_objective_rises_at_every_step_on_a_smooth_concave_function(rule: str) -> None:
    x0, peak = torch.rand(SHAPE), torch.rand(SHAPE)

    def objective(x: Tensor) -> Tensor:
        return -per_sample(torch.log(torch.cosh(3 * (x - peak))))

    values = [objective(gradient_ascent(x0, objective, steps=n, step_size=0.02, rule=rule)) for n in range(8)]
    for before, after in pairwise(values):
        assert (after > before).all()


@pytest.mark.parametrize("train", [True, False])
def test_networks_inside_the_objective_are_left_alone(train: bool) -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(24, 1)).train(train)
    net[0].bias.requires_grad_(False)
    net[3].bias.grad = torch.tensor([7.0])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    flags = [p.requires_grad for p in net.parameters()]

    def objective(x: Tensor) -> Tensor:
        net.eval()
        value = net(x)[:, 0]
        net.train(train)
        return value

    x0 = torch.rand(SHAPE)
    reached = gradient_ascent(x0, objective, steps=3, step_size=0.5, rule="normalized")

    assert not torch.equal(reached, x0)
    assert not reached.requires_grad and not x0.requires_grad
    assert [p.requires_grad for p in net.parameters()] == flags
    assert [p.grad for p in list(net.parameters())[:-1]] == [None] * (len(flags) - 1)
    assert net[3].bias.grad == torch.tensor([7.0])
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_start_is_not_written_into() -> None:
    x0 = torch.rand(SHAPE)
    copy = x0.clone()
    gradient_ascent(x0, linear(torch.randn(SHAPE)), steps=3, step_size=0.5)
    assert torch.equal(x0, copy)


def test_works_where_gradients_are_switched_off() -> None:
    x0, w = torch.rand(SHAPE), torch.randn(SHAPE)
    with torch.no_grad():
        reached = gradient_ascent(x0, linear(w), steps=1, step_size=0.1, bounds=WIDE)
    assert_close(reached, x0 + 0.1 * w)


def test_steps_are_counted_from_one() -> None:
    counts: list[int] = []
    gradient_ascent(torch.rand(SHAPE), per_sample, steps=4, step_size=0.1, on_step=counts.append)
    assert counts == [1, 2, 3, 4]


def test_a_parametrization_climbs_its_own_parameters() -> None:
    """Images are twice the parameters plus one: parameters move by twice the gradient, images by four times."""

    class Doubled(LatentParametrization):
        def __init__(self, start: Tensor) -> None:
            self.start = start

        def decode(self, parameters: Tensor) -> Tensor:
            return 2 * parameters + 1

    start, w = torch.randn(SHAPE), torch.randn(SHAPE)
    reached = gradient_ascent(Doubled(start), linear(w), steps=1, step_size=0.1, bounds=WIDE)
    assert_close(reached, 2 * start + 1 + 4 * 0.1 * w)


GOOD: dict[str, Any] = {"steps": 1, "step_size": 0.1}
WRONG = {
    "steps": ({"steps": -1}, "steps must not be negative, got -1"),
    "no length": ({"step_size": 0.0}, "step_size must be positive .*got 0.0"),
    "downhill": ({"step_size": -0.5}, "step_size must be positive .*got -0.5"),
    "rule": ({"rule": "adam"}, "Unknown step rule 'adam'. Available: gradient, normalized, sign"),
    "bounds": ({"bounds": (1.0, 0.0)}, r"bounds must be \(low, high\) with low < high, got \(1.0, 0.0\)"),
    "range": ({"bounds": (0.5, 1.0)}, r"within bounds=\(0.5, 1.0\), got \[0, 0.25\]. Scale the images first"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    image = torch.tensor([0.0, 0.25]).view(1, 1, 1, 2)
    with pytest.raises(ValueError, match=message):
        gradient_ascent(image, per_sample, **{**GOOD, **arguments})


def test_nan_in_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="within bounds"):
        gradient_ascent(torch.full((1, 1, 2, 2), torch.nan), per_sample, **GOOD)


def test_whole_numbers_cannot_be_climbed() -> None:
    with pytest.raises(TypeError, match=r"floating point images, got torch\.uint8"):
        gradient_ascent(torch.ones(1, 1, 2, 2, dtype=torch.uint8), per_sample, **GOOD)


OBJECTIVES = {
    "mean over the batch": (lambda x: x.mean(), r"one value a sample, shape \(3,\), got \(\): reduce over everything"),
    "one value a pixel": (lambda x: x.sum(1), r"one value a sample, shape \(3,\), got \(3, 4, 5\)"),
    "infinite slope": (
        lambda x: per_sample((x - x.detach()).sqrt()),
        "not finite at ascent step 1: lower step_size=0.1",
    ),
    "value not a number": (lambda x: per_sample(x) + torch.nan, "not finite at ascent step 1"),
    "constant": (lambda x: torch.ones(len(x)), "does not depend on the images"),
    "constant, of parameters": (lambda x: nn.Parameter(torch.ones(3)) + 0, "does not depend on the images"),
}


@pytest.mark.parametrize(("objective", "message"), OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_unusable_objectives(objective: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient_ascent(torch.rand(SHAPE), objective, **GOOD)
