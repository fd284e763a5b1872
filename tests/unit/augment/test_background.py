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


def uneven_ground(noise: float = 0.01) -> torch.Tensor:
    """A green wall in the light of a lamp that falls off to one corner, with noise, (3, X, Y)."""
    x, y = (2 * axis / side - 1 for axis, side in zip(grid(), SIZE, strict=True))
    light = 0.5 + 0.1 * x - 0.1 * y**2 + 0.15 * x**3 + 0.1 * x * y**2
    grain = noise * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return torch.stack([0.3 * light, light, 0.4 * light]) + grain


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
    assert (ground[0] - uneven_ground(noise=0)).abs().max() < 0.02
    assert (share[0, 0] - (1 - object_share())).abs().max() < 0.2
    assert (share[0, 0] - (1 - object_share())).abs().mean() < 0.01


def test_half_covered_pixels_are_half_ground() -> None:
    share = separate_ground(before(uneven_ground())[None], points()[None])[1][0, 0]
    edge = (object_share() > 0.3) & (object_share() < 0.7)
    assert edge.sum() > 20
    assert (share[edge] - (1 - object_share()[edge])).abs().mean() < 0.03


def finger_beside_its_shade() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright line of two pixels with a dark one of two pixels beside it, on grey; landmarks on the bright one."""
    image = torch.full((3, *SIZE), 0.5)
    image[:, 10:60, 30:32] = torch.tensor([0.75, 0.6, 0.5])[:, None, None]
    image[:, 10:60, 32:34] = 0.05
    return image, torch.stack([torch.linspace(12, 58, 10), torch.full((10,), 30.5)], -1)


def test_a_thin_object_beside_a_darker_one_is_not_translucent() -> None:
    image, landmarks = finger_beside_its_shade()
    _, share, plain = separate_ground(image[None], landmarks[None])
    assert bool(plain)
    assert share[0, 0, 12:58, 30:34].max() < 0.1


def test_a_large_object_at_the_border_is_no_ground() -> None:
    # More than half of the image, and of the border: only the landmarks tell which of the two is the wall.
    image = before(uneven_ground())
    image[:, :, :40] = COLOUR
    landmarks = torch.cartesian_prod(torch.linspace(2, 76, 9), torch.linspace(2, 36, 5))
    landmarks[::4] = torch.nan
    _, share, plain = separate_ground(image[None], landmarks[None])
    assert bool(plain)
    assert share[0, 0, :, :38].max() < 0.1 and share[0, 0, :, 50:].min() > 0.9


@pytest.mark.parametrize("on_ground", [1, 4])
def test_more_than_a_tenth_of_the_landmarks_on_the_ground_keeps_it(on_ground: int) -> None:
    landmarks = points()
    landmarks[:on_ground] = torch.tensor([70.0, 8.0])
    _, _, plain = separate_ground(before(uneven_ground())[None], landmarks[None])
    assert bool(plain) == (on_ground == 1)


def test_landmarks_beyond_the_image_do_not_count() -> None:
    landmarks = points()
    landmarks[::3, 0] = SIZE[0] + 2
    assert bool(separate_ground(before(uneven_ground())[None], landmarks[None])[2])


@pytest.mark.parametrize("where", [float("nan"), 500.0], ids=["missing", "all outside"])
def test_without_a_landmark_in_sight_nothing_is_ground(where: float) -> None:
    given = {**sample(), "landmarks": np.full((9, 2), where, dtype=np.float32)}
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    assert_close(change(given)["image"].as_tensor(), given["image"].as_tensor())


def half_cluttered() -> torch.Tensor:
    image = before(uneven_ground())
    image[:, 54:] = clutter()[:, 54:]
    return image


UNEVEN = {
    "clutter": clutter,
    "object before clutter": lambda: before(clutter()),
    "half of it cluttered": half_cluttered,
    "a rough wall": lambda: before(uneven_ground(noise=0.06)),
    "overshoots": lambda: before(clutter()) * 1.4 - 0.2,
}


@pytest.mark.parametrize("make", UNEVEN.values(), ids=UNEVEN.keys())
def test_no_plain_ground_no_change(make: Any) -> None:
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    assert_close(change(sample(make()))["image"].as_tensor(), make(), rtol=0, atol=0)


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
    plain = before(uneven_ground())
    images = torch.stack([clutter(), plain, plain.flip(1), plain])
    mirrored = points() * torch.tensor([-1, 1]) + torch.tensor([SIZE[0] - 1, 0])
    landmarks = torch.stack([points() + 30, points(), mirrored, points()])
    draws = torch.tensor([[0.9, 0.7], [0.1, 0.3], [0.4, 0.9], [0.2, 0.6]]).double()
    change = RandBackgroundd("image", prob=0.5)
    together = change.apply_batch({"image": images, "landmarks": landmarks}, draws)["image"]
    for n in range(4):
        one = change.apply_batch({"image": images[n : n + 1], "landmarks": landmarks[n : n + 1]}, draws[n : n + 1])
        assert_close(one["image"][0], together[n], atol=1e-4, rtol=0)
    assert [torch.equal(a, b) for a, b in zip(together, images, strict=True)] == [True, False, False, False]
    assert not torch.allclose(together[1], together[3], atol=0.1)


def test_prob_decides_by_the_first_number_alone() -> None:
    change = RandBackgroundd("image", landmark_keys=[], prob=0.5)
    given = {"image": sample()["image"].as_tensor()[None].expand(2, -1, -1, -1)}
    changed = change.apply_batch(given, torch.tensor([[0.49, 0.5], [0.51, 0.5]]).double())["image"]
    assert not torch.equal(changed[0], given["image"][0])
    assert_close(changed[1], given["image"][1])
    never = RandBackgroundd("image", prob=0.0).set_random_state(0)
    assert_close(never(sample())["image"], sample()["image"])


def test_its_seed_decides() -> None:
    change = RandBackgroundd("image", prob=1.0)
    first, again, other = (change.set_random_state(seed)(sample())["image"] for seed in (1, 1, 2))
    assert_close(first, again)
    assert not torch.allclose(first, other, atol=0.05)


def test_the_first_landmarks_that_are_there_count() -> None:
    given = sample()
    change = RandBackgroundd("image", landmark_keys=["none", "landmarks"], prob=1.0, allow_missing_keys=True)
    assert not torch.equal(change(given)["image"], given["image"])
    off = {**given, "landmarks": given["landmarks"] + np.float32(14)}
    assert_close(change(off)["image"], given["image"])
    assert not torch.equal(change({"image": given["image"]})["image"], given["image"])
    assert change({"other": 1}) == {"other": 1}
    # A misspelt key must not switch the protection of the object off.
    misspelt, draws = RandBackgroundd("image", landmark_keys="landmark", prob=1.0), torch.zeros(1, 2).double()
    with pytest.raises(KeyError, match="landmark"):
        misspelt(given)
    with pytest.raises(KeyError, match="landmark"):
        misspelt.apply_batch({"image": given["image"].as_tensor()[None], "landmarks": points()[None]}, draws)


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


def test_scenes_are_grey_and_coloured_smooth_and_full_of_things() -> None:
    scenes = torch.stack([random_scenery(torch.zeros(3, 64, 64), torch.Generator().manual_seed(s)) for s in range(200)])
    inner = scenes[((scenes > 0.02) & (scenes < 0.98)).flatten(1).float().mean(1) > 0.9]
    colour = (inner - inner.mean(1, keepdim=True)).flatten(1).std(1)
    assert colour.min() < 0.03 and colour.max() > 0.12
    # An edge of a thing is a step between neighbours that differ by more than what is on either side of it.
    steps = inner.mean(1).diff(dim=1).abs().flatten(1)
    sharp = steps.amax(1) > 6 * steps.median(1).values + 0.1
    assert 0.2 < sharp.float().mean() < 0.8


def test_large_scenes_are_small_ones_enlarged() -> None:
    large, small = (
        random_scenery(torch.zeros(3, *size), torch.Generator().manual_seed(3)) for size in ((256, 192), (128, 96))
    )
    assert_close(torch.nn.functional.avg_pool2d(large, 2), small, atol=0.15, rtol=0)


REFUSED = {
    "of 8 bits": ((before(uneven_ground()) * 255).byte(), points(), "floating point numbers"),
    "not scaled": (before(uneven_ground()) * 255, points(), "scale the image"),
    "with NaN": (torch.full((3, 8, 8), torch.nan), points(), "NaN"),
    "a volume": (torch.zeros(1, 8, 8, 8), points(), "flat images"),
    "empty": (torch.zeros(3, 0, 5), points(), "not empty"),
    "landmarks in 3-D": (before(uneven_ground()), torch.zeros(21, 3), "landmarks .K, 2."),
    "no landmark": (before(uneven_ground()), torch.zeros(0, 2), "landmarks .K, 2."),
    "flat landmarks": (before(uneven_ground()), torch.zeros(42), "landmarks .K, 2."),
}


@pytest.mark.parametrize(("image", "landmarks", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_meant_is_refused(image: torch.Tensor, landmarks: torch.Tensor, message: str) -> None:
    change = RandBackgroundd("image", prob=0.5).set_random_state(0)
    with pytest.raises(ValueError, match=message):
        change({"image": image, "landmarks": landmarks})
    with pytest.raises(ValueError, match=message):
        change.apply_batch({"image": image[None], "landmarks": landmarks[None]}, torch.ones(1, 2).double())


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match="prob must lie in"):
        RandBackgroundd("image", prob=1.5)
