"""What a forearm wears: a sleeve, a watch, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_degia.data.rendered.model import FloatArray, HandPose, HandShape
from monai_degia.data.rendered.parts import ARM_MM, Capsule, placed

__all__ = ["Garment", "sample_clothing"]

_SLEEVES, _WATCHES = 0.5, 0.12  # shares of the arms


@dataclass(frozen=True)
class Garment:
    """Something over the skin.

    Attributes:
        capsules: its outside, camera frame, millimetres.
        colour: RGB in [0, 1], shape (3,).

    """

    capsules: Sequence[Capsule]
    colour: FloatArray


def sample_clothing(rng: np.random.Generator, shape: HandShape, pose: HandPose) -> list[Garment]:
    """Draw the clothes of an arm; a sleeve ends anywhere from the wrist to a third of the arm."""
    worn = []
    if rng.random() < _WATCHES:
        start = rng.uniform(18, 45)
        worn.append(_around_arm(shape, pose, start, start + rng.uniform(12, 24), 1.1, rng.uniform(0.0, 1.0, 3)))
    if rng.random() < _SLEEVES:
        # Cloth has any colour, but seldom a glaring one.
        grey = rng.uniform(0.05, 0.95)
        colour = (grey + rng.normal(0, 0.15, 3)).clip(0.02, 0.98)
        worn.append(_around_arm(shape, pose, rng.uniform(5, 110), ARM_MM, rng.uniform(1.05, 1.5), colour))
    return worn


def _around_arm(
    shape: HandShape, pose: HandPose, start: float, end: float, looseness: float, colour: FloatArray
) -> Garment:
    arm = np.array([np.sin(pose.wrist), np.cos(pose.wrist), 0.0])
    side = np.array([np.cos(pose.wrist), -np.sin(pose.wrist), 0.0])
    view, girth = pose.view_rotation(), shape.size * shape.girth
    capsules = []
    for place in np.linspace(-1, 1, 5):
        # A ball's end would reach over the hem, so that the row of them starts behind it.
        near, far = (
            shape.size * (place * (12 + 8 * d / ARM_MM) * side + d * arm) for d in (start + 8 * looseness, end)
        )
        radii = [girth * looseness * (16.0 + 18.0 * max(d - 55.0, 0.0) / (ARM_MM - 55.0)) for d in (start, end)]
        capsules.append(placed(Capsule(near, far, float(radii[0]), float(radii[1])), view))
    return Garment(capsules, colour)
