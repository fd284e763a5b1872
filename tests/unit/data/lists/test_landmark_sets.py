import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND17, HAND21, flip_permutation, landmark_names


def test_hand17_is_hand21_without_four_in_the_same_order() -> None:
    dropped = {"wrist", "thumb_cmc", "middle_mcp", "ring_mcp"}
    assert len(HAND21) == len(set(HAND21)) == 21 and HAND21[0] == "wrist" and HAND21[-1] == "little_tip"
    assert HAND21[1:5] == ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
    assert list(HAND17) == [name for name in HAND21 if name not in dropped] and len(HAND17) == 17


def test_names_come_from_a_set_or_a_list() -> None:
    assert landmark_names("hand17") == HAND17
    assert landmark_names(["b", "a"]) == ("b", "a")
    with pytest.raises(ValueError, match=r"'hand12'.*Did you mean 'hand(17|21)'"):
        landmark_names("hand12")
    with pytest.raises(ValueError, match="repeated: a"):
        landmark_names(["a", "b", "a"])
    with pytest.raises(ValueError, match="non-empty list"):
        landmark_names([])


def test_mirroring_a_hand_keeps_the_order() -> None:
    assert flip_permutation("hand21") == list(range(21))


def test_mirroring_exchanges_sides_however_they_are_written() -> None:
    names = ["nose", "left_eye", "ear_right", "right_eye", "ear_left"]
    mirrored = ["nose", "right_eye", "ear_left", "left_eye", "ear_right"]
    indices = flip_permutation(names)
    assert [names[i] for i in indices] == mirrored
    assert np.array_equal(np.array(indices)[indices], np.arange(5))


def test_a_side_without_its_partner_is_named() -> None:
    with pytest.raises(ValueError, match="'left_eye' needs 'right_eye'"):
        flip_permutation(["nose", "left_eye"])
