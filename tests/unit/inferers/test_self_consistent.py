"""Motions and what is carried back, and an inferer that believes copies which agree."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.inferers.agreement import Agreement, weigh_frames
from monai_degia.inferers.frames import Frames
from monai_degia.inferers.hands import hand_inferer
from monai_degia.inferers.motions import Motions
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.metrics.errors import nme
from monai_degia.networks.regressor import LandmarkRegressor

SIDES = (48, 40)


def blobs(points: Tensor) -> Tensor:
    """Images (B, K, X, Y) with one blob a channel at normalised points (B, K, 2)."""
    x, y = (torch.arange(side) + 0.5 for side in SIDES)
    centres = points * torch.tensor(SIDES)
    squares = (x - centres[..., :1]).square()[..., :, None] + (y - centres[..., 1:]).square()[..., None, :]
    return torch.exp(-squares / 18)


def centres_of_mass(images: Tensor) -> Tensor:
    """A network that finds the blobs exactly, wherever they are."""
    x, y = ((torch.arange(side) + 0.5) / side for side in images.shape[2:])
    weight = images / images.sum((2, 3), keepdim=True)
    return torch.stack([(weight.sum(3) * x).sum(2), (weight.sum(2) * y).sum(2)], -1)


def points(count: int = 6) -> Tensor:
    return 0.4 + 0.2 * torch.rand(count, 4, 2)


def narrow(**options: Any) -> SelfConsistentInferer:
    """Motions that keep every blob in the image."""
    return SelfConsistentInferer(
        **{"num_views": 16, "scale_range": (0.8, 1.2), "translation": 0.05, "rotation": 0.4, **options}
    )


def test_content_lands_where_the_motion_says_and_is_carried_back() -> None:
    place, motions = points(), Motions.spread_evenly(8, 0.4, (0.8, 1.2), 0.05, seed=1)
    moved, matrices = motions.move(blobs(place)), motions.matrices(SIDES)
    assert moved.shape == (8, *blobs(place).shape)
    expected = torch.stack(
        [(place - 0.5) @ m.T + 0.5 + shift for m, shift in zip(matrices, motions.shift, strict=True)]
    )
    for found, wanted in zip(moved, expected, strict=True):
        assert_close(centres_of_mass(found), wanted, atol=4e-3, rtol=0)
        assert (wanted - place).abs().mean() > 0.005, "vacuous: nothing moved"
    assert_close(motions.carry_back(expected, SIDES), place.expand_as(expected), atol=1e-5, rtol=0)


def test_groups_of_motions_move_as_all_of_them_do() -> None:
    place, motions = points(2), Motions.spread_evenly(7, 0.4, (0.8, 1.2), 0.05)
    parts = [group.move(blobs(place)) for group in motions.split(3)]
    assert [len(part) for part in parts] == [3, 3, 1]
    assert_close(torch.cat(parts), motions.move(blobs(place)), atol=0, rtol=0)


def test_pictures_of_another_size_and_context_get_their_own_grid() -> None:
    motions = Motions.spread_evenly(4, 0.5, (0.8, 1.2), 0.1)
    images = torch.rand(1, 1, 12, 12)
    first, wide, oblong = motions.move(images), motions.move(images, context=2.0), motions.move(images[..., :6])
    assert first.shape == wide.shape
    assert oblong.shape == (4, 1, 1, 12, 6)
    fresh = Motions.spread_evenly(4, 0.5, (0.8, 1.2), 0.1)
    assert_close(fresh.move(images[..., :6]), oblong, atol=0, rtol=0)
    assert_close(fresh.move(images, context=2.0), wide, atol=0, rtol=0)
    assert (first - wide).abs().max() > 0.1


def test_what_is_kept_of_motions_does_not_depend_on_the_mode_of_the_first_call() -> None:
    images = torch.rand(1, 1, 48, 48)
    expected = Motions.spread_evenly(4, 0.5, (0.8, 1.2), 0.1).move(images)
    rounded, inferred = (Motions.spread_evenly(4, 0.5, (0.8, 1.2), 0.1) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        rounded.move(images)
    assert_close(rounded.move(images), expected, atol=0, rtol=0)
    with torch.inference_mode():
        inferred.move(images)
        inferred.carry_back(torch.rand(4, 1, 3, 2), (48, 48))
    points = torch.rand(4, 1, 3, 2, requires_grad=True)
    (inferred.move(images.clone().requires_grad_()).sum() + inferred.carry_back(points, (48, 48)).sum()).backward()
    assert points.grad is not None


def test_in_pixels_a_motion_turns_and_scales_and_does_not_shear() -> None:
    sides, motions = torch.diag(torch.tensor(SIDES, dtype=torch.float32)), Motions.spread_evenly(20, 0.4, (0.8, 1.9), 0)
    for index, matrix in enumerate(motions.matrices(SIDES)):
        in_pixels = sides @ matrix @ torch.linalg.inv(sides)
        assert_close(in_pixels.T @ in_pixels, motions.scale[index].square() * torch.eye(2), atol=1e-5, rtol=0)
        assert_close(torch.atan2(in_pixels[1, 0], in_pixels[0, 0]), motions.angle[index], atol=1e-5, rtol=0)


def test_motions_fill_their_ranges_and_neighbours_are_near() -> None:
    motions = Motions.spread_evenly(64, 0.6, (0.8, 1.9), 0.15)
    assert 0.5 < motions.angle.max() <= 0.6 and -0.6 <= motions.angle.min() < -0.5
    assert 0.8 <= motions.scale.min() < 0.85 and 1.75 < motions.scale.max() <= 1.9
    assert motions.scale.log().mean() == pytest.approx((torch.tensor([0.8, 1.9]).log().mean()).item(), abs=0.02)
    groups = motions.neighbours(4)
    assert groups[:, 0].tolist() == list(range(64)), "each motion is its own nearest"
    apart = (motions.scale.log()[groups] - motions.scale.log()[:, None]).abs().mean()
    assert apart < 0.5 * torch.cdist(motions.scale.log()[:, None], motions.scale.log()[:, None]).mean()


def test_a_network_that_moves_along_is_left_as_it_is() -> None:
    """Which fails if a turn, a scale, a shift or an axis is carried back wrongly: each alone moves points by 5 %."""
    place = points()
    for motion in ({}, {"rotation": 0.0}, {"translation": 0.0}, {"scale_range": (1.0, 1.0)}):
        found, spread, *_ = narrow(**motion).predict(blobs(place), centres_of_mass)
        assert_close(found, place, atol=3e-3, rtol=0)
        assert spread.max() < 0.02


def test_the_framing_that_the_network_knows_decides() -> None:
    """A network that only reads hands of its own size: at others it gives a fixed guess, as trained ones tend to."""
    known = 0.3  # size of the hand that it can read, as a fraction of the side

    def network(images: Tensor) -> Tensor:
        true = centres_of_mass(images)
        size = (true.amax(1) - true.amin(1)).amax(1)
        return torch.where(
            ((size / known).log().abs() < 0.15)[:, None, None], true, torch.full_like(true, 0.5).lerp(true, 0.3)
        )

    place = 0.5 + 0.6 * (points(30) - 0.5)  # a third smaller than what it knows
    place[:, 0], place[:, 1] = torch.tensor([0.42, 0.45]), torch.tensor([0.6, 0.55])
    once = nme(network(blobs(place)), place).mean()
    inferer = SelfConsistentInferer(num_views=64, scale_range=(0.8, 2.2), translation=0.05, rotation=0.3)
    found = inferer(blobs(place), network)
    assert once > 0.2 and nme(found, place).mean() < 0.35 * once


def test_spread_is_that_of_the_predictions_in_hand_sizes() -> None:
    """Noise of standard deviation s a coordinate among G copies is s sqrt(2 (G - 1) / G) from their mean."""
    place, noise = points(20), torch.Generator().manual_seed(1)

    def network(images: Tensor) -> Tensor:
        true = place.repeat(len(images) // len(place), 1, 1)
        return true + 0.01 * torch.randn(true.shape, generator=noise) / torch.tensor(SIDES) * SIDES[0]

    still = {"rotation": 0.0, "scale_range": (1.0, 1.0), "translation": 0.0, "sharpness": 0.0}
    spread = narrow(num_views=64, num_neighbours=64, **still).predict(blobs(place), network).disagreement
    pixels = place * torch.tensor(SIDES)
    size = (pixels.amax(1) - pixels.amin(1)).amax(1)
    expected = 0.01 * SIDES[0] * (2 * 63 / 64) ** 0.5 / size
    assert_close(spread, expected[:, None].expand(20, 4), atol=0, rtol=0.3)


def test_a_guess_that_ignores_the_image_disagrees() -> None:
    fixed = torch.rand(1, 4, 2)
    network = lambda images: fixed.expand(len(images), 4, 2)  # noqa: E731
    spread = SelfConsistentInferer().predict(blobs(points()), network).disagreement
    assert spread.median() > 0.05


def test_few_images_are_asked_in_batches() -> None:
    images, asked = blobs(points(20)), []

    def network(views: Tensor) -> Tensor:
        asked.append(len(views))
        return centres_of_mass(views).square()

    together = narrow().predict(images, network)
    assert asked == [60] * 5 + [20], "three of 16 motions at once, of 64 copies at most"
    one_motion = torch.cat([narrow().predict(image[None].repeat(64, 1, 1, 1), network)[0][:1] for image in images])
    assert set(asked[6:]) == {64} and len(asked) == 6 + 20 * 16
    assert_close(together.landmarks, one_motion)


def test_an_image_gets_the_same_whatever_stands_beside_it() -> None:
    images, inferer = blobs(points()), SelfConsistentInferer(num_views=8, either_side=True)
    network = lambda x: centres_of_mass(x).square()  # noqa: E731
    together, alone = inferer.predict(images, network), inferer.predict(images[3:4], network)
    for all_, one in zip(together[:2], alone[:2], strict=True):
        assert_close(all_[3:4], one)
        assert (all_[3] - all_[2]).abs().max() > 0


def right_hands(count: int) -> Tensor:
    """Four points each, the third to the right of the line from the first to the second."""
    return torch.tensor([[0.5, 0.6], [0.5, 0.4], [0.6, 0.5], [0.55, 0.55]]) + 0.02 * torch.rand(count, 4, 2)


def reads_right_hands(images: Tensor) -> Tensor:
    """Finds the blobs of a right hand; of a left one it finds a place that hardly depends on them."""
    true = centres_of_mass(images)
    up, aside = true[:, 1] - true[:, 0], true[:, 2] - true[:, 0]
    right = up[:, 0] * aside[:, 1] - up[:, 1] * aside[:, 0] > 0
    return torch.where(right[:, None, None], true, torch.full_like(true, 0.5).lerp(true, 0.5))


def test_hands_of_the_other_side_are_read_in_the_mirror() -> None:
    place = right_hands(6)
    place[::2, :, 0] = 1 - place[::2, :, 0]
    one, both = narrow(), narrow(either_side=True)
    found = both.predict(blobs(place), reads_right_hands)
    assert found.mirrored.tolist() == [True, False] * 3
    assert_close(found.landmarks, place, atol=3e-3, rtol=0)
    assert found.disagreement.max() < 0.02
    assert not one.predict(blobs(place), reads_right_hands).mirrored.any()
    assert nme(one(blobs(place), reads_right_hands), place)[::2].min() > 0.2, "vacuous: one side reads them all"


@pytest.mark.parametrize("options", [{}, {"closer_looks": 1, "margin": 3.0}, {"curves": ["x1.5", "as it is"]}])
def test_what_speaks_for_the_other_side_is_told_and_changes_nothing(options: dict[str, Any]) -> None:
    place = right_hands(6)
    place[::2, :, 0] = 1 - place[::2, :, 0]
    images, inferer, asked = blobs(place), narrow(**options), []

    def network(images: Tensor) -> Tensor:
        asked.append(len(images))
        return reads_right_hands(images)

    found = inferer.predict(images, network, judge_side=True)
    with_side = sum(asked)
    plain = inferer.predict(images, network)
    views = 16  # as many as the first step has
    assert with_side == 6 * (inferer.num_passes + views) and sum(asked) - with_side == 6 * inferer.num_passes
    assert plain.other_side is None and torch.equal(found.landmarks, plain.landmarks)
    assert torch.equal(found.disagreement, plain.disagreement) and found.other_side is not None
    assert found.other_side[::2].min() > 0.9 > 0.1 > found.other_side[1::2].max(), "hands of the other side stand out"
    assert_close(inferer.other_side(images, reads_right_hands), found.other_side)


def test_mirrored_copies_beside_the_others_are_those_of_the_mirror_image() -> None:
    torch.manual_seed(0)
    network = LandmarkRegressor("lenet", 4, 1, (32, 32)).eval()
    for parameter in network.head.parameters():
        nn.init.normal_(parameter, std=0.5)
    images = torch.rand(3, 1, 32, 32)
    inferer = SelfConsistentInferer(num_views=8, sharpness=1.0)
    together = inferer.predict(images, network, judge_side=True).other_side
    assert together is not None and together.std() > 1e-3, "vacuous"
    assert_close(together, inferer.other_side(images, network), atol=1e-4, rtol=0)


def test_the_other_side_is_the_one_that_was_not_believed() -> None:
    place = right_hands(6)
    place[::2, :, 0] = 1 - place[::2, :, 0]
    found = narrow(either_side=True).predict(blobs(place), reads_right_hands, judge_side=True)
    assert found.mirrored.tolist() == [True, False] * 3
    assert found.other_side is not None and found.other_side.max() < 0.1


def test_where_the_side_is_known_nothing_is_mirrored() -> None:
    place = right_hands(4)
    place[:2, :, 0] = 1 - place[:2, :, 0]
    known, asked = torch.tensor([True, False, True, False]), []

    def network(images: Tensor) -> Tensor:
        asked.append(len(images))
        return reads_right_hands(images)

    found = narrow(either_side=True).predict(blobs(place), network, side_known=known)
    assert found.mirrored.tolist() == [False, True, False, False]
    assert sum(asked) == 4 * 16 + 2 * 16, "only what is not known costs twice"
    alone = narrow().predict(blobs(place), reads_right_hands)
    assert_close(found.landmarks[[0, 2, 3]], alone.landmarks[[0, 2, 3]])
    assert_close(found.disagreement[[0, 2, 3]], alone.disagreement[[0, 2, 3]])


def test_mirrored_copies_must_agree_better_by_the_factor() -> None:
    """Noise of 1 in the image and of 1 / 1.5 in the mirror: believed up to a factor of 1.5."""
    place = torch.full((40, 4, 2), 0.5) + torch.tensor([[0.0, 0.2], [0.0, -0.2], [0.1, 0.0], [0.05, 0.1]])
    images = torch.zeros(40, 1, *SIDES)
    images[:, :, : SIDES[0] // 2] = 1  # tells an image from its mirror image
    noise = torch.Generator().manual_seed(1)

    def network(views: Tensor) -> Tensor:
        size = 0.01 if views[:, :, 0].mean() > views[:, :, -1].mean() else 0.01 / 1.5
        return place + size * torch.randn(place.shape, generator=noise)

    def share(side_factor: float) -> float:
        still = {"rotation": 0.0, "scale_range": (1.0, 1.0), "translation": 0.0, "sharpness": 1.0}
        inferer = narrow(num_views=64, num_neighbours=64, either_side=True, side_factor=side_factor, **still)
        return inferer.predict(images, network).mirrored.float().mean().item()

    assert share(1.25) == 1 and share(1.8) == 0


def read_bright(images: Tensor) -> Tensor:
    """A network that reads blobs where they are bright, and guesses where they are dim, differently each time."""
    peaks = images.amax((2, 3))
    noise = 0.1 * torch.randn(*images.shape[:2], 2, generator=torch.Generator().manual_seed(int(1e6 * peaks.sum())))
    return torch.where((peaks > 0.5)[..., None], centres_of_mass(images + 1e-6), 0.5 + noise)


def test_the_curve_under_which_copies_agree_decides() -> None:
    place = points()
    dim = 0.3 * blobs(place)
    plain, toned = narrow(), narrow(curves=["as it is", "x3"])
    assert nme(plain(dim, read_bright), place).mean() > 0.15
    assert nme(toned(dim, read_bright), place).mean() < 0.03
    # Bright ones are left to the curve that suits them, among several that do.
    assert nme(toned(blobs(place), read_bright), place).mean() < 0.03


def test_another_curve_must_agree_better_by_the_factor() -> None:
    """Noise of 1 as it is and of 1 / 1.5 under the other curve: believed up to a factor of 1.5."""
    noise, place = torch.Generator().manual_seed(0), points(40)

    def network(images: Tensor) -> Tensor:
        other = images.amax((1, 2, 3)) > 0.5  # the curve makes dim images bright
        size = torch.where(other, 0.01 / 1.5, 0.01)[:, None, None]
        shift = torch.where(other, 0.2, 0.0)[:, None, None]  # so that one sees what was believed
        return 0.5 + shift + (place[:1] - 0.5) + size * torch.randn(len(images), 4, 2, generator=noise)

    def share(curve_factor: float) -> float:
        still = {"rotation": 0.0, "scale_range": (1.0, 1.0), "translation": 0.0, "sharpness": 4.0}
        inferer = narrow(num_views=64, num_neighbours=64, curves=["as it is", "x3"], curve_factor=curve_factor, **still)
        found = inferer.predict(0.3 * blobs(place), network).landmarks
        return (found - place[:1]).mean().item() / 0.2

    assert share(1.1) > 0.7 and share(2.0) < 0.3


def test_a_closer_look_sees_what_the_whole_picture_hides() -> None:
    """The network gets 20 x 16 pixels: a hand that is a tenth of the picture is two of them wide there."""

    def network(images: Tensor) -> Tensor:
        assert images.shape[2:] == (20, 16)
        found = centres_of_mass(images)
        # It answers in whole pixels, as one that cannot see more.
        sides = torch.tensor([20, 16])
        return ((found * sides).floor() + 0.5) / sides

    offsets = torch.tensor([[-0.05, -0.05], [0.05, -0.04], [0.0, 0.05], [0.03, 0.02]])
    place = 0.35 + 0.3 * torch.rand(5, 1, 2) + offsets
    sides = torch.tensor([160.0, 128.0])
    x, y = ((torch.arange(int(side)) + 0.5) for side in sides)
    centres = place * sides
    pictures = torch.exp(
        -((x - centres[..., :1])[..., :, None].square() + (y - centres[..., 1:])[..., None, :].square()) / 32
    )
    options = {"image_size": (20, 16), "num_views": 16, "search_views": 8}
    far, near = narrow(**options), narrow(**options, closer_looks=2, margin=2.0)
    assert (near.num_passes, far.num_passes) == (8 + 8 + 16, 16)
    errors = [nme(inferer(pictures, network), place).mean() for inferer in (far, near)]
    assert errors[1] < 0.7 * errors[0]


def test_a_frame_about_a_wrong_place_is_not_believed() -> None:
    """The network reads whole pictures well; of a crop its predictions scatter, so that the crop says nothing."""

    def network(images: Tensor) -> Tensor:
        found = centres_of_mass(images)
        noise = 0.3 * torch.randn(found.shape, generator=torch.Generator().manual_seed(int(1e4 * found.sum())))
        near = (found[:, 1:] - found[:, :1]).norm(dim=-1).mean(1) > 0.35
        return torch.where(near[:, None, None], found + noise, found)

    place = torch.tensor([[0.42, 0.42], [0.58, 0.43], [0.5, 0.58], [0.56, 0.5]]) + 0.04 * torch.rand(5, 1, 2)
    whole, closer = narrow(), narrow(closer_looks=1, search_views=16, margin=1.0)
    errors = [nme(inferer(blobs(place), network), place).mean() for inferer in (whole, closer)]
    assert errors[1] < 1.2 * errors[0] + 0.002


def test_frames_are_weighed_by_the_mean_weight_of_their_copies() -> None:
    """Twice as many copies of the same weight are no better than once; copies of three times the weight are."""
    found = [
        Agreement(torch.zeros(1, 4, 2), torch.zeros(1, 4), torch.tensor([[2.0, 1.0]]).log()),
        Agreement(torch.ones(1, 4, 2), torch.ones(1, 4), torch.tensor([[18.0]]).log()),
    ]
    both = weigh_frames(found, [6, 12])  # 0.5 and 1.5 a copy
    assert_close(both.landmarks, torch.full((1, 4, 2), 0.75))
    assert_close(both.variance, torch.full((1, 4), 0.75))


def test_closer_looks_follow_the_side_that_is_believed() -> None:
    """The hand is left of the middle; only in the mirror can the network read it."""

    seen = []

    def network(images: Tensor) -> Tensor:
        found = centres_of_mass(images)
        noise = 0.2 * torch.randn(found.shape, generator=torch.Generator().manual_seed(int(1e4 * found.sum())))
        readable = found[:, 3, 0] > found[:, 0, 0]
        seen.append(readable.float().mean().item())
        return torch.where(readable[:, None, None], found, found + noise)

    place = 0.45 + 0.1 * torch.rand(4, 4, 2)
    place[:, 0, 0], place[:, 3, 0] = 0.6, 0.35
    inferer = narrow(either_side=True, closer_looks=1, curves=["as it is", "x1.5"], num_curves=1, margin=3.0)
    found = inferer.predict(blobs(place), network)
    assert found.mirrored.all()
    assert nme(found.landmarks, place).mean() < 0.05
    assert inferer.num_passes == 2 * 2 * 16 + 16
    assert seen[-1] == 1 and min(seen) == 0, "the frame is cut from the mirrored picture"


def test_whole_picture_and_frames_are_weighed_by_their_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame is cut about what the one before it found, and counts as many copies as it was shown."""
    given: list[tuple[int, ...]] = []
    about: list[Tensor] = []
    cut = Frames.around.__func__  # type: ignore[attr-defined]

    def around(found: Tensor, margin: float) -> Frames:
        about.append(found)
        return cut(Frames, found, margin)

    def weigh(found: list[Agreement], counts: list[int]) -> Agreement:
        given.append(tuple(counts))
        assert torch.equal(about[0], found[0].landmarks) and torch.equal(about[1], found[1].landmarks)
        return weigh_frames(found, counts)

    monkeypatch.setattr(Frames, "around", around)
    monkeypatch.setattr("monai_degia.inferers.self_consistent.weigh_frames", weigh)
    inferer = narrow(closer_looks=2, search_views=8, curves=["as it is", "x1.5", "x3"], num_curves=2, margin=3.0)
    inferer(blobs(points(2)), centres_of_mass)
    assert given == [(24, 16, 32)] and sum(given[0]) == inferer.num_passes
    assert hand_inferer((64, 64)).num_passes == 3 * 16 + 2 * 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_neighbours": 1}, "num_neighbours must be at least 2"),
        ({"num_views": 3}, r"num_views must be at least 4 \(num_neighbours\).* got 3"),
        ({"search_views": 3, "closer_looks": 1}, r"search_views must be at least 4 .* got 3"),
        ({"closer_looks": 4}, "closer_looks must be 0 to 3"),
        ({"curve_factor": 0.0}, "curve_factor must be positive, got 0"),
        ({"curves": ["x2"]}, r"names of tone curves, got \['x2'\]. Available: as it is"),
        ({"curves": []}, r"names of tone curves, got \[\]"),
        ({"scale_range": (0.0, 1.0)}, "scale_range must be two positive numbers"),
        ({"scale_range": (2.0, 1.0)}, "scale_range must be two positive numbers"),
        ({"either_side": True, "sharpness": 0.0}, "needs sharpness and side_factor above 0, got sharpness=0"),
        ({"either_side": True, "side_factor": 0.0}, "got sharpness=8 and side_factor=0"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfConsistentInferer(**options)
