"""Landmarks follow what MONAI's lazy transforms make of an image, flat or not, and predictions go back."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    CenterSpatialCropd,
    Compose,
    Flipd,
    LazyTransform,
    Orientationd,
    RandAffined,
    Resized,
    Rotate90d,
    Rotated,
    Spacingd,
    SpatialPadd,
    Zoomd,
)
from torch.testing import assert_close

from monai_degia.reading.landmarks import (
    DenormalizeLandmarksd,
    LandmarksToImaged,
    LandmarksToWorldd,
    NormalizeLandmarksd,
    RandFlipLandmarksd,
    landmarks_to_original,
)
from monai_degia.reading.spacing import PixelSpacingd

SHAPES = {2: (44, 30), 3: (44, 30, 24)}
SPACING = (0.5, 0.8, 1.5)


def chains(dims: int) -> dict[str, list[Any]]:
    """What MONAI applies without interpolation, which leaves a flat image an affine of 3 x 3, and what it does not."""
    made: dict[str, list[Any]] = {
        "flip": [Flipd("image", 0)],
        "turn": [Rotate90d("image", 1, spatial_axes=(0, dims - 1))],
        "crop": [CenterSpatialCropd("image", (36, 24, 20)[:dims])],
        "pad": [SpatialPadd("image", (51, 41, 31)[:dims])],
        "orientation": [Orientationd("image", "RAS"[:dims], labels=None)],
        "zoom": [Zoomd("image", 0.8, mode="bilinear", padding_mode="constant")],
        "rotate": [Rotated("image", 0.3 if dims == 2 else (0.2, -0.1, 0.3), mode="bilinear")],
        "resize": [Resized("image", (36, 30, 30)[:dims], mode="bilinear")],
        "spacing": [Spacingd("image", (0.7, 0.7, 1.0)[:dims], mode="bilinear")],
        "affine": [RandAffined("image", prob=1, rotate_range=0.2, translate_range=2, scale_range=0.1, mode="bilinear")],
    }
    made["all that only move pixels"] = [made[name][0] for name in ("orientation", "flip", "turn", "pad", "crop")]
    made["mixed"] = [made[name][0] for name in ("flip", "rotate", "turn", "pad", "zoom")]
    return made


CASES = [(dims, name) for dims in SHAPES for name in chains(dims)]


def dots(dims: int, seed: int) -> dict[str, Any]:
    """An image with a bright dot a landmark, a channel each, whose axes point left and up."""
    shape = np.array(SHAPES[dims])
    points = np.random.default_rng(seed).uniform(0.4 * shape, 0.6 * shape, (3, dims)).astype(np.float32)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    image = [np.exp(-((grid - p.reshape(-1, *[1] * dims)) ** 2).sum(0) / (2 * 1.5**2)) for p in points]
    affine = torch.eye(4, dtype=torch.float64)
    affine[range(dims), range(dims)] = torch.tensor([-1.0, -1.0, 1.0]).double()[:dims] * torch.tensor(SPACING)[:dims]
    affine[:dims, 3] = torch.tensor([11.0, -5.0, 3.0])[:dims].double()
    tracked = MetaTensor(
        torch.tensor(np.stack(image)).float(), affine=affine, meta={"original_affine": affine.numpy().copy()}
    )
    return {"image": tracked, "landmarks": points}


def centres(image: torch.Tensor) -> torch.Tensor:
    plain = torch.as_tensor(image)
    grid = torch.stack(torch.meshgrid(*[torch.arange(float(s)) for s in plain.shape[1:]], indexing="ij"))
    weights = plain.flatten(1) / plain.flatten(1).sum(1, keepdim=True)
    return weights @ grid.flatten(1).T


@pytest.mark.parametrize(("dims", "name"), CASES)
@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "eager"])
def test_points_stay_on_the_dots(dims: int, name: str, lazy: bool) -> None:
    given = dots(dims, seed=len(name))
    steps = [LandmarksToWorldd("landmarks"), *chains(dims)[name], LandmarksToImaged("landmarks")]
    moved = Compose(steps, lazy=lazy).set_random_state(3)(given)
    assert_close(centres(given["image"]), torch.tensor(given["landmarks"]), atol=0.01, rtol=0)
    assert (moved["landmarks"] - torch.tensor(given["landmarks"])).abs().max() > 0.5, "vacuous: nothing moved"
    assert_close(centres(moved["image"]), moved["landmarks"], atol=0.1, rtol=0)
    back = landmarks_to_original(moved["landmarks"], moved["image"])
    assert_close(back, torch.tensor(given["landmarks"]), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("dims", "name"), CASES)
def test_what_is_pending_counts_as_done(dims: int, name: str) -> None:
    """Points by an image that has yet to be resampled are those by the same image afterwards."""
    steps = [*chains(dims)[name], LandmarksToImaged("landmarks"), NormalizeLandmarksd("landmarks")]
    at_once = Compose([LandmarksToWorldd("landmarks"), *steps], lazy=True).set_random_state(3)(dots(dims, 0))
    waiting = LandmarksToWorldd("landmarks")(dots(dims, 0))
    Compose(steps).set_random_state(3)  # the same draws, where there are any
    for step in steps[:-2]:
        waiting = step(waiting, lazy=True)
    assert waiting["image"].pending_operations, "vacuous: nothing is pending"
    for step in steps[-2:]:
        waiting = step(waiting)
    assert_close(waiting["landmarks"], at_once["landmarks"], atol=1e-5, rtol=0)
    there = DenormalizeLandmarksd("landmarks")(waiting)
    there = LandmarksToWorldd("landmarks")(there)
    assert_close(there["landmarks"], LandmarksToWorldd("landmarks")(dots(dims, 0))["landmarks"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("dims", SHAPES)
def test_the_order_of_lazy_and_eager_parts_is_free(dims: int) -> None:
    made = chains(dims)
    lazy, eager = Compose(made["all that only move pixels"], lazy=True), Compose(made["resize"])
    for parts in ((lazy, eager), (eager, lazy)):
        given = dots(dims, 1)
        moved = Compose([LandmarksToWorldd("landmarks"), *parts, LandmarksToImaged("landmarks")])(given)
        assert_close(centres(moved["image"]), moved["landmarks"], atol=0.1, rtol=0)


@pytest.mark.parametrize("dims", SHAPES)
def test_missing_labels_stay_missing(dims: int) -> None:
    given = dots(dims, 2)
    given["landmarks"][1] = np.nan
    steps = [LandmarksToWorldd("landmarks"), *chains(dims)["mixed"], LandmarksToImaged("landmarks")]
    moved = Compose([*steps, NormalizeLandmarksd("landmarks")], lazy=True)(given)["landmarks"]
    assert moved.isnan().all(1).tolist() == [False, True, False]
    assert moved[[0, 2]].isfinite().all()


@pytest.mark.parametrize(("dims", "lazy"), [(2, True), (2, False), (3, True), (3, False)])
def test_spacing_follows_each_axis(dims: int, lazy: bool) -> None:
    steps = [Rotate90d("image", 1, spatial_axes=(0, dims - 1)), Flipd("image", 1)]
    moved = PixelSpacingd("image")(Compose(steps, lazy=lazy)(dots(dims, 0)))
    expected = list(SPACING[:dims])
    expected[0], expected[dims - 1] = expected[dims - 1], expected[0]
    assert_close(moved["spacing"], torch.tensor(expected))


def test_a_flat_point_has_no_place_in_a_volume() -> None:
    given = {**dots(3, 0), "landmarks": np.zeros((4, 2))}
    with pytest.raises(ValueError, match=r"shape \(K, 3\), got \(4, 2\): their image is of shape \(C, X, Y, Z\)"):
        LandmarksToWorldd("landmarks")(given)
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\), got \(4, 2\)"):
        NormalizeLandmarksd("landmarks")(given)
    flat = torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64))
    given["image"].affine = flat
    with pytest.raises(ValueError, match="affine has no inverse"):
        LandmarksToImaged("landmarks")({**given, "landmarks": np.zeros((4, 3))})


@pytest.mark.parametrize("dims", SHAPES)
def test_mirroring_waits_for_the_one_resampling_of_a_chain(dims: int) -> None:
    flip = RandFlipLandmarksd("image", "landmarks", ["nose", "left_eye", "right_eye"], prob=1)
    steps = [LandmarksToWorldd("landmarks"), chains(dims)["rotate"][0], flip, chains(dims)["zoom"][0]]
    given = dots(dims, 4)
    moved = given
    for step in steps:
        moved = step(moved, lazy=True) if isinstance(step, LazyTransform) else step(moved)
    assert len(moved["image"].pending_operations) == 3, "resampled on the way"
    lazy, eager = (Compose([*steps, LandmarksToImaged("landmarks")], lazy=lazy)(given) for lazy in (True, False))
    assert_close(lazy["landmarks"], eager["landmarks"], atol=1e-3, rtol=0)
    assert_close(LandmarksToImaged("landmarks")(moved)["landmarks"], lazy["landmarks"], atol=1e-4, rtol=0)
    order = [0, 2, 1]  # the channel of an eye is now that of the other
    assert_close(centres(lazy["image"])[order], lazy["landmarks"], atol=0.1, rtol=0)
    back = landmarks_to_original(lazy["landmarks"], lazy["image"], ["nose", "left_eye", "right_eye"])
    assert_close(back, torch.tensor(given["landmarks"]), atol=1e-3, rtol=0)
