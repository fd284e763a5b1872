from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered.model import HandPose, HandShape, joint_positions, sample_pose, sample_shape
from monai_degia.data.rendered.parts import Capsule, build_hand
from monai_degia.data.rendered.rendering import capsule_interval

SEEDS = range(12)
CHAINS = [[1 + 4 * finger + i for i in range(4)] for finger in range(5)]


def lengths(joints: np.ndarray) -> np.ndarray:
    return np.array([[np.linalg.norm(joints[b] - joints[a]) for a, b in pairwise(c)] for c in CHAINS])


@pytest.mark.parametrize("seed", SEEDS)
def test_posing_keeps_bones_rigid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, first, second = sample_shape(rng), sample_pose(rng), sample_pose(rng)
    a, b = (build_hand(shape, pose).joints_mm for pose in (first, second))
    assert np.abs(a - b).max() > 5, "vacuous: both poses are the same"
    np.testing.assert_allclose(lengths(a), shape.bones_mm)
    np.testing.assert_allclose(lengths(b), shape.bones_mm)
    # The palm is rigid as well: wrist and the four MCPs.
    palm = [0, 5, 9, 13, 17]
    distances = [np.linalg.norm(j[palm][:, None] - j[palm][None], axis=-1) for j in (a, b)]
    np.testing.assert_allclose(*distances, atol=1e-9)


def test_open_hand_has_the_layout_of_a_right_hand_seen_from_the_palm() -> None:
    joints = dict(zip(HAND21, joint_positions(HandShape.average(), HandPose()), strict=True))
    tips = [joints[f"{finger}_tip"] for finger in ("thumb", "index", "middle", "ring", "little")]
    assert all(right[0] > left[0] for right, left in pairwise(tips))
    assert all(joints[f"{f}_tip"][1] < joints[f"{f}_pip"][1] < joints[f"{f}_mcp"][1] < 0 for f in ("index", "little"))
    assert HandShape.average().length_mm == pytest.approx(-joints["middle_tip"][1], abs=0.5)


@pytest.mark.parametrize("finger", range(5))
def test_flexion_brings_tips_towards_camera_and_palm(finger: int) -> None:
    shape, flat = HandShape.average(), HandPose()
    flexion = np.zeros((5, 3))
    flexion[finger] = np.deg2rad([40, 50, 30])
    before = joint_positions(shape, flat)
    after = joint_positions(shape, replace(flat, flexion=flexion))
    tip, moved = 4 + 4 * finger, np.linalg.norm(after - before, axis=1) > 1e-6
    assert after[tip, 2] < before[tip, 2] - 10
    palm = before[[0, 9]].mean(axis=0)
    assert np.linalg.norm(after[tip, :2] - palm[:2]) < np.linalg.norm(before[tip, :2] - palm[:2])
    assert set(np.flatnonzero(moved)) <= set(CHAINS[finger][1:])


def test_flexion_angle_is_the_angle_between_bones() -> None:
    angles = np.deg2rad([20.0, 35.0, 50.0])
    pose = replace(HandPose(), flexion=np.tile(angles, (5, 1)))
    joints = joint_positions(HandShape.average(), pose)
    for finger, chain in enumerate(CHAINS):
        bones = np.diff(joints[chain], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        between = np.arccos((bones[:-1] * bones[1:]).sum(axis=1))
        np.testing.assert_allclose(between, angles[1:], err_msg=f"finger {finger}")


def test_view_rotation_is_proper_and_turns_clockwise() -> None:
    pose = replace(HandPose(), rotation=0.3, tilt=(0.2, -0.4))
    view = pose.view_rotation()
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1.0)
    up = replace(HandPose(), rotation=np.pi / 2).view_rotation() @ [0, -1, 0]
    np.testing.assert_allclose(up, [1, 0, 0], atol=1e-12)


def test_people_and_poses_vary() -> None:
    rng = np.random.default_rng(0)
    shapes, poses = [sample_shape(rng) for _ in range(200)], [sample_pose(rng) for _ in range(200)]
    assert np.ptp([s.length_mm for s in shapes]) > 50
    assert np.std([s.bones_mm[1, 0] / s.bones_mm[2, 0] for s in shapes]) > 0.01
    bent = np.array([p.flexion[1:, 1] for p in poses])
    is_open, is_fist = (bent < np.deg2rad(30)).all(axis=1), (bent > np.deg2rad(70)).all(axis=1)
    assert is_open.mean() > 0.4 and is_fist.mean() > 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_capsule_agrees_with_its_definition_as_a_union_of_balls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 8, (2, 3))
    radii = rng.uniform(2, 8, 2)
    if seed < 2:  # a cone seen end-on, its point towards the camera or away from it
        b[:2], b[2], radii = a[:2] + 0.1, a[2] + 12.0, np.array([2.0, 7.0] if seed else [7.0, 2.0])
    capsule = Capsule(a, b, *radii)
    x, y = np.linspace(-20, 20, 23), np.linspace(-20, 20, 21)
    front, back = capsule_interval(x, y, capsule)

    t = np.linspace(0, 1, 4001)[:, None, None]
    cx, cy, cz = (a[i] + t * (b[i] - a[i]) for i in range(3))
    radius = capsule.radius_a + t * (capsule.radius_b - capsule.radius_a)
    inside = radius**2 - (x - cx) ** 2 - (y[:, None] - cy) ** 2
    half = np.sqrt(inside.clip(0))
    expected_front = np.where(inside > 0, cz - half, np.inf).min(axis=0)
    expected_back = np.where(inside > 0, cz + half, -np.inf).max(axis=0)
    assert np.isfinite(expected_front).sum() > 10, "vacuous: no ray hits"
    np.testing.assert_array_equal(np.isfinite(front), np.isfinite(expected_front))
    np.testing.assert_allclose(front, expected_front, atol=2e-2)
    np.testing.assert_allclose(back, expected_back, atol=2e-2)
