"""Volumes as pictures."""

import torch

from monai_degia.results.middle_slices import middle_slices


def test_three_slices_side_by_side() -> None:
    volume = torch.rand(2, 1, 6, 4, 5)
    shown = middle_slices(volume)
    assert shown.shape == (2, 1, 6 + 6 + 4, 5)
    assert torch.equal(shown[:, :, :6, :4], volume[..., 2]) and not shown[:, :, :6, 4:].any()
    assert torch.equal(shown[:, :, 6:12], volume[:, :, :, 2].flip(3)), "z runs upwards"
    assert torch.equal(shown[:, :, 12:], volume[:, :, 3].flip(3))


def test_images_stay() -> None:
    image = torch.rand(2, 3, 6, 4)
    assert middle_slices(image) is image
