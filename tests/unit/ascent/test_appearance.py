"""The texture of random maps of appearance, and random maps as an augmentation."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.ascent.appearance import AppearanceParametrization, random_appearance
from monai_degia.ascent.starts import PARAMETRIZATIONS

SIZE = AppearanceParametrization.TEXTURE_SIZE**2


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def square(batch: int = 64, channels: int = 3) -> Tensor:
    """A bright square on an even background."""
    image = torch.full((batch, channels, 32, 24), 0.2)
    image[:, :, 12:20, 8:16] = 0.9
    return image


def test_only_texture_makes_an_even_background_uneven() -> None:
    """Away from the square, a map without texture leaves the bias field alone, which all channels share."""
    corner = (slice(None), slice(None), slice(0, 9), slice(0, 5))
    plain, textured = (AppearanceParametrization.draw(square(), seeded(), texture=texture) for texture in (0.0, 0.5))
    even = plain.decode(plain.start)[corner]
    field = even / even[:, :, :1, :1]
    assert_close(field[:, 0], field[:, 2], atol=1e-3, rtol=0)
    uneven = textured.decode(textured.start)[corner].flatten(2)
    spread = uneven.amax(2) - uneven.amin(2)
    assert spread.mean() > 0.1
    assert (uneven[:, 0] - uneven[:, 2]).std(1).mean() > 0.03, "the texture has no colour"


def test_texture_has_the_stated_strength() -> None:
    """Without any other part of the map, what is added has the standard deviation that was asked for."""
    image = torch.rand(4000, 2, 5, 5)  # a pixel a control point
    p = AppearanceParametrization.draw(image, seeded(), texture=0.3)
    added = p._texture(*p.start[:, -1 - 2 * SIZE :].split([1, 2 * SIZE], dim=1))
    assert isinstance(added, Tensor) and added.shape == image.shape
    assert added.square().mean().sqrt() == pytest.approx(0.3, rel=0.05)
    strengths = added.flatten(1).std(1)
    assert strengths.quantile(0.1) < 0.06 and strengths.quantile(0.9) > 0.35, "all samples get the same strength"


def test_no_texture_changes_nothing_of_the_map() -> None:
    image = torch.rand(3, 3, 16, 12)
    p = AppearanceParametrization.draw(image, seeded(), texture=0.4)
    silent = p.start.clone()
    silent[:, -1 - 3 * SIZE] = 0
    bare = AppearanceParametrization(image, p.start[:, : -1 - 3 * SIZE], p.kernel_size)
    assert_close(p.decode(silent), bare.decode(bare.start))
    assert (p.decode(p.start) - bare.decode(bare.start)).abs().mean() > 0.01


def test_the_ascent_can_move_the_texture() -> None:
    p = PARAMETRIZATIONS["texture"](torch.rand(4, 3, 16, 16), None, seeded())
    start = p.start.requires_grad_(True)
    (gradient,) = torch.autograd.grad((torch.randn(3, 16, 16) * p.decode(start)).sum(), start)
    assert (gradient[:, -1 - 3 * SIZE :] != 0).all()


@pytest.mark.parametrize("texture", [-0.1, float("nan")])
def test_texture_out_of_range(texture: float) -> None:
    with pytest.raises(ValueError, match="texture is a standard deviation, 0 or more"):
        AppearanceParametrization.draw(torch.rand(1, 1, 8, 8), texture=texture)


@pytest.mark.parametrize("texture", [0.0, 0.5])
def test_random_appearance_is_the_start_of_an_ascent(texture: float) -> None:
    image = torch.rand(5, 3, 16, 12)
    out = random_appearance(image, seeded(4), texture)
    p = AppearanceParametrization.draw(image, seeded(4), texture)
    assert torch.equal(out, p.decode(p.start).clamp(0, 1)) and not out.requires_grad
    assert out.min() >= 0 and out.max() <= 1 and (out - image).abs().mean() > 0.05


def test_fading_takes_contrast_with_the_ground_and_never_makes_it() -> None:
    image = square()
    ground = image[:, :, :1, :1]
    p = AppearanceParametrization.draw(image, seeded(), fading=1.0)
    strength, grid = p.start[:, -1 - p.FADING_SIZE**2 :].split([1, p.FADING_SIZE**2], dim=1)
    faded = p._fade(image, strength, grid)
    before, after = (image - ground).abs(), (faded - ground).abs()
    assert (after <= before + 1e-6).all() and ((faded - ground) * (image - ground) >= -1e-6).all()
    share = (after / before.clamp_min(1e-6))[:, 0, 12:20, 8:16].flatten(1).mean(1)
    assert share.quantile(0.1) < 0.4 and share.quantile(0.9) > 0.85, "all samples fade alike"
    place = (after / before.clamp_min(1e-6))[:, 0, 12:20, 8:16].flatten(1)
    assert (place.amax(1) - place.amin(1)).mean() > 0.05, "the whole object fades alike"
    assert_close(p._fade(image, torch.zeros_like(strength), grid), image)


@pytest.mark.parametrize("strength", [0.5, -2.0])
def test_fading_of_even_thinness_by_hand(strength: float) -> None:
    """Contrast falls by the exponential of strength and thinness, of whichever sign the strength is drawn."""
    image, thinness = square(batch=2), 1.3
    p = AppearanceParametrization.draw(image, seeded(), fading=0.7)
    grid = torch.full((2, p.FADING_SIZE**2), math.log(math.exp(thinness) - 1))  # what softplus makes 1.3 of
    faded = p._fade(image, torch.full((2, 1), strength), grid)
    ground = image[:, :, :1, :1]
    assert_close(faded, ground + (image - ground) * math.exp(-0.7 * abs(strength) * thinness))


def test_the_ascent_can_move_the_fading() -> None:
    p = PARAMETRIZATIONS["fading"](torch.rand(4, 3, 16, 16), None, seeded())
    start = p.start.requires_grad_(True)
    (gradient,) = torch.autograd.grad((torch.randn(3, 16, 16) * p.decode(start)).sum(), start)
    assert (gradient[:, -1 - p.FADING_SIZE**2 :] != 0).all()


def test_fading_out_of_range() -> None:
    with pytest.raises(ValueError, match="fading is a standard deviation, 0 or more"):
        AppearanceParametrization.draw(torch.rand(1, 1, 8, 8), fading=-1)
