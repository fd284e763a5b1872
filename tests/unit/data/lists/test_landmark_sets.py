import json
from pathlib import Path

import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import (
    HAND17,
    HAND21,
    LandmarkSet,
    flip_permutation,
    landmark_names,
    landmark_set,
)


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


def bones_of(landmarks: object) -> set[tuple[str, str]]:
    known = landmark_set(landmarks)
    return {(known.names[a], known.names[b]) for a, b in known.skeleton}


def test_bones_of_hands_in_any_order_and_of_any_part() -> None:
    assert len(landmark_set("hand21").skeleton) == 20 and len(landmark_set("hand17").skeleton) == 12
    assert {("wrist", "thumb_cmc"), ("thumb_ip", "thumb_tip"), ("index_pip", "index_dip")} <= bones_of("hand21")
    assert bones_of(HAND21[::-1]) == bones_of(HAND21)
    assert all(a.split("_")[0] == b.split("_")[0] for a, b in bones_of("hand17"))
    assert bones_of(["wrist", "index_pip", "index_tip"]) == {("wrist", "index_pip"), ("index_pip", "index_tip")}
    assert bones_of(["sella", "nasion"]) == set()


@pytest.mark.parametrize("name", ["hand21", "hand17"])
def test_the_chains_of_a_hand_are_its_fingers_from_thumb_to_little_finger(name: str) -> None:
    chains = landmark_set(name).chains
    fingers = ("thumb", "index", "middle", "ring", "little")
    names = landmark_names(name)
    assert [list(c.joints) for c in chains] == [[n for n in names if n.startswith(f"{f}_")] for f in fingers]
    assert [c.fan for c in chains] == [-1.0, -0.6, -0.1, 0.4, 0.9]


def test_limbs_turn_and_a_trunk_rests() -> None:
    trunk = [("l_hip", "r_hip"), ("l_hip", "l_shoulder"), ("r_hip", "r_shoulder"), ("l_shoulder", "r_shoulder")]
    limbs = [("l_hip", "l_knee"), ("l_knee", "l_ankle"), ("r_shoulder", "r_elbow"), ("r_elbow", "r_wrist")]
    names = tuple(dict.fromkeys(joint for bone in trunk + limbs for joint in bone))
    chains = LandmarkSet(names, bones=tuple(trunk + limbs)).chains
    assert [chain.joints for chain in chains] == [("l_knee", "l_ankle"), ("r_elbow", "r_wrist")]
    lone = LandmarkSet(("a", "b", "c"), bones=(("a", "b"), ("b", "c"))).chains
    assert [chain.joints for chain in lone] == [("a", "b", "c")] and lone[0].root == ""


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_set_comes_from_a_file_and_goes_into_a_config_and_back(tmp_path: Path, suffix: str) -> None:
    content = {"names": ["a", "b", "c"], "pairs": [["a", "c"]], "size": ["a", "b"], "object": "chest"}
    file = tmp_path / f"chest{suffix}"
    file.write_text(json.dumps(content), encoding="utf-8")
    known = landmark_set(str(file))
    assert known == landmark_set(file) == landmark_set(content) and known.to_config() == content
    assert known.size_ends == (0, 1) and known.size_name == "a to b"
    assert flip_permutation(known) == [2, 1, 0]
    assert landmark_set(HAND21).to_config() == "hand21" and landmark_set(["b", "a"]).to_config() == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": ["a"]}, "no entry 'name'. Did you mean 'names'"),
        ({"bones": []}, "needs the names"),
        ({"names": ["a", "b"], "size": ["a", "c"]}, "size names 'c', which is no landmark"),
        ({"names": ["a", "b"], "pairs": [["a", "a"]]}, "pairs of two different names"),
        ({"names": ["a", "b", "c"], "pairs": [["a", "b"], ["b", "c"]]}, "one left/right pair only"),
        ({"names": ["a", "b"], "bones": ["ab"]}, "pairs of two different names"),
        ({"names": ["a", "b"], "fan": {"a": [1.0]}}, "1 shares for 'a', which 0 chains"),
        ({"names": "abc"}, "must be a list of strings"),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        landmark_set(content)
