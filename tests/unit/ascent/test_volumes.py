"""Ascents on volumes: the same code as on images, so a volume of one repeated slice is climbed as its slice is."""

import pytest
import torch
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.ascent.adversarial import AdversarialAscent, AdversarialAscentd
from monai_degia.ascent.appearance import AppearanceParametrization, random_appearance
from monai_degia.ascent.gradient_ascent import gradient_ascent
from monai_degia.ascent.parametrization import LatentParametrization
from monai_degia.ascent.starts import PARAMETRIZATIONS
from monai_degia.augment.resampling import follow_fields, warp_images
from monai_degia.augment.splines import grow_grids
from monai_degia.augment.textures import random_grounds
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.objective import AscentObjective
from monai_degia.losses.per_sample import PerSampleLoss

SHAPE = (8, 8, 4)


def randomised(**options: object) -> FlowPrior:
    flow = FlowPrior(SHAPE, 1, hidden_channels=4, **options)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.1)
    return flow.eval()


def segmenting(flow: FlowPrior | None = None) -> AscentObjective:
    torch.manual_seed(0)
    network = UNet(3, 1, 1, channels=(4, 8), strides=(2,))
    loss = PerSampleLoss(DiceLoss(sigmoid=True))
    weight = 1.0 if flow else 0.0
    return AscentObjective(network, flow, loss, nll_weight=weight, alpha=weight, prediction=nn.Sigmoid())


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_every_parametrization_climbs_volumes_with_masks(name: str) -> None:
    objective = segmenting(randomised())
    ascent = AdversarialAscent(objective, name, steps=4, step_size=0.05, rule="normalized", flow=objective.flow)
    image, mask = torch.rand(2, 1, *SHAPE), (torch.rand(2, 1, *SHAPE) > 0.5).to(torch.uint8)
    ascent.set_random_state(1)
    reached = ascent(image, mask)
    ascent.steps = 0
    start = ascent(image, mask, randomize=False)
    assert reached.shape == image.shape and 0 <= reached.min() <= reached.max() <= 1
    # The noise of the prior is drawn behind that of the start: with the flow's shift left out both see the same.
    assert not torch.equal(reached, start)
    without = segmenting()
    climbed = AdversarialAscent(without, name, steps=4, step_size=0.05, rule="normalized", flow=objective.flow)
    climbed.set_random_state(1)
    higher = climbed(image, mask)
    climbed.steps = 0
    lower = climbed(image, mask, randomize=False)
    with without.bind(image, mask, None) as value:
        assert (value(higher) > value(lower)).all()


@pytest.mark.parametrize("rule", ["gradient", "normalized", "sign", "sobolev"])
def test_step_rules_in_three_dimensions(rule: str) -> None:
    x0, weight = torch.zeros(2, 1, *SHAPE), torch.randn(2, 1, *SHAPE)

    def value(x: Tensor) -> Tensor:
        return (weight * x).flatten(1).sum(1)

    moved = gradient_ascent(x0, value, steps=1, step_size=0.3, rule=rule, bounds=(-1e3, 1e3))
    assert (value(moved) > 0).all()


def test_a_wave_in_space_is_damped_by_its_number() -> None:
    x, y, z = (2 * torch.pi * torch.arange(side).double() / side for side in (8, 12, 10))
    wave = torch.cos(x)[:, None, None] * torch.cos(2 * y)[:, None] * torch.cos(3 * z)
    gradient = (1 + wave)[None, None]
    start = torch.zeros(1, 1, 8, 12, 10, dtype=torch.float64)
    step = gradient_ascent(
        start, lambda v: (gradient * v).flatten(1).sum(1), steps=1, step_size=0.3, rule="sobolev", bounds=(-1, 1)
    )
    kept = (1 + (1 + 4 + 9) / 4) ** -3
    assert_close(step[0, 0], 0.3 * (1 + kept * wave) / (1 + kept))


def test_appearance_of_a_volume_that_is_one_slice_again_and_again() -> None:
    """With kernels that are 0 off the middle slice, and fields that are the same in all, the slices stay alike."""
    flat = torch.rand(2, 1, 9, 7)
    volume = flat[..., None].expand(-1, -1, -1, -1, 6)
    sizes = torch.tensor([3, 5])
    width, field = max(AppearanceParametrization.KERNEL_SIZES), AppearanceParametrization.FIELD_SIZE
    noise = torch.randn(2, AppearanceParametrization.num_parameters(1))
    kernel, mixture, grid = noise.split([width**2, 2, field**2], 1)
    deep = torch.zeros(2, width, width, width)
    # The scale of a kernel goes by its number of entries, of which a volume's has as many again for each slice.
    deep[..., width // 2] = kernel.view(2, width, width) * sizes.sqrt().view(2, 1, 1)
    deep_grid = grid.view(2, field, field, 1).expand(-1, -1, -1, field)
    parameters = torch.cat([deep.flatten(1), mixture, deep_grid.flatten(1)], 1)
    plane = AppearanceParametrization(flat, noise, sizes).decode(noise)
    space = AppearanceParametrization(volume, parameters, sizes).decode(parameters)
    assert_close(space, plane[..., None].expand_as(space), atol=1e-5, rtol=1e-4)


def test_random_appearance_and_grounds_of_volumes_replay() -> None:
    volume = torch.rand(2, 3, *SHAPE)
    for draw in (random_grounds, lambda x, g: random_appearance(x, g, texture=0.2, fading=1.0)):
        first, again, other = (draw(volume, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert first.shape == volume.shape and torch.equal(first, again) and not torch.allclose(first, other)


def test_smooth_fields_meet_their_grid_at_its_ends() -> None:
    grid = torch.rand(2, 3, 4, 5, 3)
    field = grow_grids(grid, (9, 12, 7))
    assert field.shape == (2, 3, 9, 12, 7)
    for corner in ((0, 0, 0), (-1, 0, -1), (-1, -1, 0)):
        assert_close(field[(..., *corner)], grid[(..., *corner)], atol=1e-5, rtol=1e-5)
    constant = grow_grids(torch.ones(1, 1, 3, 3, 3), (8, 8, 8))
    assert_close(constant, torch.ones(1, 1, 8, 8, 8))


def test_points_follow_a_field_in_space() -> None:
    grid = torch.randn(1, 3, 4, 4, 4)
    field = 0.8 * grow_grids(grid, (20, 18, 16))
    points = torch.tensor([[[6.0, 9.0, 8.0], [12.0, 5.0, 7.0], [float("nan")] * 3]])
    moved = follow_fields(points, field)
    assert moved[0, 2].isnan().all()
    ramp = torch.stack(torch.meshgrid(*[torch.arange(float(side)) for side in (20, 18, 16)], indexing="ij"))[None]
    pulled = warp_images(ramp, field)
    for before, after in zip(points[0, :2], moved[0, :2], strict=True):
        near = tuple(slice(int(place), int(place) + 2) for place in after)
        values = pulled[0][(slice(None), *near)].flatten(1)
        assert (values.amin(1) - 0.1 <= before).all() and (before <= values.amax(1) + 0.1).all()


def test_a_latent_of_a_coarser_flow_keeps_the_detail_of_the_source() -> None:
    flow, image = randomised(flow_spacing=(2, 2, 1)), torch.rand(2, 1, *SHAPE)
    latent = LatentParametrization(image, flow)
    assert_close(latent.decode(latent.start), image, atol=1e-5, rtol=0)
    other = torch.randn_like(latent.start)
    assert_close(flow.shrink(latent.decode(other)), flow.inverse(other), atol=1e-4, rtol=1e-4)


def test_the_dictionary_version_tells_a_volume_from_a_batch_of_images() -> None:
    ascent = AdversarialAscent(segmenting(), steps=1, step_size=0.02)
    transform = AdversarialAscentd("image", ascent, target_key="label", spatial_dims=3)
    image, mask = torch.rand(1, *SHAPE), torch.ones(1, *SHAPE)
    one = transform({"image": image, "label": mask})["image"]
    assert one.shape == image.shape and not torch.equal(one, image)
    assert transform({"image": image[None], "label": mask[None]})["image"].shape == (1, 1, *SHAPE)
