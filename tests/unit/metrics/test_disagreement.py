"""Disagreement over moved copies: zero for a network that moves along, large for one that guesses."""

import pytest
import torch
from torch import Tensor

from monai_degia.metrics.disagreement import _move, _random_motions, landmark_disagreement, predict_views

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


def points() -> Tensor:
    return 0.35 + 0.3 * torch.rand(6, 4, 2)


def test_a_network_that_moves_along_agrees_with_itself() -> None:
    """Which fails if a turn, a scale, a shift or an axis is carried back wrongly: each alone moves points by 5 %."""
    images = blobs(points())
    assert landmark_disagreement(centres_of_mass, images, 16).max() < 0.01
    for motion in ({"rotation": 0.0}, {"scale": 0.0}, {"translation": 0.0}):
        assert landmark_disagreement(centres_of_mass, images, 4, **motion).max() < 0.01


def test_content_lands_where_the_motion_says() -> None:
    place = points()
    matrix, shift = _random_motions(6, torch.Size(SIDES), 0.3, 0.1, 0.05, torch.Generator().manual_seed(0))
    expected = (place - 0.5) @ matrix.transpose(1, 2) + 0.5 + shift
    found = centres_of_mass(_move(blobs(place), matrix, shift))
    assert (expected - place).abs().mean() > 0.02
    torch.testing.assert_close(found, expected, atol=3e-3, rtol=0)


def test_in_pixels_a_motion_turns_and_scales_and_does_not_shear() -> None:
    sides = torch.diag(torch.tensor(SIDES, dtype=torch.float32))
    generator = torch.Generator().manual_seed(0)
    matrix, _ = _random_motions(20, torch.Size(SIDES), 0.4, 0.2, 0.05, generator)
    in_pixels = sides @ matrix @ torch.linalg.inv(sides)
    squares = in_pixels.transpose(1, 2) @ in_pixels
    torch.testing.assert_close(squares, squares[:, :1, :1] * torch.eye(2), atol=1e-5, rtol=0)
    assert squares[:, 0, 0].sqrt().log().abs().max() <= 0.2 and in_pixels[:, 0, 1].abs().max() > 0.2


def test_disagreement_is_the_spread_of_the_predictions_in_hand_sizes() -> None:
    """Noise of standard deviation s a coordinate has a root mean square distance of s sqrt(2 V / (V + 1))."""
    place, noise = points(), torch.Generator().manual_seed(1)

    def network(images: Tensor) -> Tensor:
        wanted = centres_of_mass(images)
        return wanted + 0.01 * torch.randn(wanted.shape, generator=noise) / torch.tensor(SIDES) * SIDES[0]

    views = 200
    size = (place * torch.tensor(SIDES)).amax(1).sub((place * torch.tensor(SIDES)).amin(1)).amax(1)
    found = landmark_disagreement(network, blobs(place), views, rotation=0, scale=0, translation=0)
    expected = 0.01 * SIDES[0] * 2**0.5 / size
    torch.testing.assert_close(found, expected[:, None].expand(6, 4), atol=0, rtol=0.25)


def test_the_mean_of_views_is_nearer_than_one_view() -> None:
    """Errors that do not move along with the hand, such as a network's own grid, cancel out."""

    def network(images: Tensor) -> Tensor:
        wanted = centres_of_mass(images)
        return wanted + 0.02 * (97.0 * wanted).sin()

    place = 0.35 + 0.3 * torch.rand(40, 4, 2)
    views = predict_views(network, blobs(place), 8)
    assert views.shape == (40, 9, 4, 2)
    torch.testing.assert_close(views[:, 0], network(blobs(place)))
    one, mean = ((found - place).norm(dim=-1).mean() for found in (views[:, 0], views.mean(1)))
    assert one > 0.01 and mean < 0.6 * one


def test_a_guess_that_ignores_the_image_disagrees() -> None:
    images, fixed = blobs(points()), torch.rand(1, 4, 2)
    assert landmark_disagreement(lambda x: fixed.expand(len(x), 4, 2), images).median() > 0.05


def test_the_same_image_gets_the_same_number_whatever_stands_beside_it() -> None:
    images = blobs(points())
    network = lambda x: centres_of_mass(x).square()  # noqa: E731
    together, alone = (landmark_disagreement(network, x) for x in (images, images[3:4]))
    torch.testing.assert_close(together[3:4], alone)
    assert (together[3] - together[2]).abs().max() > 0


def test_no_view_is_refused() -> None:
    with pytest.raises(ValueError, match="num_views must be at least 1"):
        landmark_disagreement(centres_of_mass, blobs(points()), 0)
