from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch.testing import assert_close

from monai_degia.augment.background import RandBackgroundd
from monai_degia.augment.plain_ground import separate_ground
from monai_degia.augment.scenery import random_scenery
from monai_degia.engines.augmented_batch import PrepareAugmentedBatch
from monai_degia.engines.batches import PrepareLandmarkBatch

SIZE = (80, 64)
CENTRE, RADIUS = (36.0, 30.0), 15.0
COLOUR = torch.tensor([0.8, 0.55, 0.4])[:, None, None]


def grid() -> tuple[torch.Tensor, torch.Tensor]:
    x, y = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in SIZE), indexing="ij")
    return x, y


def object_share() -> torch.Tensor:
    """How much of each pixel a disc covers, (X, Y)."""
    x, y = grid()
    return (RADIUS + 0.5 - torch.hypot(x - CENTRE[0], y - CENTRE[1])).clamp(0, 1)


def uneven_ground() -> torch.Tensor:
    """A green wall in the light of a lamp, with noise, (3, X, Y)."""
    x, y = (axis / side for axis, side in zip(grid(), SIZE, strict=True))
    light = 0.5 + 0.3 * x - 0.25 * y**2 + 0.1 * x * y
    noise = 0.01 * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return torch.stack([0.3 * light, light, 0.4 * light]) + noise


def before(ground: torch.Tensor) -> torch.Tensor:
    return ground.lerp(COLOUR.expand_as(ground), object_share())


def points() -> torch.Tensor:
    angles = torch.linspace(0, 2 * torch.pi, 12)
    return torch.stack([CENTRE[0] + 13 * angles.cos(), CENTRE[1] + 13 * angles.sin()], -1)


def clutter() -> torch.Tensor:
    return torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))


def sample(image: torch.Tensor | None = None) -> dict[str, Any]:
    image = before(uneven_ground()) if image is None else image
    return {"image": MetaTensor(image, meta={"filename_or_obj": "a.png"}), "landmarks": points().numpy()}


@pytest.mark.parametrize("told", [True, False], ids=["around landmarks", "at the border"])
def test_ground_and_object_come_apart_as_they_were_put_together(told: bool) -> None:
    wall = uneven_ground()
    ground, share, plain = separate_ground(before(wall)[None], points()[None] if told else None)
    assert bool(plain)
    assert (ground[0] - wall).abs().mean() < 0.02
    assert (share[0, 0] - (1 - object_share())).abs().max() < 0.2
    assert (share[0, 0] - (1 - object_share())).abs().mean() < 0.01


def test_half_covered_pixels_are_half_ground() -> None:
    share = separate_ground(before(uneven_ground())[None], points()[None])[1][0, 0]
    edge = (object_share() > 0.3) & (object_share() < 0.7)
    assert edge.sum() > 20
    assert (share[edge] - (1 - object_share()[edge])).abs().mean() < 0.06


def test_no_plain_ground_no_change() -> None:
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    for image in (clutter(), before(clutter())):
        assert_close(change(sample(image))["image"].as_tensor(), image)


def test_landmarks_that_lie_on_the_ground_keep_it() -> None:
    # An object of the ground's colour, or landmarks that are off: what is taken for ground there may be object.
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    given = {**sample(), "landmarks": points().numpy() + np.float32(14)}
    assert_close(change(given)["image"].as_tensor(), given["image"].as_tensor())


def test_object_stays_and_the_scene_stands_behind_it() -> None:
    change = RandBackgroundd("image", prob=1.0).set_random_state(3)
    given = sample()
    changed = change(given)
    seed = int(change.draws[1] * 2**31)
    scene = random_scenery(given["image"].as_tensor(), torch.Generator().manual_seed(seed))
    inside, outside = object_share() == 1, object_share() == 0
    assert (changed["image"] - given["image"])[:, inside].abs().max() < 0.02
    away = (changed["image"].as_tensor() - scene)[:, outside].abs()
    assert away.mean() < 0.02  # the wall's noise stays
    expected = scene.lerp(COLOUR.expand_as(scene), object_share())
    edge = (object_share() > 0.1) & (object_share() < 0.9)
    assert (changed["image"].as_tensor() - expected)[:, edge].abs().mean() < 0.06
    assert changed["image"].meta["filename_or_obj"] == "a.png"
    assert_close(changed["landmarks"], given["landmarks"])
    assert 0 <= float(changed["image"].min()) <= float(changed["image"].max()) <= 1


def test_a_batch_is_its_samples_one_by_one() -> None:
    images = torch.stack([before(uneven_ground()), clutter(), before(uneven_ground()).flip(0)])
    landmarks = torch.stack([points(), points(), points() * torch.tensor([-1, 1]) + torch.tensor([SIZE[0] - 1, 0])])
    change, draws = RandBackgroundd("image", prob=0.5), torch.tensor([[0.2, 0.7], [0.1, 0.3], [0.4, 0.9]]).double()
    together = change.apply_batch({"image": images, "landmarks": landmarks}, draws)["image"]
    for n in range(3):
        one = change.apply_batch({"image": images[n : n + 1], "landmarks": landmarks[n : n + 1]}, draws[n : n + 1])
        assert_close(one["image"][0], together[n], atol=1e-5, rtol=0)
    assert not torch.equal(together[0], images[0])
    assert_close(together[1], images[1])


def test_prob_decides_by_the_first_number_alone() -> None:
    change, given = (
        RandBackgroundd("image", prob=0.5),
        {"image": sample()["image"].as_tensor()[None].expand(2, -1, -1, -1)},
    )
    changed = change.apply_batch(given, torch.tensor([[0.49, 0.5], [0.51, 0.5]]).double())["image"]
    assert not torch.equal(changed[0], given["image"][0])
    assert_close(changed[1], given["image"][1])
    never = RandBackgroundd("image", prob=0.0).set_random_state(0)
    assert_close(never(sample())["image"], sample()["image"])


def test_missing_landmarks_count_for_nothing() -> None:
    given = sample()
    given["landmarks"][::3] = np.nan
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    assert not torch.equal(change(given)["image"], given["image"])
    without = {"image": given["image"]}
    optional = RandBackgroundd("image", prob=1.0, allow_missing_keys=True).set_random_state(0)
    assert not torch.equal(optional(without)["image"], given["image"])
    nothing = {**given, "landmarks": np.full_like(given["landmarks"], np.nan)}
    assert torch.isfinite(change(nothing)["image"]).all()


def test_training_takes_it_for_whole_batches() -> None:
    batch = {"image": sample()["image"].as_tensor()[None], "landmarks": points()[None], "class": torch.zeros(1).long()}
    prepare = PrepareAugmentedBatch(PrepareLandmarkBatch(), [RandBackgroundd("image", prob=1.0)], seed=0)
    changed = prepare(batch, "cpu")[0]
    assert not torch.equal(changed, batch["image"])


@pytest.mark.parametrize("channels", [1, 3])
def test_scenes_are_of_all_levels_and_repeat_by_their_seed(channels: int) -> None:
    image = torch.zeros(channels, 40, 32)
    scenes = [random_scenery(image, torch.Generator().manual_seed(seed)) for seed in range(40)]
    again = random_scenery(image, torch.Generator().manual_seed(7))
    assert_close(again, scenes[7])
    assert all(scene.shape == image.shape and scene.min() >= 0 and scene.max() <= 1 for scene in scenes)
    means = torch.stack([scene.mean() for scene in scenes])
    assert means.min() < 0.25 and means.max() > 0.75
    assert len({round(float(mean), 4) for mean in means}) > 35


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match="prob must lie in"):
        RandBackgroundd("image", prob=1.5)
