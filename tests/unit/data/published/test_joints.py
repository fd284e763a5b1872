import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND17, HAND21
from monai_degia.data.published.joints import (
    DHA_JOINTS,
    JOINT_MAPPING,
    NYU_JOINTS,
    ONEHAND10K_JOINTS,
    RHPE_JOINTS,
    joint_sources,
    mapped_joints,
    pick_joints,
)

OWN = {"nyu": NYU_JOINTS, "rhpe": RHPE_JOINTS, "rsna": RHPE_JOINTS, "dha": DHA_JOINTS, "freihand": HAND21}
OWN |= {"onehand10k": ONEHAND10K_JOINTS}
#: What published code takes from the 36 points of NYU, from tip to palm; index 0 is the tip of the little finger.
NYU_CHAINS = {"little": (0, 1, 3, 5), "ring": (6, 7, 9, 11), "middle": (12, 13, 15, 17), "index": (18, 19, 21, 23)}


@pytest.mark.parametrize("dataset", OWN)
def test_every_source_is_a_joint_of_the_set_and_none_serves_twice(dataset: str) -> None:
    own = OWN[dataset]
    used = [name for source in JOINT_MAPPING[dataset].values() for name in source.names]
    assert len(own) == len(set(own)) and set(used) <= set(own) and len(used) == len(set(used))
    assert set(JOINT_MAPPING[dataset]) <= set(HAND21)


def test_counts_of_the_sets() -> None:
    assert [len(OWN[name]) for name in ("nyu", "rhpe", "dha", "onehand10k")] == [36, 17, 37, 21]
    assert all(mapped_joints(name) == HAND21 for name in ("nyu", "dha", "freihand", "onehand10k"))
    tips = {name for name in HAND21 if name.endswith("_tip")}
    assert set(HAND21) - set(mapped_joints("rhpe")) == tips == set(HAND21) - set(mapped_joints("rsna"))


@pytest.mark.parametrize("finger", NYU_CHAINS)
def test_nyu_fingers_are_those_of_published_code(finger: str) -> None:
    names = [f"{finger}_{joint}" for joint in ("tip", "dip", "pip", "mcp")]
    assert tuple(NYU_JOINTS.index(s.names[0]) for s in joint_sources("nyu", names)) == NYU_CHAINS[finger]


def test_orders_of_files_that_do_not_name_their_points() -> None:
    fingers = [f"{f}_dip {f}_pip {f}_mcp" for f in ("little", "ring", "middle", "index")]
    assert " ".join(RHPE_JOINTS) == " ".join([*fingers, "thumb_ip thumb_mcp thumb_cmc carpus forearm"])
    assert (ONEHAND10K_JOINTS[0], *ONEHAND10K_JOINTS[1::4]) == (
        *("wrist", "thumb1", "forefinger1", "middle_finger1", "ring_finger1", "pinky_finger1"),
    )
    assert [name[-1] for name in ONEHAND10K_JOINTS[1:]] == list("1234" * 5)


def test_nyu_thumb_and_wrist() -> None:
    names = ["thumb_tip", "thumb_ip", "thumb_mcp", "thumb_cmc", "wrist"]
    sources = joint_sources("nyu", names)
    assert [[NYU_JOINTS.index(n) for n in s.names] for s in sources] == [[24], [25], [27], [29], [30, 31]]
    assert "midway" in sources[-1].note and "fingertip" in sources[0].note and not sources[1].note


def test_dha_numbers() -> None:
    numbers = [[int(n[1:]) for n in s.names] for s in joint_sources("dha", "hand21")]
    assert numbers == [[10, 15], *([i] for i in range(17, 37))]


def test_joints_are_taken_by_name_in_the_wanted_order_and_averaged() -> None:
    rng = np.random.default_rng(0)
    points, order = rng.normal(size=(4, 36, 3)), rng.permutation(36)
    sources = joint_sources("nyu", ["wrist", "index_tip"])
    taken = pick_joints(points, NYU_JOINTS, sources)
    np.testing.assert_allclose(taken[:, 0], (points[:, 30] + points[:, 31]) / 2)
    np.testing.assert_array_equal(taken[:, 1], points[:, 18])
    np.testing.assert_array_equal(taken, pick_joints(points[:, order], [NYU_JOINTS[i] for i in order], sources))


def test_what_cannot_be_mapped_is_said() -> None:
    with pytest.raises(
        ValueError, match=r"'rhpe' has no point for 5 of 17 landmarks: thumb_tip, .*little_tip\. Choose"
    ):
        joint_sources("rhpe", HAND17)
    with pytest.raises(ValueError, match="'nyu' has no point for 1 of 2 landmarks: elbow"):
        joint_sources("nyu", ["wrist", "elbow"])
    with pytest.raises(ValueError, match=r"Unknown set 'icvl'\. Available: dha, freihand"):
        mapped_joints("icvl")
    with pytest.raises(ValueError, match="The file has no joint PALM_1; its joints: PALM_2, a"):
        pick_joints(np.zeros((2, 3)), ["PALM_2", "a"], joint_sources("nyu", ["wrist"]))
    with pytest.raises(ValueError, match="Got 3 points and 2 names"):
        pick_joints(np.zeros((3, 2)), ["a", "b"], [])
