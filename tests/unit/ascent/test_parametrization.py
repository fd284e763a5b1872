"""What an ascent moves: the maps from parameters to images and their starts."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.ascent.appearance import AppearanceParametrization
from monai_degia.ascent.gradient_ascent import gradient_ascent
from monai_degia.ascent.parametrization import LatentParametrization, PixelParametrization, ReflectedParametrization
from monai_degia.ascent.starts import PARAMETRIZATIONS
from monai_degia.augment.convolution import convolve_each
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.objective import AscentObjective
from monai_degia.networks.regressor import LandmarkRegressor

WIDTHS = AppearanceParametrization.KERNEL_SIZES
WIDEST = max(WIDTHS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def appearance(image: Tensor, width: int, smooth_field: bool = True, seed: int = 0) -> AppearanceParametrization:
    """A random start with kernels of one width; without the field, which is smooth but acts everywhere."""
    noise = torch.randn(len(image), AppearanceParametrization.num_parameters(image.shape[1]), generator=seeded(seed))
    if not smooth_field:
        noise[:, -(AppearanceParametrization.FIELD_SIZE**2) :] = 0
    return AppearanceParametrization(image, noise, torch.full((len(image),), width))


def test_pixels_decode_to_themselves() -> None:
    image = torch.rand(2, 3, 5, 4)
    pixel = PixelParametrization(image)
    assert torch.equal(pixel.start, image)
    assert torch.equal(pixel.decode(image), image)
    assert torch.equal(pixel.project(3 * image - 1, (0.0, 0.5)), (3 * image - 1).clamp(0, 0.5))


def test_reflection_keeps_contrast_where_clamping_loses_it() -> None:
    """A bright line on black, moved up as a whole: clamped it drowns, reflected it turns dark."""
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2] = 0.9
    reflected, clamped = ReflectedParametrization(image), PixelParametrization(image)
    assert_close(reflected.decode(reflected.start), image)
    moved = reflected.project(image + 0.7, (0.0, 1.0))
    expected = torch.full((1, 1, 5, 5), 0.7)
    expected[..., 2] = 2 - 1.6
    assert_close(reflected.decode(moved), expected)
    assert_close(reflected.decode(moved - 2.4), reflected.decode(2.4 - moved), msg="not the same on both sides of 0")
    lost = clamped.project(image + 1.0, (0.0, 1.0))
    assert lost.std() == 0 and reflected.decode(reflected.project(image + 1.0, (0.0, 1.0))).std() > 0.3


def test_reflected_values_climb_to_the_maximum_and_stay() -> None:
    target = torch.rand(3, 2, 6, 6)
    start = ReflectedParametrization(torch.rand(3, 2, 6, 6))
    reached = gradient_ascent(start, lambda x: -(x - target).square().flatten(1).sum(1), steps=60, step_size=0.2)
    assert_close(reached, target, atol=1e-3, rtol=0)


def test_latents_decode_to_the_source(make_flow: Callable[..., FlowPrior]) -> None:
    flow, image = make_flow(channels=2), torch.rand(4, 2, 8, 8)
    latent = LatentParametrization(image, flow)
    assert latent.start.shape == (4, 128) and not latent.start.requires_grad
    assert (latent.start - image.flatten(1)).abs().mean() > 0.05, "vacuous: the flow is close to the identity"
    assert_close(latent.decode(latent.start), image, atol=1e-4, rtol=0)
    assert_close(gradient_ascent(latent, torch.sum, steps=0, step_size=1.0), image, atol=1e-4, rtol=0)


def test_an_ascent_moves_latents_and_leaves_the_flow_alone(make_flow: Callable[..., FlowPrior]) -> None:
    flow, image, w = make_flow(), torch.rand(3, 1, 8, 8), torch.randn(1, 8, 8)
    start = LatentParametrization(image, flow)

    def objective(x: Tensor) -> Tensor:
        return (w * x).flatten(1).sum(1)

    reached = gradient_ascent(start, objective, steps=5, step_size=0.1, rule="normalized")
    assert (objective(reached) > objective(image)).all()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in flow.parameters())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("channels", [1, 3])
def test_appearance_cannot_reach_farther_than_its_kernel(width: int, channels: int) -> None:
    """Changing one source pixel changes decoded pixels within the kernel's radius alone.

    Two dots keep the range of every channel as it is, so that the stretch to [0, 1] stays the same.
    """
    radius, image = width // 2, 0.4 + 0.2 * torch.rand(6, channels, 25, 25)
    image[:, :, :6], image[:, :, 19:] = 0.5, 0.5
    image[:, :, 3, 3], image[:, :, 21, 21] = 0.0, 1.0
    other = image.clone()
    other[:, :, 12, 12] += 0.1

    changes = []
    for seed in range(4):
        decoded = [p.decode(p.start) for p in (appearance(x, width, seed=seed) for x in (image, other))]
        changes.append((decoded[0] - decoded[1]).abs().amax(1))
    # Kernels whose extreme values do not come from the dots stretch anew: the far corner tells, and they are left out.
    change = torch.cat([c[c[:, 0, 0] == 0] for c in changes])
    assert len(change) > 4
    offset = (torch.arange(25) - 12).abs()
    inside = torch.maximum(offset[:, None], offset[None]) <= radius
    assert change[:, ~inside].max() == 0
    assert change[:, inside].amax(1).min() > 0, "vacuous: the pixel has no effect"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_shape_grows_by_the_kernel_radius_at_most(width: int) -> None:
    """Around a rectangle on an even background, all is even again one kernel radius away; edges show up inside."""
    image = torch.full((8, 3, 24, 20), 0.3)
    image[:, :, 8:15, 6:12] = torch.tensor([0.9, 0.5, 0.7])[:, None, None]
    p, radius = appearance(image, width, smooth_field=False), width // 2
    decoded = p.decode(p.start)
    outside = torch.ones(24, 20, dtype=torch.bool)
    outside[8 - radius : 15 + radius, 6 - radius : 12 + radius] = False
    spread = decoded[:, :, outside].amax(2) - decoded[:, :, outside].amin(2)
    assert_close(spread, torch.zeros(8, 3), atol=1e-5, rtol=0)
    assert (decoded.flatten(2).amax(2) - decoded.flatten(2).amin(2)).amax(1).min() > 0.1, "vacuous: nothing is seen"


def test_appearance_of_width_one_keeps_centroids() -> None:
    """A symmetric blob stays symmetric about the same point, whatever its contrast becomes."""
    centre = torch.tensor([13.0, 9.0])
    grid = torch.stack(torch.meshgrid(torch.arange(27.0), torch.arange(19.0), indexing="ij"))
    blob = torch.exp(-(grid - centre[:, None, None]).square().sum(0) / 18)
    image = (blob * torch.tensor([0.9, 0.6, 0.3])[:, None, None]).expand(12, 3, 27, 19)
    p = appearance(image, width=1, smooth_field=False)
    decoded = p.decode(p.start)

    contrast = decoded - decoded[:, :, :1, :1]
    assert (contrast.sum((2, 3)) < 0).any() and (contrast.sum((2, 3)) > 0).any(), "vacuous: no contrast was inverted"
    weights = contrast.abs()
    seen = weights.flatten(2).amax(2) > 0.05
    found = torch.stack([(weights * axis).sum((2, 3)) / weights.sum((2, 3)) for axis in grid], -1)
    assert seen.float().mean() > 0.8
    assert_close(found[seen], centre.expand_as(found[seen]), atol=1e-3, rtol=0)


def test_each_sample_has_its_own_kernel_width() -> None:
    image = torch.rand(3, 3, 9, 9)
    noise = torch.randn(3, AppearanceParametrization.num_parameters(3))
    mixed = AppearanceParametrization(image, noise, torch.tensor(WIDTHS))
    decoded = mixed.decode(mixed.start)
    for i, width in enumerate(WIDTHS):
        part = slice(i, i + 1)
        alone = AppearanceParametrization(image[part], noise[part], torch.tensor([width]))
        assert_close(decoded[part], alone.decode(alone.start))


def test_the_seed_decides_the_draw() -> None:
    image = torch.rand(64, 3, 8, 8)
    first, again, other = (AppearanceParametrization.draw(image, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.start, again.start)
    assert torch.equal(first.decode(first.start), again.decode(again.start))
    assert not torch.equal(first.start, other.start)
    assert set(first.kernel_size.tolist()) == set(WIDTHS)


def test_every_sample_is_convolved_by_its_own_kernel() -> None:
    """The grouped products of matrices against one convolution by kernels with zeros around them."""
    image = torch.rand(9, 3, 12, 10)
    maps = AppearanceParametrization.draw(image, seeded(3))
    kernel = torch.randn(9, 3, 3, 5, 5).requires_grad_()
    offset = (torch.arange(5) - 2).abs()
    inside = torch.maximum(offset[:, None], offset[None]) <= (maps.kernel_size // 2)[:, None, None]
    expected = convolve_each(image - 0.5, kernel * inside[:, None, None])
    found = maps._convolve(kernel)
    assert_close(found, expected, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad(value.square().sum(), kernel)[0] for value in (found, expected)]
    assert_close(*gradients, atol=1e-3, rtol=1e-4)
    assert len(set(maps.kernel_size.tolist())) == 3, "vacuous: one width"


def test_draws_differ_in_what_they_do_to_an_image() -> None:
    image = torch.rand(1, 3, 16, 16).expand(20, 3, 16, 16)
    p = AppearanceParametrization.draw(image, seeded())
    decoded = p.decode(p.start).clamp(0, 1)
    centred = decoded.flatten(1) - decoded.flatten(1).mean(1, keepdim=True)
    source = image.flatten(1) - image.flatten(1).mean(1, keepdim=True)
    correlation = torch.cosine_similarity(centred, source)
    assert correlation.max() - correlation.min() > 0.5


@pytest.mark.parametrize("name", ["random", "black", "white", "one level", "one pixel"])
def test_images_are_finite_and_in_range(name: str) -> None:
    images = {
        "random": torch.rand(32, 3, 12, 10),
        "black": torch.zeros(32, 3, 12, 10),
        "white": torch.ones(32, 3, 12, 10),
        "one level": torch.full((32, 3, 12, 10), 0.37),
        "one pixel": torch.zeros(32, 3, 12, 10).index_put((torch.tensor(0),) * 4, torch.tensor(1.0)),
    }
    p = AppearanceParametrization.draw(images[name], seeded())
    start = p.start.requires_grad_(True)
    decoded = p.decode(start)
    (gradient,) = torch.autograd.grad(decoded.square().sum(), start)
    assert torch.isfinite(gradient).all()
    reached = gradient_ascent(p, lambda x: x.square().flatten(1).sum(1), steps=3, step_size=1.0, rule="normalized")
    assert torch.isfinite(reached).all() and reached.min() >= 0 and reached.max() <= 1
    if name == "random":
        spread = reached.flatten(1).amax(1) - reached.flatten(1).amin(1)
        assert spread.min() > 0.2, "an image lost its contrast"


@pytest.mark.parametrize("width", WIDTHS)
def test_gradient_reaches_the_parameters_in_use_and_no_other(width: int) -> None:
    image = torch.rand(5, 3, 16, 16)
    p = appearance(image, width)
    start = p.start.requires_grad_(True)
    value = (torch.randn(3, 16, 16) * p.decode(start)).sum()
    (gradient,) = torch.autograd.grad(value, start)
    kernel, rest = gradient[:, : 9 * WIDEST**2], gradient[:, 9 * WIDEST**2 :]
    offset = (torch.arange(WIDEST) - WIDEST // 2).abs()
    used = (torch.maximum(offset[:, None], offset[None]) <= width // 2).flatten()
    kernel = kernel.view(5, 9, WIDEST**2)
    assert (kernel[:, :, used] != 0).all()
    assert (kernel[:, :, ~used] == 0).all()
    assert rest.shape[1] == 2 + AppearanceParametrization.FIELD_SIZE**2
    assert (rest != 0).all()


def test_ascent_of_appearance_raises_the_objective(make_flow: Callable[..., FlowPrior]) -> None:
    flow = make_flow(channels=3, side=16)
    network = LandmarkRegressor("lenet", 21, 3, (16, 16)).eval()
    image, target = torch.rand(24, 3, 16, 16), torch.rand(24, 21, 2)
    with AscentObjective(network, flow).bind(image, target, None, seeded()) as objective:
        values = []
        for steps in (0, 5):
            start = PARAMETRIZATIONS["appearance"](image, flow, seeded(3))
            values.append(objective(gradient_ascent(start, objective, steps=steps, step_size=0.3, rule="normalized")))
    assert (values[1] > values[0]).float().mean() > 0.9


@pytest.mark.parametrize("shape", [(2, 10), (1, 236), (2, 235)])
def test_noise_of_wrong_shape(shape: tuple[int, int]) -> None:
    message = rf"noise must have shape \(2, 236\) for this batch of images, got \({shape[0]}, {shape[1]}\)"
    with pytest.raises(ValueError, match=message):
        AppearanceParametrization(torch.rand(2, 3, 8, 8), torch.zeros(shape), torch.tensor([1, 3]))


@pytest.mark.parametrize("widths", [[1, 7], [2, 3], [3], [[3, 3]]])
def test_wrong_kernel_widths(widths: list[int]) -> None:
    with pytest.raises(ValueError, match=r"kernel_size must hold one of \(1, 3, 5\) for each of 2 images"):
        AppearanceParametrization(torch.rand(2, 3, 8, 8), torch.zeros(2, 236), torch.tensor(widths))


def test_latent_needs_a_flow() -> None:
    with pytest.raises(ValueError, match="pass flow=, or choose 'pixel' or 'appearance'"):
        PARAMETRIZATIONS["latent"](torch.rand(1, 1, 8, 8), None, None)


def test_the_original_has_the_smaller_share_in_three_of_four_draws() -> None:
    """Mixed with its own negative, an image keeps the sign of its contrast where its share is above a half."""
    ramp = torch.linspace(0, 1, 6).view(1, 1, 6, 1).expand(2000, 1, 6, 6)
    noise = AppearanceParametrization.draw(ramp, seeded()).start.clone()
    noise[:, : WIDEST**2] = 0
    noise[:, WIDEST**2 // 2] = -1.0  # the kernel's centre
    p = AppearanceParametrization(ramp, noise, torch.ones(2000, dtype=torch.long))
    decoded = p.decode(p.start).mean((1, 3))
    kept = (decoded[:, -1] > decoded[:, 0]).float().mean()
    assert 0.2 < kept < 0.29


def test_a_map_by_hand() -> None:
    """Kernels that swap two channels, a share, a power and an even field, through the formula."""
    image = torch.tensor([[0.0, 1.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.5]]).view(1, 2, 2, 2)
    kernel = torch.zeros(2, 2, WIDEST, WIDEST)
    kernel[0, 1, WIDEST // 2, WIDEST // 2] = kernel[1, 0, WIDEST // 2, WIDEST // 2] = 2.0
    mixture, tone, field = 0.9, 0.8, 0.6
    rest = torch.tensor([mixture, tone, *[field] * AppearanceParametrization.FIELD_SIZE**2])
    p = AppearanceParametrization(image, torch.cat([kernel.flatten(), rest])[None], torch.tensor([1]))
    share = torch.distributions.Normal(0, 1).cdf(torch.tensor(mixture - 0.7))
    mixed = share * image + (1 - share) * image.flip(1)
    expected = (mixed / mixed.max() + 1e-3) ** math.exp(0.4 * tone) * math.exp(0.15 * field)
    assert_close(p.decode(p.start), expected)


def test_the_number_of_parameters_counts_every_part() -> None:
    count = AppearanceParametrization.num_parameters
    assert count(3) == 9 * 25 + 2 + 9
    assert count(3, texture=0.1) == count(3) + 1 + 3 * 25
    assert count(3, fading=0.1) == count(3) + 1 + 16
    assert count(2, 0.1, 0.1, spatial_dims=3) == 4 * 125 + 2 + 27 + 1 + 2 * 125 + 1 + 64
