"""Poses of source validation: fingers apart or together, and landmarks that follow."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from monai_degia.data.lists.landmark_sets import HAND17, HAND21
from monai_degia.data.rendered.dataset import render_hand
from monai_degia.shifts.appearance import shifted_copies
from monai_degia.shifts.pose import POSES, PoseShiftd


def blobs(points: np.ndarray, side: int = 96) -> torch.Tensor:
    axes = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    images = [np.exp(-((axes[0] - x) ** 2 + (axes[1] - y) ** 2) / 4.5) for x, y in points]
    return torch.as_tensor(np.stack(images), dtype=torch.float32)


def width(points: torch.Tensor, names: tuple[str, ...]) -> float:
    return float((points[names.index("thumb_tip")] - points[names.index("little_tip")]).norm())


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("names", [HAND21, HAND17], ids=["hand21", "hand17"])
def test_fingers_move_apart_or_together_on_hands_of_both_sides(names: tuple[str, ...], mirrored: bool) -> None:
    changed = {"spread": 0, "closed": 0}
    for seed in range(14):
        points = render_hand("photo", seed=seed, image_size=96).landmarks[[HAND21.index(name) for name in names]]
        if mirrored:
            points = points * [-1, 1] + [95, 0]
        sample = {"image": blobs(points), "landmarks": points.astype(np.float32)}
        before = width(torch.as_tensor(points), names)
        shift = PoseShiftd("image", landmarks=names)
        spread, closed = (shift({**sample, "pose": pose})["landmarks"] for pose in ("spread", "closed"))
        assert width(closed, names) <= before + 1.5 and width(spread, names) >= before - 1.5
        changed["spread"] += width(spread, names) > 1.1 * before
        changed["closed"] += width(closed, names) < 0.95 * before
    assert min(changed.values()) >= 3, "vacuous: most hands stay as they are"


def test_landmarks_follow_the_image() -> None:
    points = render_hand("photo", seed=1, image_size=96).landmarks
    moved = PoseShiftd("image")({"image": blobs(points), "landmarks": points, "pose": "spread"})
    inside = ((moved["landmarks"] > 5) & (moved["landmarks"] < 90)).all(1)
    peaks = torch.tensor([divmod(int(channel.argmax()), 96) for channel in moved["image"]])
    assert inside.sum() > 15
    assert (peaks - moved["landmarks"])[inside].norm(dim=1).max() < 1.5


def test_a_sample_without_a_pose_is_left_alone() -> None:
    sample = {"image": torch.rand(3, 8, 8), "landmarks": torch.rand(21, 2)}
    assert PoseShiftd("image")(sample)["image"] is sample["image"]
    assert_close(PoseShiftd("image")({**sample, "pose": "as is"})["landmarks"], sample["landmarks"])
    with pytest.raises(ValueError, match=r"Unknown pose 'fist'\. Available: as is, spread, closed"):
        PoseShiftd("image")({**sample, "pose": "fist"})


def test_validation_copies_take_the_poses_in_turn() -> None:
    copies = shifted_copies([{"image": str(i)} for i in range(105)])[105:]
    assert len({(c["shift"], c["framing"], c["pose"]) for c in copies}) == 105
    assert {c["pose"] for c in copies} == set(POSES)
