"""Validation digits in another hand, colour and scan."""

from collections import Counter

import pytest
import torch
from torch.testing import assert_close

from monai_degia.shifts.appearance import SHIFTS
from monai_degia.shifts.digits import DigitShiftd, shifted_digits
from monai_degia.shifts.shapes import RECORDINGS, SHAPES


def digit() -> torch.Tensor:
    image = torch.zeros(3, 32, 32)
    image[:, 14:18, 6:26] = 0.9
    image[:, 14:24, 6:9] = 0.9
    return image


def spread(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre and radius of what is bright."""
    place = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij"), -1)
    weight = image.mean(0)[..., None] / image.mean(0).sum()
    middle = (weight * place).sum((0, 1))
    return middle, (weight * (place - middle).square()).sum().sqrt()


@pytest.mark.parametrize("name", [*SHAPES, *RECORDINGS])
def test_a_shift_changes_the_image_and_is_no_chance(name: str) -> None:
    sample = {"image": digit(), "shifts": (name,)}
    out = DigitShiftd("image")(sample)["image"]
    assert out.shape == (3, 32, 32) and out.min() >= 0 and out.max() <= 1
    assert (out - digit()).abs().mean() > 0.01
    assert torch.equal(DigitShiftd("image")(sample)["image"], out) and torch.equal(sample["image"], digit())


def test_shapes_do_what_they_are_called() -> None:
    out = {name: SHAPES[name](digit()) for name in SHAPES}
    middle, size = spread(digit())
    assert float(spread(out["small"])[1]) == pytest.approx(0.65 * float(size), rel=0.05)
    assert out["large"].sum() > 1.3 * digit().sum()
    assert_close(spread(out["aside"])[0] - middle, torch.tensor([3.0, -3.0]), atol=0.05, rtol=0)
    assert out["thick"].sum() > 1.3 * digit().sum() > 1.3 * out["thin"].sum() / 0.7
    assert_close(spread(out["turned left"])[1], size, atol=0.2, rtol=0)
    left, right = (SHAPES[name](torch.flip(digit(), [1])) for name in ("turned left", "turned right"))
    assert_close(torch.flip(left, [1]), out["turned right"], atol=1e-4, rtol=0)
    assert_close(torch.flip(right, [1]), out["turned left"], atol=1e-4, rtol=0)


def test_shifts_are_applied_one_after_the_other() -> None:
    out = DigitShiftd("image")({"image": digit(), "shifts": ("thick", "negative")})["image"]
    assert_close(out, SHIFTS["negative"](SHAPES["thick"](digit())))
    plain = {"image": digit(), "name": "a"}
    assert DigitShiftd("image")(plain) == plain
    with pytest.raises(ValueError, match=r"Unknown shift 'thik'\. Did you mean 'thick'\?"):
        DigitShiftd("image")({"image": digit(), "shifts": ("thik",)})


def test_every_shape_meets_every_appearance_and_recording() -> None:
    items = [{"image": i, "domain": "mnist"} for i in range(251)]
    copies = shifted_digits(items)
    assert copies[:251] == items and len(copies) == 502
    changes = [copy["shifts"] for copy in copies[251:]]
    count = (len(SHAPES) + 1) * (len(SHIFTS) + 1) * (len(RECORDINGS) + 1) - 1
    assert len(set(changes)) == count == 251 and () not in changes
    names = Counter(name for change in changes for name in change)
    assert set(names) == {*SHAPES, *SHIFTS, *RECORDINGS}
    assert copies[251]["domain"].startswith("mnist, ") and all("shifts" not in item for item in items)
    # A short list has a bit of everything, too.
    few = Counter(name for copy in shifted_digits(items[:40])[40:] for name in copy["shifts"])
    assert set(few) == set(names) and max(few[name] for name in SHIFTS) < 12
