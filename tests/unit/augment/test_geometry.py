"""Affine map and warps in one resampling: against MONAI's affine, against the chain, and what landmarks do."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Affine, AffineGrid, Compose
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest
from torch.testing import assert_close

from monai_degia.augment.geometry import RandGeometryd
from monai_degia.augment.prolongation import RandProlongation
from monai_degia.augment.resampling import follow_fields, warp_images
from monai_degia.augment.warp import RandPoseWarpd, RandSmoothWarpd
from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.pool.seeds import uniform_rows

SIZE = (72, 60)
RANGES: dict[str, Any] = {
    "rotate_range": 0.6,
    "shear_range": [0.15, 0.15],
    "translate_range": [5.0, 4.0],
    "scale_range": [0.2, 0.2],
}


def warps(prob: float = 1.0) -> list[Any]:
    return [RandPoseWarpd("image", prob=prob), RandSmoothWarpd("image", prob=prob)]


def sample() -> dict[str, Any]:
    """An open hand whose k-th landmark is a blob in channel k."""
    points = [(0.5, 0.75)]
    for angle in np.deg2rad((55, 18, 2, -14, -32)):
        points += [(0.5 + r * np.sin(angle), 0.7 - r * np.cos(angle)) for r in (0.18, 0.27, 0.34, 0.4)]
    pixels = np.array(points) * SIZE - 0.5
    axes = np.meshgrid(*map(np.arange, SIZE), indexing="ij")
    blobs = [np.exp(-sum((a - p) ** 2 for a, p in zip(axes, point, strict=True)) / 4.5) for point in pixels]
    return {"image": torch.as_tensor(np.stack(blobs), dtype=torch.float32), "landmarks": pixels.astype(np.float32)}


def peaks(image: torch.Tensor) -> torch.Tensor:
    weights = (image - 0.5 * image.amax((1, 2), keepdim=True)).clamp(min=0)
    axes = torch.meshgrid(*[torch.arange(s, dtype=torch.float32) for s in image.shape[1:]], indexing="ij")
    return torch.stack([(weights * axis).sum((1, 2)) / weights.sum((1, 2)) for axis in axes], -1)


def monai_matrix(draws: np.ndarray) -> torch.Tensor:
    """The matrix that MONAI makes of the random numbers of an affine map, about the centre."""
    ranges = [RANGES["rotate_range"], *RANGES["shear_range"], *RANGES["translate_range"], *RANGES["scale_range"]]
    turn, *others = ((2 * draws[:7] - 1) * ranges).tolist()
    shear, translate, scale = others[:2], others[2:4], [1 + other for other in others[4:]]
    return torch.as_tensor(AffineGrid([turn], shear, translate, scale, lazy=True)(spatial_size=SIZE)[1])


def test_the_affine_part_is_that_of_monai() -> None:
    geometry = RandGeometryd("image", prob=1, **RANGES).set_random_state(0)
    image = torch.as_tensor(gaussian_filter(np.random.default_rng(0).random((2, *SIZE)), (0, 2, 2)).astype(np.float32))
    for _ in range(4):
        moved = geometry({"image": image, "landmarks": np.zeros((3, 2))})
        matrix = monai_matrix(geometry.draws[1:])
        expected = Affine(affine=matrix, padding_mode="border", mode="bilinear", image_only=True)(image)
        assert_close(moved["image"], expected.as_tensor(), atol=2e-4, rtol=0)
        assert (moved["image"] - image).abs().max() > 0.02, "vacuous: nothing moved"


def test_landmarks_follow_what_is_painted_on_them() -> None:
    geometry, given = RandGeometryd("image", prob=1, warps=warps(), **RANGES).set_random_state(1), sample()
    checked = 0
    for _ in range(12):
        moved = geometry(given)
        ends = torch.cat([moved["landmarks"], torch.as_tensor(given["landmarks"])], 1)
        inside = ((ends > 4) & (ends < torch.tensor(SIZE * 2) - 5)).all(1)
        assert (peaks(moved["image"]) - moved["landmarks"])[inside].norm(dim=1).max() < 0.9
        checked += int(inside.sum())
    assert checked > 12 * len(HAND21) // 2


def test_it_is_the_chain_but_for_blur() -> None:
    """The same draws, one by one: landmarks agree, and images as far as three interpolations can."""
    geometry, given = RandGeometryd("image", prob=1, warps=warps(), **RANGES).set_random_state(2), sample()
    moved = geometry(given)
    matrix = monai_matrix(geometry.draws[1:])
    turned = Affine(affine=matrix, padding_mode="border", mode="bilinear", image_only=True)(given["image"]).as_tensor()
    (a, b), centre = (matrix[:2, :2].float(), matrix[:2, 2].float()), (torch.tensor(SIZE) - 1) / 2
    points = (torch.as_tensor(given["landmarks"]) - centre - b) @ torch.linalg.inv(a).T + centre
    state = {"image": turned[None], "landmarks": points[None]}
    parts = torch.as_tensor(geometry.draws)[None].split([1, 8, *(warp.num_draws for warp in geometry.warps)], 1)
    for warp, part in zip(geometry.warps, parts[2:], strict=True):
        field = warp.fields(part, SIZE, state["landmarks"])
        state = {
            "image": warp_images(state["image"], field),
            "landmarks": follow_fields(state["landmarks"], field),
        }
    state = {key: value[0] for key, value in state.items()}
    assert_close(moved["landmarks"], state["landmarks"], atol=5e-3, rtol=0)
    assert_close(moved["image"], state["image"], atol=0.2, rtol=0)
    assert float((moved["image"] - state["image"]).abs().mean()) < 0.005
    assert moved["image"].amax((1, 2)).mean() > state["image"].amax((1, 2)).mean(), "one interpolation blurs less"


def test_it_is_seeded_also_inside_compose_and_leaves_its_input_alone() -> None:
    given = sample()
    before = (given["image"].clone(), given["landmarks"].copy())
    chain = Compose([RandGeometryd("image", prob=0.5, warps=warps(0.5), **RANGES)])
    runs = []
    for _ in range(2):
        chain.set_random_state(3)
        runs.append([chain(given)["landmarks"] for _ in range(6)])
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)
    assert len({float(points[0, 0]) for points in runs[0]}) > 3, "draws do not vary"
    assert torch.equal(given["image"], before[0]) and np.array_equal(given["landmarks"], before[1])


def test_no_draw_changes_nothing() -> None:
    given = sample()
    moved = RandGeometryd("image", prob=0, warps=warps(0), **RANGES)(given)
    assert_close(moved["image"], given["image"], atol=1e-5, rtol=0)
    assert_close(moved["landmarks"], torch.as_tensor(given["landmarks"]), atol=1e-4, rtol=0)


def test_zoom_is_even_over_its_range_and_the_same_for_both_axes() -> None:
    """Landmarks keep their shape, and the logarithm of their size is uniform; moves are shares of what is then seen."""
    low, high = 0.75, 1.9
    geometry = RandGeometryd("image", prob=1, zoom_range=(low, high)).set_random_state(4)
    points = np.array([[10.0, 20.0], [50.0, 20.0], [10.0, 50.0]], dtype=np.float32)
    image = torch.zeros(1, *SIZE)
    views = []
    for _ in range(300):
        moved = geometry({"image": image, "landmarks": points})["landmarks"]
        (width, _), (_, height) = moved[1] - moved[0], moved[2] - moved[0]
        assert float(width / 40) == pytest.approx(float(height / 30), rel=1e-4)
        views.append(40 / float(width))
    shares = (np.log(views) - np.log(low)) / np.log(high / low)
    assert kstest(shares, "uniform").pvalue > 0.01 and min(shares) >= 0 and max(shares) <= 1
    twice = RandGeometryd("image", prob=1, zoom_range=(2.0, 2.0), translate_range=[(8.0, 8.0), (0.0, 0.0)])
    middle = (np.array(SIZE) - 1) / 2
    found = twice({"image": image, "landmarks": middle[None]})["landmarks"][0].numpy() - middle
    assert found == pytest.approx([-8.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("zoom", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_zoom_that_is_no_range_is_refused(zoom: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="zoom_range must be two positive numbers"):
        RandGeometryd("image", zoom_range=zoom)


def test_images_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"RandGeometryd needs images of one size, got \[\(5, 5\), \(72, 60\)\]"):
        RandGeometryd(["image", "mask"])({**sample(), "mask": torch.zeros(1, 5, 5)})


@pytest.mark.parametrize("prolongation", [None, RandProlongation()], ids=["border", "prolonged"])
def test_a_batch_equals_its_samples_one_by_one(prolongation: RandProlongation | None) -> None:
    geometry = RandGeometryd(
        "image", prob=0.7, warps=warps(0.6), zoom_range=(0.8, 1.6), prolongation=prolongation, **RANGES
    )
    noise = torch.Generator().manual_seed(0)
    points = torch.as_tensor(sample()["landmarks"]) + 2 * torch.randn(12, 21, 2, generator=noise)
    batch = {"image": torch.rand(12, 2, *SIZE, generator=noise), "landmarks": points, "class": torch.arange(12)}
    draws = torch.as_tensor(uniform_rows(3, 0, 12, geometry.num_draws))
    moved = geometry.apply_batch(batch, draws)
    for i in range(12):
        one = geometry.apply_batch({key: value[i : i + 1] for key, value in batch.items()}, draws[i : i + 1])
        for key in batch:
            assert_close(one[key][0], moved[key][i], atol=1e-4, rtol=0)
    assert (moved["landmarks"] - points).norm(dim=2).amax(1).gt(1).sum() > 8, "vacuous: little moved"


def test_a_sample_is_a_batch_of_one() -> None:
    geometry, given = RandGeometryd("image", prob=1, warps=warps(), **RANGES).set_random_state(5), sample()
    moved = geometry(given)
    batch = {"image": given["image"][None], "landmarks": torch.as_tensor(given["landmarks"])[None]}
    again = geometry.apply_batch(batch, torch.as_tensor(geometry.draws)[None])
    assert torch.equal(moved["image"], again["image"][0]) and torch.equal(moved["landmarks"], again["landmarks"][0])


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"rotate_range": (-0.2, 0.2)}, r"rotate_range takes 1 range, each a number or a pair .* got \(-0.2, 0.2\)"),
        ({"shear_range": [0.1, 0.1, 0.1]}, r"shear_range takes 2 ranges"),
        ({"translate_range": [(1, 2, 3)]}, r"A range of translate_range is a number or a pair \(low, high\), got"),
    ],
)
def test_ranges_that_are_none_are_refused(ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandGeometryd("image", **ranges)


def test_a_flip_reverses_x_and_landmarks_stay_on_what_is_painted_on_them() -> None:
    geometry = RandGeometryd("image", prob=0, flip_prob=1).set_random_state(0)
    before = sample()
    after = geometry(before)
    assert_close(after["image"], before["image"].flip(1), atol=1e-5, rtol=0)
    assert_close(after["landmarks"][:, 0], SIZE[0] - 1 - torch.as_tensor(before["landmarks"])[:, 0])
    assert_close(after["landmarks"][:, 1], torch.as_tensor(before["landmarks"])[:, 1])


def test_a_flip_comes_before_the_other_moves_and_leaves_their_draws_as_they_are() -> None:
    plain = RandGeometryd("image", prob=1, warps=warps(), **RANGES)
    flipping = RandGeometryd("image", prob=1, warps=warps(), flip_prob=0.5, **RANGES)
    one = {key: torch.as_tensor(value)[None] for key, value in sample().items()}
    flipped = {"image": one["image"].flip(2), "landmarks": one["landmarks"].clone()}
    flipped["landmarks"][..., 0] = SIZE[0] - 1 - flipped["landmarks"][..., 0]
    draws = torch.from_numpy(uniform_rows(0, 0, 1, plain.num_draws))
    for last, same in ((0.49, flipped), (0.5, one)):
        moved = flipping.apply_batch(one, torch.cat([draws, torch.full((1, 1), last).double()], 1))
        wanted = plain.apply_batch(same, draws)
        assert_close(moved["image"], wanted["image"], atol=1e-4, rtol=0)
        assert_close(moved["landmarks"], wanted["landmarks"], atol=1e-3, rtol=0)


def test_what_the_edge_cut_off_goes_on_in_a_flip() -> None:
    prolongation = RandProlongation()
    plain = RandGeometryd("image", prob=1, translate_range=[0.0, 30.0], prolongation=prolongation)
    flipping = RandGeometryd("image", prob=1, translate_range=[0.0, 30.0], prolongation=prolongation, flip_prob=1)
    one = {key: torch.as_tensor(value)[None] for key, value in sample().items()}
    flipped = {"image": one["image"].flip(2), "landmarks": one["landmarks"].clone()}
    flipped["landmarks"][..., 0] = SIZE[0] - 1 - flipped["landmarks"][..., 0]
    for seed in range(5):
        draws = torch.from_numpy(uniform_rows(seed, 0, 1, flipping.num_draws))
        moved, wanted = flipping.apply_batch(one, draws), plain.apply_batch(flipped, draws[:, :-1])
        assert_close(moved["image"], wanted["image"], atol=1e-4, rtol=0)


def test_half_of_a_batch_is_flipped_at_one_half() -> None:
    geometry = RandGeometryd("image", prob=0, flip_prob=0.5)
    many = {"image": torch.zeros(400, 1, 4, 4), "landmarks": torch.zeros(400, 1, 2)}
    moved = geometry.apply_batch(many, torch.from_numpy(uniform_rows(0, 0, 400, geometry.num_draws)))
    assert 160 < int((moved["landmarks"][:, 0, 0] == 3).sum()) < 240


def test_a_probability_of_flips_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"flip_prob must lie in \[0, 1\], got 1.5"):
        RandGeometryd("image", flip_prob=1.5)
