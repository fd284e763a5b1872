"""Convolution by kernels of each image's own: the formula, and the statistics of random kernels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import Tensor
from torch.testing import assert_close

from monai_degia.augment.convolution import convolve_each, random_convolution, stretch_each
from monai_degia.augment.random_convolution import RandConv

SHAPES = {"2-D": (9, 7), "3-D": (6, 5, 7)}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spread(image: Tensor) -> Tensor:
    return image.flatten(1).amax(1) - image.flatten(1).amin(1)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("width", [1, 3, 11])
def test_each_image_is_convolved_by_its_own_kernel(shape: tuple[int, ...], width: int) -> None:
    """Against SciPy, channel by channel; 11 is wider than the image."""
    images = torch.randn(3, 2, *shape, dtype=torch.float64)
    kernels = torch.randn(3, 4, 2, *[width] * len(shape), dtype=torch.float64)
    expected = np.zeros((3, 4, *shape))
    for b, d, c in np.ndindex(3, 4, 2):
        expected[b, d] += correlate(images[b, c].numpy(), kernels[b, d, c].numpy(), mode="nearest")
    assert_close(convolve_each(images, kernels), torch.from_numpy(expected))
    shared = convolve_each(images, kernels[:1])
    assert_close(shared[0], torch.from_numpy(expected[0]))
    assert_close(shared, convolve_each(images, kernels[:1].expand_as(kernels)))


def test_kernels_may_differ_in_width_along_the_axes() -> None:
    images, kernels = torch.randn(2, 1, 6, 5), torch.zeros(2, 1, 1, 1, 5)
    kernels[..., 0] = 1.0
    assert_close(convolve_each(images, kernels), images[..., [0, 0, 0, 1, 2]])


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        ((3, 1, 1, 3, 3), r"need kernels of shape \(2 or 1, D, 1, \*widths\), got \(3, 1, 1, 3, 3\)"),
        ((2, 1, 2, 3, 3), "need kernels of shape"),
        ((2, 1, 1, 3), "need kernels of shape"),
        ((2, 1, 1, 3, 4), r"odd kernel widths, got .* widths \(3, 4\)"),
    ],
)
def test_kernels_that_do_not_fit(kernels: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convolve_each(torch.zeros(2, 1, 6, 6), torch.zeros(kernels))


def test_stretch_keeps_colours_and_survives_an_even_image() -> None:
    images = torch.stack([torch.randn(3, 8, 8), torch.full((3, 8, 8), 0.4)])
    stretched = stretch_each(images)
    low, high = images[0].min(), images[0].max()
    assert_close(stretched[0], (images[0] - low) / (high - low))
    assert torch.equal(stretched[1], torch.zeros(3, 8, 8))


@pytest.mark.parametrize("shape", [(40, 40), (14, 14, 14)])
@pytest.mark.parametrize("width", [1, 3, 5, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_variance_of_noise_are_kept(shape: tuple[int, ...], width: int, channels: int) -> None:
    """Over kernels and noise, each output has the mean of the range and the variance of the input, whatever k, C, d."""
    images = 0.5 + 0.2 * torch.randn(60, channels, *shape)
    convolved = random_convolution(images, seeded(), [width], mixing=False, rescale=None)
    centre = [slice(width // 2, n - width // 2) for n in shape]  # replicated borders repeat values
    inner = convolved[(slice(None), slice(None), *centre)].double() - 0.5
    second_moment = inner.square().mean()
    # The mean over few kernel entries varies itself: its standard error decides how near it must come.
    error = 0.04 * math.sqrt(2 / (60 * channels**2 * width ** len(shape)))
    assert abs(float(second_moment) - 0.04) < 5 * error + 0.001
    assert abs(float(inner.mean())) < 0.02


def test_published_form_acts_on_normalised_values() -> None:
    """Values in (0, 1) about 1/2 and the same values in (-1, 1) about 0 are one image: so are the results."""
    images = torch.rand(6, 3, 8, 8)
    unit = random_convolution(images, seeded(1), rescale=None)
    normalised = random_convolution(2 * images - 1, seeded(1), rescale=None, value_range=(-1.0, 1.0))
    assert_close(2 * unit - 1, normalised)
    assert (unit < 0).any() and (unit > 1).any(), "vacuous: the paper's form leaves the range"
    doubled = random_convolution(2 * (2 * images - 1), seeded(1), rescale=None, value_range=(-1.0, 1.0))
    assert_close(doubled, 2 * normalised)


def test_an_even_background_changes_its_colour() -> None:
    black = random_convolution(torch.zeros(8, 3, 6, 6), seeded(), mixing=False, rescale=None)
    assert black.flatten(1).std(0).min() > 0.1


@pytest.mark.parametrize("rescale", ["stretch", "clamp"])
@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1000.0, 400.0), None])
def test_rescaled_values_stay_in_the_range(rescale: str, value_range: tuple[float, float] | None) -> None:
    low, high = value_range or (-3.0, 5.0)
    images = low + (high - low) * torch.rand(20, 2, 10, 10)
    images[:, :, 0, 0], images[:, :, 1, 1] = low, high
    convolved = random_convolution(images, seeded(), mixing=False, rescale=rescale, value_range=value_range)
    slack = 1e-5 * (high - low)
    assert convolved.min() >= low - slack and convolved.max() <= high + slack
    if rescale == "stretch":
        assert_close(spread(convolved), torch.full((20,), high - low), rtol=1e-4, atol=0)
    else:
        assert (convolved == low).any() and ((convolved > low) & (convolved < high)).any()
    mixed = random_convolution(images, seeded(), rescale=rescale, value_range=value_range)
    assert mixed.min() >= low - slack and mixed.max() <= high + slack


def test_each_image_has_its_own_range_if_none_is_given() -> None:
    images = torch.rand(4, 1, 8, 8) * torch.tensor([1.0, 10.0, 0.1, 5.0]).view(4, 1, 1, 1)
    convolved = random_convolution(images, seeded(), mixing=False, value_range=None)
    assert_close(spread(convolved), spread(images))
    assert torch.equal(
        random_convolution(torch.full((2, 1, 5, 5), 7.0), value_range=None), torch.full((2, 1, 5, 5), 7.0)
    )


def test_mixing_lies_between_image_and_convolved_in_a_uniform_share() -> None:
    images = torch.rand(400, 1, 5, 5)
    alone = random_convolution(images, seeded(3), mixing=False, rescale=None)
    mixed = random_convolution(images, seeded(3), mixing=True, rescale=None)
    share = ((mixed - alone) * (images - alone)).flatten(1).sum(1) / (images - alone).square().flatten(1).sum(1)
    rebuilt = share[:, None, None, None] * images + (1 - share)[:, None, None, None] * alone
    assert_close(mixed, rebuilt, atol=1e-4, rtol=1e-4)
    share = share.sort().values
    assert share.min() >= -1e-4 and share.max() <= 1 + 1e-4
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is exceeded once in a hundred seeds, and the seed is fixed.
    assert (share - torch.linspace(0, 1, 400)).abs().max() < 1.63 / 20


@pytest.mark.parametrize("rescale", ["stretch", None])
@pytest.mark.parametrize("value_range", [(0.0, 1.0), None])
def test_samples_do_not_mix(rescale: str | None, value_range: tuple[float, float] | None) -> None:
    images = torch.rand(8, 3, 9, 9)
    other = images.clone()
    other[3] = torch.rand(3, 9, 9)
    before, after = (random_convolution(x, seeded(), rescale=rescale, value_range=value_range) for x in (images, other))
    changed = (before - after).flatten(1).abs().amax(1)
    assert changed[3] > 0.01 and changed[torch.arange(8) != 3].max() == 0


def reach(images: Tensor, convolve: Callable[[Tensor], Tensor]) -> Tensor:
    """Width of the patch of outputs that the middle pixel reaches, one a sample."""
    other = images.clone()
    other[:, :, 10, 10] += 0.1
    hit = ((convolve(images) - convolve(other)).abs() > 1e-7).any(1)
    return hit.any(1).sum(1)


def test_kernel_widths_are_drawn_for_each_sample_or_once() -> None:
    def widths(per_sample: bool, seed: int) -> list[int]:
        def convolve(x: Tensor) -> Tensor:
            return random_convolution(x, seeded(seed), mixing=False, per_sample=per_sample, rescale=None)

        return reach(torch.rand(64, 1, 21, 21), convolve).tolist()

    own = widths(True, 0)
    assert all(own.count(width) >= 6 for width in (1, 3, 5, 7)) and len(set(own)) == 4
    once = [widths(False, seed) for seed in range(12)]
    assert all(len(set(found)) == 1 for found in once)
    assert len({found[0] for found in once}) > 2


def test_one_kernel_for_the_batch_treats_equal_images_alike() -> None:
    images = torch.rand(1, 3, 8, 8).expand(5, -1, -1, -1)
    once = random_convolution(images, seeded(), per_sample=False)
    assert torch.equal(once, once[:1].expand_as(once))
    own = random_convolution(images, seeded())
    assert (own[1:] - own[:1]).flatten(1).abs().amax(1).min() > 0.05


def test_gradient_reaches_the_images() -> None:
    images = torch.rand(4, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    for options in ({"rescale": None}, {"value_range": None}, {"per_sample": False}):
        torch.autograd.gradcheck(lambda x, o=options: random_convolution(x, seeded(), **o), images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8])
def test_types(dtype: torch.dtype) -> None:
    images = (255 * torch.rand(4, 1, 8, 8)).to(dtype)
    found = random_convolution(images, seeded(), value_range=(0.0, 255.0))
    assert found.dtype == (dtype if dtype.is_floating_point else torch.float32)
    assert_close(
        found.double(), random_convolution(images.double(), seeded(), value_range=(0.0, 255.0)), rtol=0.02, atol=1.0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_sizes": (1, 4)}, r"odd positive integers, so that kernels have a centre, got \(1, 4\)"),
        ({"kernel_sizes": ()}, "kernel_sizes must be odd"),
        ({"kernel_sizes": (-1,)}, "kernel_sizes must be odd"),
        ({"kernel_sizes": "wide"}, "kernel_sizes must be odd"),
        ({"rescale": "squash"}, "Unknown rescale 'squash'. Available: 'stretch', 'clamp', None"),
        ({"value_range": (1.0, 1.0)}, r"low < high, got \(1.0, 1.0\)"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    for make in (lambda: random_convolution(torch.rand(1, 1, 4, 4), **options), lambda: RandConv(**options)):
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (1, 1, 2, 2, 2, 2), (0, 1, 4, 4), (1, 1, 0, 4)])
def test_batches_of_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects images \(B, C, X, Y\) or \(B, C, X, Y, Z\), not empty, got"):
        random_convolution(torch.zeros(shape))


def test_complex_images() -> None:
    with pytest.raises(TypeError, match="needs real images, got torch"):
        random_convolution(torch.zeros(1, 1, 3, 3, dtype=torch.complex64))
