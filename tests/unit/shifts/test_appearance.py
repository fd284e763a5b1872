"""Fixed changes of appearance on validation images."""

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor
from torch.testing import assert_close

from monai_degia.shifts.appearance import DEFAULT_SHIFTS, FURTHER_SHIFTS, SHIFTS, AppearanceShiftd, shifted_copies


def shifted(image: Tensor, name: str) -> Tensor:
    return torch.as_tensor(AppearanceShiftd("image")({"image": image, "shift": name})["image"])


@pytest.mark.parametrize("name", [*SHIFTS, *FURTHER_SHIFTS])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_shift_changes_values_and_nothing_else(name: str, channels: int) -> None:
    image = MetaTensor(torch.rand(channels, 40, 32) ** 2, affine=2 * torch.eye(4), meta={"filename_or_obj": "a.png"})
    copy = image.clone()
    given: dict[Any, Any] = {"image": image, "shift": name, "landmarks": torch.rand(5, 2)}
    out = AppearanceShiftd("image")(given)

    assert out["landmarks"] is given["landmarks"] and list(out) == list(given)
    assert torch.equal(image, copy) and given["image"] is image
    assert isinstance(out["image"], MetaTensor) and out["image"].meta["filename_or_obj"] == "a.png"
    assert_close(out["image"].affine, image.affine)
    assert out["image"].shape == image.shape and out["image"].dtype == torch.float32
    assert out["image"].min() >= 0 and out["image"].max() <= 1
    assert (out["image"] - image).abs().mean() > 0.05
    assert torch.equal(AppearanceShiftd("image")(given)["image"], out["image"]), "a shift is not random"


@pytest.mark.parametrize("name", DEFAULT_SHIFTS)
def test_geometry_stays(name: str) -> None:
    """A shift of the shifted image is the shifted image moved: no place is treated otherwise, no axis is swapped."""
    image = torch.full((3, 20, 24), 0.2)
    image[:, 4:9, 5:12] = torch.tensor([0.9, 0.6, 0.7])[:, None, None]
    moved = image.roll((6, 4), (1, 2))
    assert_close(shifted(moved, name), shifted(image, name).roll((6, 4), (1, 2)))
    assert (shifted(moved, name) - shifted(image, name)).abs().max() > 0.1


@pytest.mark.parametrize("name", DEFAULT_SHIFTS)
def test_both_axes_are_treated_alike(name: str) -> None:
    image = torch.rand(3, 20, 24)
    assert_close(shifted(image.transpose(1, 2), name), shifted(image, name).transpose(1, 2))


def test_values_by_hand() -> None:
    levels = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    image = levels.view(1, 1, 5)
    assert_close(shifted(image, "negative").flatten(), 1 - levels)
    assert_close(shifted(image, "dark").flatten(), levels**4)
    assert_close(shifted(image, "solarize").flatten(), torch.tensor([0.0, 0.25, 0.5, 0.25, 0.0]))


def test_equalize_spreads_crowded_levels() -> None:
    image = 0.4 + 0.1 * torch.rand(1, 64, 64)
    assert shifted(image, "equalize").std() > 5 * image.std()


def test_edges_lie_where_the_image_changes() -> None:
    image = torch.zeros(3, 20, 20)
    image[:, 10:] = 0.5
    edges = shifted(image, "edges")
    assert_close(edges.amax((0, 2))[[9, 10]], torch.ones(2))
    assert edges[:, :8].max() == 0 and edges[:, 12:].max() == 0


def test_edges_of_an_even_image() -> None:
    assert torch.equal(shifted(torch.full((3, 8, 8), 0.4), "edges"), torch.zeros(3, 8, 8))


def test_clutter_has_half_the_weight_and_colour() -> None:
    image = torch.zeros(3, 64, 48)
    image[:, 20:40, 10:30] = 0.8
    relief = 2 * shifted(image, "clutter") - image
    assert_close(relief, 2 * shifted(torch.zeros(3, 64, 48), "clutter"))
    assert relief.min() < 0.05 and 0.95 < relief.max() <= 1
    assert (relief[0] - relief[1]).abs().mean() > 0.2, "the clutter has no colour"
    for axis in (1, 2):
        assert relief.std(axis).mean() > 0.15, "the clutter does not vary along both axes"


@pytest.mark.parametrize("sample", [{}, {"shift": ""}, {"shift": None}])
def test_without_a_name_nothing_happens(sample: dict[Any, Any]) -> None:
    image = torch.rand(3, 8, 8)
    out = AppearanceShiftd("image")({"image": image, **sample})
    assert out["image"] is image and out == {"image": image, **sample}


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"Unknown shift 'fog'\. Available: negative, dark, solarize, equalize, edges"):
        shifted(torch.rand(3, 8, 8), "fog")


def test_missing_image() -> None:
    sample: dict[Any, Any] = {"shift": "dark"}
    assert AppearanceShiftd("image", allow_missing_keys=True)(sample) == sample
    with pytest.raises(KeyError, match="image"):
        AppearanceShiftd("image")(sample)


def test_copies_take_the_shifts_in_turn() -> None:
    items = [{"image": f"{i}.png", "landmarks": [[i, i]], "domain": "photo"} for i in range(7)]
    copies = shifted_copies(items, ["dark", "edges"])
    assert copies[:7] == items and len(copies) == 14
    assert [c["shift"] for c in copies[7:]] == ["dark", "edges", "dark", "edges", "dark", "edges", "dark"]
    assert [c["domain"] for c in copies[7:9]] == ["photo, dark", "photo, edges"]
    assert [c["image"] for c in copies[7:]] == [item["image"] for item in items]
    assert all("shift" not in item for item in items), "the items given were written into"


def test_copies_by_default_have_no_clutter() -> None:
    copies = shifted_copies([{"image": str(i)} for i in range(len(SHIFTS))])
    assert {c["shift"] for c in copies[len(SHIFTS) :]} == set(SHIFTS) - {"clutter"} == set(DEFAULT_SHIFTS)
    assert copies[-1]["domain"].startswith("source, ")


def test_every_other_item_and_its_copy_are_shown_in_a_mirror() -> None:
    items: list[dict[str, Any]] = [{"image": "a"}, {"image": "b"}, {"image": "c", "mirror": True}]
    items += [{"image": "d", "mirror": True}, {"image": "e"}, {"image": "f", "mirror": "auto"}]
    wanted = [False, True, True, False, False, "auto"]
    for shifts in (["dark"], []):
        copies = shifted_copies(items, shifts, both_sides=True)
        assert [item.get("mirror", False) for item in copies] == wanted * (1 + len(shifts))
    untouched = [False, False, True, True, False, "auto"]
    assert [item.get("mirror", False) for item in shifted_copies(items, [])] == untouched


def test_no_shifts_give_the_items() -> None:
    items = [{"image": "a"}]
    copies = shifted_copies(items, [])
    assert copies == items and copies is not items


def test_unknown_shift_of_copies() -> None:
    with pytest.raises(ValueError, match=r"Unknown shift 'fog'\. Available: negative"):
        shifted_copies([{"image": "a"}], ["dark", "fog"])
