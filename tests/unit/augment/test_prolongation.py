"""How an object goes on beyond the image."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia import RandGeometryd, RandProlongation
from monai_degia.augment.prolongation import prolong
from monai_degia.augment.resampling import sample_images

SIZE = (40, 30)
MIDDLES = torch.tensor([[14.5, 14.5], [19.5, 25.0]])  # the arm leaves the lower edge at x = 25


def places(x: tuple[float, float], y: tuple[float, float], count: int = 200) -> Tensor:
    low, high = torch.tensor([x[0], y[0]]), torch.tensor([x[1], y[1]])
    return low + (high - low) * torch.rand(count, 2)


def continued(points: Tensor, taper: float, turn_back: float) -> Tensor:
    """Of one image: places (M, N, 2)."""
    return prolong(points[None], SIZE, MIDDLES[None], torch.tensor([taper]), torch.tensor([turn_back]))[0]


def test_inside_nothing_moves() -> None:
    inside = places((0, 39), (0, 29))[None]
    assert_close(continued(inside, taper=1.5, turn_back=0.5), inside)


def test_without_taper_it_is_the_border_or_the_mirror() -> None:
    image, anywhere = torch.rand(2, *SIZE), places((-15, 54), (-12, 41), 400)[None]
    still = continued(anywhere, taper=0.0, turn_back=0.0)
    assert_close(sample_images(image[None], still[None]), sample_images(image[None], anywhere[None], "border"))
    sides = torch.tensor(SIZE) - 1.0
    mirrored = torch.where(anywhere > sides, 2 * sides - anywhere, anywhere.abs())
    assert_close(continued(anywhere, taper=0.0, turn_back=1.0), mirrored)


def arm(taper: float, turn_back: float = 0.3) -> Tensor:
    """Widths, row by row below the image, of a bar 8 pixels wide that the lower edge cuts off at x = 25."""
    bar = ((torch.arange(SIZE[0]) - 25).abs() <= 4).float()[None, :, None].expand(1, *SIZE)
    grid = torch.stack(torch.meshgrid(torch.arange(40.0), torch.arange(30.0, 60.0), indexing="ij"), -1)
    return sample_images(bar[None], continued(grid, taper, turn_back)[None])[0, 0]


@pytest.mark.parametrize("taper", [-0.5, 0.0, 1.0, 2.0])
def test_what_is_cut_off_narrows_about_its_middle(taper: float) -> None:
    rows = arm(taper)
    widths = rows.sum(0)
    expected = 9 / (1 + taper * (torch.arange(30.0, 60.0) - 29) / 30)
    assert_close(widths[:20], expected[:20].clamp(max=19), atol=0.8, rtol=0.05)
    assert_close(
        (rows * torch.arange(40.0)[:, None]).sum(0)[:20] / widths[:20], torch.full((20,), 25.0), atol=0.6, rtol=0
    )


def test_the_landmark_next_to_the_edge_tells_the_middle() -> None:
    landmarks = torch.tensor([[12.0, 28.0], [30.0, 5.0], [20.0, 2.0]])
    below = torch.tensor([[3.0, 40.0], [12.0, 40.0]])
    drawn = RandProlongation(prob=1, taper_range=(1, 1), turn_back_range=(0, 0))(below, SIZE, landmarks)
    factor = 1 + 11 / 30
    assert_close(drawn, torch.tensor([[12 - 9 * factor, 29.0], [12.0, 29.0]]).clamp_min(0))
    assert drawn[0, 0] == 0, "beyond the left edge in turn"
    alone = RandProlongation(prob=1, taper_range=(1, 1), turn_back_range=(0, 0))(below, SIZE)
    assert_close(alone[:, 0], 19.5 - (19.5 - below[:, 0]).mul(factor).clamp(max=19.5))


def test_it_is_drawn_with_its_probability_within_its_ranges() -> None:
    below, options = torch.tensor([[29.0, 35.0]]), {"taper_range": (0.5, 1.0), "turn_back_range": (0.2, 0.4)}
    drawn = RandProlongation(prob=0.6, **options).set_random_state(0)
    ends = torch.cat([drawn(below, SIZE) for _ in range(2000)])
    changed = ends[ends[:, 1] != 35]
    assert len(changed) / 2000 == pytest.approx(0.6, abs=0.05)
    factors, speeds = (changed[:, 0] - 19.5) / 9.5, (29 - changed[:, 1]) / 6
    assert 1 + 0.5 * 6 / 30 <= factors.min() < 1.11 and 1.19 < factors.max() <= 1 + 6 / 30 + 1e-5
    assert 0.2 - 1e-5 <= speeds.min() < 0.21 and 0.39 < speeds.max() <= 0.4 + 1e-5
    again = RandProlongation(prob=0.6, **options).set_random_state(0)
    assert torch.equal(torch.cat([again(below, SIZE) for _ in range(2000)]), ends)


def moved(prolongation: RandProlongation | None) -> dict[str, Any]:
    image = torch.zeros(1, *SIZE)
    image[:, 20:30] = 1  # a bar that leaves the image above and below
    geometry = RandGeometryd("image", prob=1, translate_range=[(0, 0), (14, 14)], prolongation=prolongation)
    return geometry.set_random_state(0)({"image": image, "landmarks": torch.tensor([[24.5, 29.0], [24.5, 0.0]])})


def test_random_geometry_continues_what_it_moves_into_view() -> None:
    border, taper = moved(None), moved(RandProlongation(prob=1, taper_range=(2, 2), turn_back_range=(0, 0)))
    assert_close(border["landmarks"], taper["landmarks"])
    assert_close(border["image"][..., :15], taper["image"][..., :15])
    widths = taper["image"][0].sum(0)[17:]
    assert (border["image"][0].sum(0) - 10).abs().max() < 1e-4 and (widths.diff() <= 0).all() and widths[-1] < 7


@pytest.mark.parametrize(
    "options", [{"taper_range": (1, 0)}, {"turn_back_range": (0.5, 0.2)}, {"turn_back_range": (0, 1.5)}]
)
def test_wrong_ranges(options: dict) -> None:
    with pytest.raises(ValueError, match="the smaller first"):
        RandProlongation(**options)
