"""Counting stretched fingers."""

import numpy as np
import pytest

from monai_degia.data.rendered.extended import classes_by_extended_fingers, count_extended_fingers
from monai_degia.data.rendered.model import HandPose, HandShape, joint_positions


@pytest.mark.parametrize("folded", [(), (1,), (2, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("turn", [0.0, 1.0, 3.0])
def test_straight_fingers_are_counted_in_any_turn(folded: tuple[int, ...], turn: float) -> None:
    pose = HandPose()
    pose.flexion[list(folded), 1:] = np.deg2rad(80)
    # Seen half from the side, where folded fingers do not foreshorten to straight lines.
    joints = joint_positions(HandShape.average(), pose) @ [[0.8, 0], [0, 1], [0.6, 0]]
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert count_extended_fingers(joints @ rotation) == 5 - len(folded)


def test_items_get_their_class_and_keep_the_rest() -> None:
    points = joint_positions(HandShape.average(), HandPose())[:, :2]
    items = [{"image": "a.png", "landmarks": points, "class": 9}]
    assert classes_by_extended_fingers(items) == [{**items[0], "class": 5}]
    assert items[0]["class"] == 9


def test_names_without_fingers() -> None:
    with pytest.raises(ValueError, match="No finger has three joints among left, right"):
        count_extended_fingers(np.zeros((2, 2)), ["left", "right"])
