import json
from pathlib import Path

import numpy as np
import pytest

from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.data.rendered.model import HandPose
from monai_degia.data.rendered.settings import sample_pose_anywhere


@pytest.fixture(scope="module")
def poses() -> list[HandPose]:
    rng = np.random.default_rng(0)
    return [sample_pose_anywhere(rng) for _ in range(1500)]


def test_nearly_half_of_the_hands_fold_or_bend_a_finger(poses: list[HandPose]) -> None:
    folded = np.array([np.degrees(pose.flexion[1:, 1]) > 40 for pose in poses])
    assert 0.4 < folded.any(1).mean() < 0.5
    assert 0.04 < folded.all(1).mean() < 0.2  # fists
    for finger in range(4):
        alone = folded[:, finger] & (folded.sum(1) == 1)
        assert alone.mean() > 0.01
    # Between straight and folded, each finger by an amount of its own.
    bent = np.array([np.ptp(np.degrees(pose.flexion[1:, 1])) for pose in poses])
    assert ((bent > 25) & (bent < 70)).mean() > 0.03


def test_hands_that_are_not_flat_turn_away(poses: list[HandPose]) -> None:
    about_x, about_y = np.degrees(np.array([pose.tilt for pose in poses])).T
    from_back = np.abs(about_y) > 90
    tilt = np.maximum(np.abs(about_x), np.abs(np.where(from_back, about_y - 180, about_y)))
    assert 0.3 < (tilt > 15).mean() < 0.45
    assert tilt.max() <= 45.01
    assert 0.45 < from_back.mean() < 0.55


@pytest.mark.parametrize(("setting", "form"), [("studio", 1), ("anywhere", 2)])
def test_each_setting_has_a_format_of_its_own(setting: str, form: int, tmp_path: Path) -> None:
    # Raised where the same parameters give other hands, so that old folders are not taken for new ones.
    write_synthetic_dataset(tmp_path / "hands", "photo", 1, 32, setting=setting)
    assert json.loads((tmp_path / "hands" / "synthetic.json").read_text())["format"] == form
