"""Frames of pictures, and points carried from one to the other."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from monai_degia.inferers.frames import Frames


def ramp(x_side: int = 60, y_side: int = 40) -> Tensor:
    """A picture whose two channels hold the normalised place of each pixel."""
    x, y = ((torch.arange(side) + 0.5) / side for side in (x_side, y_side))
    return torch.stack([x[:, None].expand(-1, y_side), y.expand(x_side, -1)])[None]


@pytest.mark.parametrize("scale", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("size", [(30, 20), (12, 16)])
def test_a_frame_shows_the_place_that_it_names(scale: float, size: tuple[int, int]) -> None:
    frames = Frames(torch.tensor([[0.55, 0.48]]), torch.tensor([scale]))
    shown = frames.cut(ramp(), size)
    assert shown.shape == (1, 2, *size)
    x, y = ((torch.arange(side) + 0.5) / side for side in size)
    places = frames.to_picture(torch.cartesian_prod(x, y)[None])[0].view(*size, 2)
    inside = ((places > 0.02) & (places < 0.98)).all(-1)
    assert inside.sum() > 30
    assert_close(shown[0].permute(1, 2, 0)[inside], places[inside], atol=2e-3, rtol=0)


def test_the_whole_picture_at_its_own_size_is_left_as_it_is() -> None:
    pictures = torch.rand(3, 1, 20, 30)
    assert Frames.whole(pictures).cut(pictures, (20, 30)) is pictures


def test_shrinking_averages_what_lies_between() -> None:
    """Stripes one pixel wide become grey: one sample a pixel would show black or white."""
    stripes = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    shown = Frames.whole(stripes).cut(stripes, (16, 16))
    assert_close(shown, torch.full_like(shown, 0.5), atol=0.13, rtol=0)


def test_a_frame_around_landmarks_has_their_box_in_the_middle() -> None:
    landmarks = torch.tensor([[[0.2, 0.3], [0.4, 0.7], [0.3, 0.5]], [[0.6, 0.6], [0.7, 0.65], [0.65, 0.62]]])
    frames = Frames.around(landmarks, margin=2.0)
    assert_close(frames.centre, torch.tensor([[0.3, 0.5], [0.65, 0.625]]))
    assert_close(frames.scale, torch.tensor([0.8, 0.2]))
    assert_close(frames.wider(2.0).scale, torch.tensor([1.6, 0.4]))


def test_landmarks_on_one_spot_do_not_make_an_empty_frame() -> None:
    assert Frames.around(torch.full((1, 5, 2), 0.5), 1.6).scale.item() > 0.01


def test_what_a_picture_shows_does_not_depend_on_those_beside_it() -> None:
    pictures = torch.rand(3, 1, 64, 64)
    frames = Frames(torch.tensor([[0.5, 0.5], [0.4, 0.6], [0.5, 0.5]]), torch.tensor([0.2, 0.7, 1.9]))
    together = frames.cut(pictures, (16, 16))
    for index in range(3):
        row = torch.tensor([index])
        assert_close(frames[row].cut(pictures[row], (16, 16)), together[row], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(20, 11), (64, 64)])
def test_a_cut_is_the_mean_of_bilinear_samples_as_torch_takes_them(size: tuple[int, int]) -> None:
    pictures = torch.rand(3, 2, 50, 37)
    frames = Frames(torch.rand(3, 2), torch.tensor([0.1, 0.7, 1.9]))
    fine = min(4, math.ceil(2 * max(50 / size[0], 37 / size[1])))
    theta = torch.diag_embed(frames.scale[:, None].expand(-1, 2))
    theta = torch.cat([theta, (2 * frames.centre - 1).flip(1)[..., None]], 2)
    grid = functional.affine_grid(theta, [3, 2, *(fine * side for side in size)], align_corners=False)
    samples = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    assert_close(frames.cut(pictures, size), functional.avg_pool2d(samples, fine), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_pictures_are_cut_at_the_places_of_others(dtype: torch.dtype) -> None:
    pictures = torch.full((1, 1, 600, 600), 0.5, dtype=dtype)
    frames = Frames(torch.tensor([[0.5, 0.4]], dtype=dtype), torch.tensor([0.8], dtype=dtype))
    assert_close(frames.cut(pictures, (64, 64)).float(), torch.full((1, 1, 64, 64), 0.5), atol=0.01, rtol=0)
