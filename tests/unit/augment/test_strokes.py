import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from monai_degia.augment.strokes import RandStrokesd, soften_strokes, widen_strokes

CROSS = ndimage.generate_binary_structure(2, 1)


def bar() -> torch.Tensor:
    image = torch.zeros(1, 1, 20, 20)
    image[..., 8:11, 4:16] = 0.8
    return image


def test_whole_pixels_are_grey_dilation_and_erosion_by_a_cross() -> None:
    images = torch.rand(3, 2, 16, 12)
    wide, thin, same = widen_strokes(images, torch.tensor([2.0, -1.0, 0.0]))
    for channel in range(2):
        twice = images[0, channel].numpy()
        for _ in range(2):
            twice = ndimage.grey_dilation(twice, footprint=CROSS, mode="nearest")
        assert_close(wide[channel], torch.from_numpy(twice))
        once = ndimage.grey_erosion(images[1, channel].numpy(), footprint=CROSS, mode="nearest")
        assert_close(thin[channel], torch.from_numpy(once))
    assert torch.equal(same, images[2])


def test_fractions_lie_between() -> None:
    images = torch.rand(1, 1, 8, 8)
    whole = [widen_strokes(images, torch.tensor([float(amount)])) for amount in (1, 2)]
    assert_close(widen_strokes(images, torch.tensor([1.25])), 0.75 * whole[0] + 0.25 * whole[1])


def draws(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_a_batch_follows_its_draws() -> None:
    strokes = RandStrokesd("image", prob=0.5, width_range=(-1, 1), binarize_prob=0.25, threshold_range=(0, 0.5))
    images = torch.rand(4, 3, 10, 10)
    wide, sharp = [[0.6, 0], [0.4, 0.999999], [0.9, 0], [0.4, 0]], [[0.9, 0], [0.9, 0], [0.2, 0.5], [0.9, 0]]
    rows = draws(*[[*first, *last, 1, 0] for first, last in zip(wide, sharp, strict=True)])
    out = strokes.apply_batch({"image": images, "other": 1}, rows)
    assert out["other"] == 1 and torch.equal(out["image"][0], images[0])
    assert_close(out["image"][1], widen_strokes(images[1:2], torch.ones(1))[0], atol=1e-4, rtol=0)
    white = images[2].max()
    assert_close(out["image"][2], torch.where(images[2] > 0.25 * white, white, 0.0))
    assert_close(out["image"][3], widen_strokes(images[3:4], -torch.ones(1))[0])


def test_soft_strokes_are_blurred_by_a_gaussian_and_keep_their_white() -> None:
    images = torch.rand(3, 2, 24, 20).double()
    out = soften_strokes(images, torch.tensor([0.8, 0.0, 1.4]))
    assert torch.equal(out[1], images[1])
    for i, sigma in ((0, 0.8), (2, 1.4)):
        blurred = [ndimage.gaussian_filter(channel.numpy(), sigma, mode="nearest", radius=5) for channel in images[i]]
        expected = torch.stack([torch.from_numpy(channel) for channel in blurred])
        assert_close(out[i], expected * images[i].max() / expected.max(), atol=1e-3, rtol=0)
        assert_close(out[i].max(), images[i].max())


def test_softness_follows_its_draws() -> None:
    strokes, images = RandStrokesd("image", prob=0, binarize_prob=0, soft_prob=0.3), torch.rand(2, 1, 9, 9)
    out = strokes.apply_batch({"image": images}, draws([1, 0, 1, 0, 0.29, 0.25], [1, 0, 1, 0, 0.31, 0.25]))["image"]
    assert_close(out[0], soften_strokes(images[:1], torch.tensor([0.75]))[0])
    assert torch.equal(out[1], images[1])


def test_what_an_ascent_made_is_left_alone() -> None:
    strokes = RandStrokesd("image", prob=1, binarize_prob=1)
    images = torch.rand(4, 1, 10, 10)
    flags = torch.tensor([True, False, True, False])
    rows = torch.rand(4, RandStrokesd.num_draws).double()
    out = strokes.apply_batch({"image": images, "generated": flags}, rows)["image"]
    assert torch.equal(out[flags], images[flags]) and (out[~flags] != images[~flags]).any((1, 2, 3)).all()


def test_one_sample_is_a_batch_of_one() -> None:
    strokes = RandStrokesd("image", prob=1, width_range=(1, 1), binarize_prob=0)
    out = strokes({"image": bar()[0], "target": 3})
    assert out["target"] == 3 and (out["image"] > 0).sum() > (bar() > 0).sum()
    assert RandStrokesd("image", allow_missing_keys=True)({"target": 3}) == {"target": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prob": 1.5}, "prob must lie in"),
        ({"binarize_prob": -0.1}, "binarize_prob must lie in"),
        ({"soft_prob": 2.0}, "soft_prob must lie in"),
        ({"soft_range": (0.0, 1.0)}, "two positive numbers of pixels"),
        ({"width_range": (1, -1)}, "the smaller first"),
        ({"threshold_range": (0.5, 1.0)}, "shares in"),
    ],
)
def test_options_out_of_range(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandStrokesd("image", **options)
