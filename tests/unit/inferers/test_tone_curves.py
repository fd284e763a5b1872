"""Tone curves."""

import pytest
import torch
from torch.testing import assert_close

from monai_degia.inferers.tone_curves import TONE_CURVES, apply_curves, check_curves


def fading_bar(ground: float, hand: float) -> torch.Tensor:
    """A bar whose brightness falls along it from ``hand`` towards ``ground``."""
    image = torch.full((1, 3, 40, 30), ground)
    image[:, :, 8:32, 10:20] = ground + (hand - ground) * torch.linspace(1, 0.25, 24)[:, None]
    return image


@pytest.mark.parametrize("name", TONE_CURVES)
def test_values_stay_in_range_and_images_do_not_mix(name: str) -> None:
    images = torch.rand(4, 3, 20, 24) * torch.tensor([1.0, 0.5, 0.1, 0.0]).view(4, 1, 1, 1)
    curved = TONE_CURVES[name](images)
    assert curved.shape == images.shape and curved.min() >= 0 and curved.max() <= 1 and curved.isfinite().all()
    assert_close(torch.cat([TONE_CURVES[name](one[None]) for one in images]), curved)


@pytest.mark.parametrize(("ground", "hand"), [(0.1, 0.9), (0.8, 0.2), (0.0, 0.5)])
def test_a_bar_that_fades_becomes_one_bright_shape_on_a_dark_or_light_ground(ground: float, hand: float) -> None:
    image = fading_bar(ground, hand)
    curved = TONE_CURVES["x6"](image)
    assert curved[0, 0, 8:32, 10:20].min() > 0.95 and curved[0, 0, :, :9].max() < 0.05
    assert (image[0, 0, 31, 15] - ground).abs() < 0.3 * abs(hand - ground), "it did not fade"


def test_faint_veils_are_taken_away_with_the_ground() -> None:
    image = fading_bar(0.1, 0.9)
    image[:, :, 2:6, 4:26] = 0.15  # haze, and no part of the bar
    assert TONE_CURVES["15% x3"](image)[0, 0, 2:6, 4:26].max() == 0
    assert TONE_CURVES["x3"](image)[0, 0, 2:6, 4:26].min() > 0.1


def test_curves_are_stacked_in_the_order_of_their_names() -> None:
    image = fading_bar(0.1, 0.9)
    both = apply_curves(image, ["x3", "as it is"])
    assert both.shape == (1, 2, 3, 40, 30)
    assert_close(both[:, 0], TONE_CURVES["x3"](image))
    assert_close(both[:, 1], image)


@pytest.mark.parametrize("side", [2, 10, 37])
def test_the_brightest_parts_are_what_torch_takes_for_the_quantile(side: int) -> None:
    images = torch.rand(2, 3, side, side)
    images[..., [0, -1], :] = images[..., [0, -1]] = 0.0  # the ground
    top = images.flatten(2).quantile(0.99, 2)[..., None, None]
    assert_close(TONE_CURVES["x1.5"](images), (images / top.clamp_min(1e-3) * 1.5).clamp(0, 1))


def test_unknown_curve() -> None:
    with pytest.raises(ValueError, match=r"got \['x2'\]. Available: as it is, x1.5"):
        check_curves(["x2"])
