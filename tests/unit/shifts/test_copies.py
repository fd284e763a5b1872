"""The copies that a calibration is fitted on."""

from collections import Counter

import pytest

from monai_degia.shifts.appearance import FURTHER_SHIFTS, SHIFTS
from monai_degia.shifts.copies import calibration_copies, kinds_of_copy
from monai_degia.shifts.framing import FRAMINGS, FURTHER_FRAMINGS
from monai_degia.shifts.pose import POSES

ITEMS = [{"image": f"{index}.png", "domain": "photo", "mirror": index % 2 == 0} for index in range(300)]


def test_items_come_first_and_as_they_are() -> None:
    copies = calibration_copies(ITEMS, copies=3)
    assert copies[:300] == ITEMS and len(copies) == 1200
    assert Counter(copy["image"] for copy in copies) == {item["image"]: 4 for item in ITEMS}
    assert copies == calibration_copies(ITEMS, copies=3) != calibration_copies(ITEMS, copies=3, seed=1)


def test_a_domain_names_all_that_was_changed_and_nothing_else() -> None:
    seen: Counter[str] = Counter()
    for copy in calibration_copies(ITEMS, copies=3)[300:]:
        original = ITEMS[int(copy["image"].removesuffix(".png"))]
        changed = {copy["shift"], copy["framing"], copy["pose"]} - {"", "as is"}
        changed |= {"mirrored"} if copy["mirror"] != original["mirror"] else set()
        kinds = kinds_of_copy(copy["domain"], ["photo"])
        assert set(kinds) == changed and len(kinds) == len(changed)
        seen.update(kinds)
    every = {*SHIFTS, *FURTHER_SHIFTS, *FRAMINGS, *FURTHER_FRAMINGS, *POSES, "mirrored"} - {"as is"}
    assert set(seen) == every and min(seen.values()) > 20, "each kind is there, so that each can be left out"
    assert seen["mirrored"] == pytest.approx(450, abs=60), "nobody knows which side an unseen domain shows"


def test_sides_that_the_file_tells_are_left_to_it() -> None:
    copies = calibration_copies([{"image": "a.dcm", "mirror": "auto"}] * 200)
    assert {copy["mirror"] for copy in copies} == {"auto"}
    assert all("mirrored" not in copy.get("domain", "") for copy in copies)


def test_what_has_no_sides_is_not_mirrored() -> None:
    items = [{"image": f"{index}.png", "domain": "photo"} for index in range(60)]
    assert any("mirror" in copy for copy in calibration_copies(items)[60:])
    assert not any("mirror" in copy or "mirrored" in copy["domain"] for copy in calibration_copies(items, sided=False))


def test_kinds_are_what_a_domain_names_beyond_the_source() -> None:
    assert kinds_of_copy("photo", ["photo"]) == ()
    assert kinds_of_copy("photo, faded", ["photo", "photo, faded"]) == ()
    assert kinds_of_copy("photo, faded, far", ["photo", "photo, faded"]) == ("far",)
    assert kinds_of_copy("photo, dark, far", ["photo"]) == ("dark", "far")
    assert kinds_of_copy("rendered", ["photo"]) == ("rendered",)


def test_at_least_one_copy() -> None:
    with pytest.raises(ValueError, match="copies of 1 or more, got 0"):
        calibration_copies(ITEMS, copies=0)
