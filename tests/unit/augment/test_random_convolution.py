"""Random convolution as a transform: what is kept, what is drawn, and caches, workers and seeds."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose, Identityd
from torch import Tensor
from torch.testing import assert_close

from monai_degia.augment.convolution import random_convolution
from monai_degia.augment.random_convolution import RandConv, RandConvd


@pytest.mark.parametrize("shape", [(9, 7), (6, 5, 7)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_transform_is_the_function_on_one_image(shape: tuple[int, ...], channels: int) -> None:
    image, transform = torch.rand(channels, *shape), RandConv().set_random_state(4)
    found = transform(image)
    assert_close(
        torch.as_tensor(found), random_convolution(image[None], torch.Generator().manual_seed(transform.seed))[0]
    )
    assert torch.equal(transform(image, randomize=False), found)
    assert not torch.equal(transform(image), found)


def test_meta_data_and_input_are_kept() -> None:
    image = MetaTensor(torch.rand(3, 9, 8), affine=torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0])), meta={"name": "a"})
    copy = image.clone()
    for prob in (0.0, 1.0):
        found = RandConvd("image", prob=prob)({"image": image, "label": 3})
        assert torch.equal(image, copy) and found["label"] == 3
        assert isinstance(found["image"], MetaTensor) and found["image"].meta["name"] == "a"
        assert_close(found["image"].affine, image.affine)
        assert torch.equal(found["image"], image) is (prob == 0)


@pytest.mark.parametrize(
    "image", [np.full((1, 6, 6), 3, np.uint8), np.ones((1, 6, 6), bool), torch.ones(1, 6, 6).int()]
)
def test_integers_become_floats_whether_convolved_or_not(image: Any) -> None:
    for prob in (0.0, 1.0):
        found = RandConv(prob=prob, value_range=(0.0, 255.0))(image)
        assert found.dtype == torch.float32 and found.shape == (1, 6, 6)
    assert_close(torch.as_tensor(RandConv(prob=0.0, value_range=(0.0, 255.0))(image)), torch.as_tensor(image).float())


def test_prob_is_the_share_of_changed_images() -> None:
    transform, image = RandConv(prob=0.3).set_random_state(0), torch.rand(1, 5, 5)
    changed = [not torch.equal(torch.as_tensor(transform(image)), image) for _ in range(300)]
    assert 60 < sum(changed) < 120


def test_the_seed_decides() -> None:
    image = torch.rand(3, 8, 8)

    def draws(seed: int) -> Tensor:
        compose = Compose([RandConvd("image", prob=0.5)]).set_random_state(seed)
        return torch.stack([torch.as_tensor(compose({"image": image})["image"]) for _ in range(8)])

    assert torch.equal(draws(1), draws(1)) and not torch.equal(draws(1), draws(2))


def test_images_of_one_sample_share_the_draw() -> None:
    image = torch.rand(2, 21, 21)
    other = image.clone()
    other[:, 10, 10] += 0.1
    transform = RandConvd(["a", "b", "c"], prob=0.7, mixing=False, rescale=None).set_random_state(0)
    widths = []
    for _ in range(20):
        found = transform(
            {"a": image, "b": image.clone(), "c": torch.zeros(1, 21, 21).index_fill(1, torch.tensor(10), 1)}
        )
        assert torch.equal(found["a"], found["b"])
        bump = transform.conv(other, randomize=False) - found["a"]
        rows = (found["c"] - found["c"][:, :1]).abs().amax((0, 2)) > 1e-6
        widths.append((int((bump.abs() > 1e-6).any(0).any(1).sum()), int(rows.sum())))
    assert all(a == c for a, c in widths) and len(set(widths)) > 2, "one width for all numbers of channels"


def test_missing_keys() -> None:
    assert RandConvd("image", allow_missing_keys=True)({"x": 1}) == {"x": 1}
    with pytest.raises(KeyError, match="image"):
        RandConvd("image")({"x": 1})


@pytest.mark.parametrize("workers", [0, 2])
def test_cached_images_in_workers(workers: int) -> None:
    """Samples differ, epochs differ, a seed repeats both, and what is cached stays as it is."""
    image = MetaTensor(torch.rand(1, 8, 8))
    items = [{"image": image.clone()} for _ in range(8)]

    def epochs(seed: int) -> Tensor:
        transform = Compose([Identityd("image"), RandConvd("image")]).set_random_state(seed)
        data = CacheDataset(items, transform, progress=False, num_workers=None)
        torch.manual_seed(seed)
        loader = DataLoader(data, batch_size=2, num_workers=workers)
        found = [torch.cat([batch["image"].as_tensor() for batch in loader]) for _ in range(2)]
        assert all(torch.equal(cached["image"], image) for cached in data._cache)
        return torch.cat(found)

    first = epochs(5)
    assert len(first.flatten(1).unique(dim=0)) == 16, "two samples got the same draw"
    assert torch.equal(epochs(5), first) and not torch.equal(epochs(6), first)


@pytest.mark.parametrize("shape", [(8, 8), (1, 2, 3, 4, 5), (1, 0, 8)])
def test_images_of_wrong_shape(shape: tuple[int, ...]) -> None:
    for prob in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"expects an image \(C, X, Y\) or \(C, X, Y, Z\), not empty, got shape"):
            RandConv(prob=prob)(torch.zeros(shape))


def test_values_of_another_scale() -> None:
    eight_bit = 255 * torch.rand(1, 8, 8)
    with pytest.raises(ValueError, match=r"with value_range=\(0.0, 1.0\): scale the image first .ScaleIntensityd."):
        RandConv()(eight_bit)
    assert RandConv(value_range=None)(eight_bit).max() > 1
    RandConv()(torch.rand(1, 8, 8) * 1.2 - 0.1)
    for bad in (math.nan, math.inf):
        for value_range in ((0.0, 1.0), None):
            with pytest.raises(ValueError, match="NaN or infinite values: repair it"):
                RandConv(value_range=value_range)(torch.full((1, 3, 3), bad))


def test_complex_images_and_wrong_probability() -> None:
    with pytest.raises(TypeError, match="needs a real image, got torch"):
        RandConv()(torch.zeros(1, 3, 3, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"prob must lie in \[0, 1\], got 1.5"):
        RandConvd("image", prob=1.5)
