"""The smooth warp, random grounds, and the choice among ascents."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.ascent.adversarial import AdversarialAscent
from monai_degia.ascent.gradient_ascent import gradient_ascent
from monai_degia.ascent.one_of import OneOfAscents
from monai_degia.ascent.starts import PARAMETRIZATIONS
from monai_degia.ascent.warp import WarpParametrization
from monai_degia.augment.textures import random_grounds
from monai_degia.losses.classification import cross_entropy
from monai_degia.losses.objective import AscentObjective


def blob(x: float, y: float, side: int = 32) -> Tensor:
    place = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).float()
    return torch.exp(-(place - torch.tensor([x, y])).square().sum(-1) / 18)[None, None]


def centre(images: Tensor) -> Tensor:
    place = torch.stack(torch.meshgrid(*map(torch.arange, images.shape[2:]), indexing="ij"), -1).float()
    return (images[:, 0, ..., None] * place).sum((1, 2)) / images[:, 0].sum((1, 2))[:, None]


def test_no_displacement_gives_the_image_and_an_even_one_moves_it() -> None:
    image = torch.rand(2, 3, 32, 32)
    still = WarpParametrization(image, torch.zeros(2, 2, 4, 4))
    assert_close(still.decode(still.start), image)
    field = torch.zeros(1, 2, 4, 4)
    field[:, 0], field[:, 1] = 1.5, -0.5
    moved = WarpParametrization(blob(15, 15), field, reach=2.0).decode(field)
    # What a pixel shows comes from where the field points to.
    assert_close(centre(moved), torch.tensor([[12.0, 16.0]]), atol=0.02, rtol=0)


def test_the_ascent_moves_the_object_uphill() -> None:
    """The brightness at a place is largest with the object there."""
    image = blob(13, 16)

    def brightness_at(x: Tensor) -> Tensor:
        return x[:, 0, 16, 16]

    start = WarpParametrization(image, torch.zeros(1, 2, 4, 4))
    climbed = gradient_ascent(start, brightness_at, steps=12, step_size=0.5, rule="normalized")
    assert brightness_at(climbed) > 0.95 > 0.7 > brightness_at(image)


def test_what_bends_is_the_object_and_not_its_ground() -> None:
    ground = torch.rand(1, 1, 32, 32)
    field = torch.full((1, 2, 4, 4), 2.0)
    warped = WarpParametrization(torch.zeros(1, 1, 32, 32), field, ground=ground).decode(field)
    assert_close(warped, ground)
    white = WarpParametrization(torch.ones(1, 1, 32, 32), field, ground=ground).decode(field)
    assert_close(white, 1 - ground, msg="beyond white values are reflected")


def test_control_points_stay_within_reach() -> None:
    start = WarpParametrization.draw(torch.rand(1, 1, 32, 32))
    assert start.project(torch.tensor([-9.0, 0.5, 4.0]), (0, 1)).tolist() == [-3.0, 0.5, 3.0]


def test_wrong_shapes_and_reach() -> None:
    with pytest.raises(ValueError, match=r"start must have shape \(2, 2, 4, 4\)"):
        WarpParametrization(torch.rand(2, 1, 8, 8), torch.zeros(2, 2, 3, 3))
    with pytest.raises(ValueError, match="reach is a number of pixels"):
        WarpParametrization(torch.rand(1, 1, 8, 8), torch.zeros(1, 2, 4, 4), reach=0)


@pytest.mark.parametrize("name", ["scattered", "warp"])
def test_starts_follow_the_generator_and_differ_between_images(name: str) -> None:
    image = torch.rand(1, 3, 32, 32).expand(6, -1, -1, -1)
    starts = [PARAMETRIZATIONS[name](image, None, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    images = [start.decode(start.start) for start in starts]
    assert torch.equal(images[0], images[1]) and not torch.allclose(images[0], images[2])
    assert images[0].min() >= 0 and images[0].max() <= 1
    assert all((images[0][i] - images[0][j]).abs().mean() > 0.02 for i in range(6) for j in range(i))


def test_grounds_have_every_grain_colour_and_level() -> None:
    image = torch.zeros(300, 3, 32, 32)
    fields = random_grounds(image, torch.Generator().manual_seed(0))
    level = fields.mean((2, 3))
    assert abs(level.std() - 0.4) < 0.05 and abs(level.mean()) < 0.05
    texture = fields - level[:, :, None, None]
    assert texture.flatten(1).std(1).min() < 0.03 and 0.25 < texture.flatten(1).std(1).max() < 0.36
    neighbours = (texture[:, 0, 1:] * texture[:, 0, :-1]).mean((1, 2)) / texture[:, 0].square().mean((1, 2))
    assert neighbours.min() < 0.6 and neighbours.max() > 0.9, "from fine to coarse"
    colour = (texture[:, 0] * texture[:, 1]).mean((1, 2)) / (texture[:, :2].square().mean((2, 3)).prod(1).sqrt())
    assert colour.min() < 0.2 and colour.max() > 0.8, "from colourful to grey"


def make_ascent(parametrization: str, steps: int) -> AdversarialAscent:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    objective = AscentObjective(network, task_loss=cross_entropy, nll_weight=0, alpha=0)
    return AdversarialAscent(objective, parametrization, steps=steps, rule="normalized")


def test_one_of_them_climbs_each_batch_and_all_of_them_come_up() -> None:
    ascents = [make_ascent("pixel", 1), make_ascent("scattered", 2), make_ascent("warp", 3)]
    one = OneOfAscents(ascents, [2, 1, 1])
    image, target = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    seen = []
    for seed in range(80):
        one.set_random_state(seed)
        steps: list[int] = []
        out = one(image, target, on_step=steps.append)
        assert steps == list(range(1, one.steps + 1)) and torch.equal(out, one(image, target, randomize=False))
        seen.append(one.steps)
    assert seen.count(1) > 25 and min(seen.count(2), seen.count(3)) > 8
    one.set_random_state(5)
    first = one(image, target)
    one.set_random_state(5)
    assert torch.equal(one(image, target), first), "a seed decides"


@pytest.mark.parametrize(
    ("ascents", "weights", "message"),
    [([], None, "at least one ascent"), ([1], [1.0, 2.0], "for each of 1 ascents"), ([1, 2], [0, 0], "0 or more")],
)
def test_one_of_nothing(ascents: list[Any], weights: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OneOfAscents(ascents, weights)
