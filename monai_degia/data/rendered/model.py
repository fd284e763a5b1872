"""Kinematic model of a right hand: who it belongs to (shape), what it does (pose), and where its 21 joints then are.

Hand frame, millimetres: origin at the wrist, x towards the thumb, y from the fingers down to the forearm, z away from
the camera. The palm faces the camera, so fingers flex towards negative z. Turned upright, x and y run along the image
axes and the thumb is on the right.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Typical bone lengths of adults, mm, rounded and not from one survey; a tip is about the end of its bone.
_BONES_MM = np.array(
    [[46.2, 31.6, 22.5], [39.8, 22.4, 17.5], [44.6, 26.3, 19.0], [41.4, 25.7, 19.0], [32.7, 18.1, 17.5]]
)
# First joint of each finger: the CMC of the thumb, the MCP of the others.
_ROOTS_MM = np.array([[30.0, -19.0, -6.0], [26.0, -91.0, -1.0], [3.5, -93.0, 0.0], [-17.5, -86.0, 0.0], [-36, -73, -2]])
_THUMB_ROLL = np.deg2rad(40.0)  # the thumb's plane of flexion is turned out of the palm by about this much


@dataclass(frozen=True)
class HandShape:
    """The hand of one person.

    Attributes:
        bones_mm: lengths of the three bones after the root joint, shape (5, 3), thumb to little finger.
        roots_mm: root joint of each finger (thumb CMC, other MCPs) in the hand frame, shape (5, 3).
        size: overall size that ``bones_mm`` and ``roots_mm`` already contain; 1 is an average adult.
        width: width of the palm relative to a hand of this size; ``roots_mm`` already contains it.
        girth: thickness of the soft tissue relative to a hand of this size.
        bone_girth: thickness of the bones relative to a hand of this size.
        joint_gap_mm: width of the dark gap an X-ray shows at a joint.

    """

    bones_mm: FloatArray
    roots_mm: FloatArray
    size: float = 1.0
    width: float = 1.0
    girth: float = 1.0
    bone_girth: float = 1.0
    joint_gap_mm: float = 1.6

    @classmethod
    def average(cls) -> "HandShape":
        """Return the average adult hand."""
        return cls(_BONES_MM.copy(), _ROOTS_MM.copy())

    @property
    def length_mm(self) -> float:
        """Distance from the wrist to the tip of the straight middle finger."""
        return float(np.linalg.norm(self.roots_mm[2]) + self.bones_mm[2].sum())


@dataclass(frozen=True)
class HandPose:
    """What one hand does; by default it is flat, upright and moderately spread. All angles are radians.

    Attributes:
        flexion: shape (5, 3), bending of MCP, PIP and DIP towards the palm; for the thumb palmar abduction of the CMC,
            then flexion of MCP and IP.
        abduction: shape (5,), direction of each straight finger in the palm, positive towards the thumb.
        rotation: turn in the image plane, positive clockwise as seen.
        tilt: turns (about x, about y) out of the image plane.
        wrist: sideways angle of the forearm to the hand, positive moves the elbow towards the thumb side.

    """

    flexion: FloatArray = field(default_factory=lambda: np.zeros((5, 3)))
    abduction: FloatArray = field(default_factory=lambda: np.deg2rad([42.0, 8.0, 0.0, -8.0, -18.0]))
    rotation: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    wrist: float = 0.0

    def view_rotation(self) -> FloatArray:
        """Return the (3, 3) rotation from the hand frame to the camera frame: first the tilts, then the turn."""
        (cx, cy, cz), (sx, sy, sz) = (f(np.array([*self.tilt, self.rotation])) for f in (np.cos, np.sin))
        about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        return about_z @ about_y @ about_x


def joint_positions(shape: HandShape, pose: HandPose) -> FloatArray:
    """Return the joints in the hand frame, before the view rotation, (21, 3), millimetres, ``HAND21`` order."""
    joints = np.zeros((21, 3))
    for finger in range(5):
        first = 1 + 4 * finger
        joints[first] = shape.roots_mm[finger]
        along, towards = _finger_plane(finger, pose)
        # The CMC angle of the thumb is part of its plane already, so its chain starts straight.
        bends = pose.flexion[finger] * ([0, 1, 1] if finger == 0 else [1, 1, 1])
        for bone, angle in enumerate(np.cumsum(bends)):
            direction = np.cos(angle) * along + np.sin(angle) * towards
            joints[first + bone + 1] = joints[first + bone] + shape.bones_mm[finger, bone] * direction
    return joints


def _finger_plane(finger: int, pose: HandPose) -> tuple[FloatArray, FloatArray]:
    """Return two orthogonal unit vectors: along the straight finger, and where flexion moves its tip."""
    spread, to_camera = pose.abduction[finger], np.array([0.0, 0.0, -1.0])
    in_palm = np.array([np.sin(spread), -np.cos(spread), 0.0])
    if finger > 0:
        return in_palm, to_camera
    lift = pose.flexion[0, 0]
    along = np.cos(lift) * in_palm + np.sin(lift) * to_camera
    to_palm = np.array([-np.cos(spread), -np.sin(spread), 0.0])
    up = np.cos(lift) * to_camera - np.sin(lift) * in_palm
    return along, np.cos(_THUMB_ROLL) * to_palm + np.sin(_THUMB_ROLL) * up


def sample_shape(rng: np.random.Generator) -> HandShape:
    """Draw a person: overall size from child to large adult, finger proportions, thickness of flesh and bone."""
    size = rng.uniform(0.72, 1.12)
    fingers = rng.normal(1.0, 0.05) * rng.normal(1.0, 0.03, (5, 1)) * rng.normal(1.0, 0.02, (5, 3))
    width = bounded(rng, 1.0, 0.06, 0.15)
    return HandShape(
        bones_mm=size * _BONES_MM * fingers.clip(0.8, 1.2),
        roots_mm=size * _ROOTS_MM * [width, 1.0, 1.0],
        size=float(size),
        width=width,
        girth=bounded(rng, 1.0, 0.08, 0.18),
        bone_girth=bounded(rng, 1.0, 0.08, 0.18),
        joint_gap_mm=float(rng.uniform(1.2, 2.4)),
    )


def sample_pose(rng: np.random.Generator, shares: tuple[float, ...] = (0.5, 0.25, 0.15, 0.1, 0.0)) -> HandPose:
    """Draw a pose.

    Args:
        rng: source of the draws.
        shares: how often the hand is open, folds single fingers as in counting, is relaxed, is a fist, or bends each
            finger by an amount of its own: five shares that add up to 1.

    """
    kind = rng.choice(["open", "counting", "relaxed", "fist", "bent"], p=shares)
    straight = np.column_stack([rng.normal(4, 7, 5), np.abs(rng.normal(6, 6, 5)), np.abs(rng.normal(4, 4, 5))])
    folded = np.column_stack([rng.uniform(60, 88, 5), rng.uniform(85, 105, 5), rng.uniform(40, 65, 5)])
    share = {
        "open": np.zeros(5),
        "counting": rng.integers(0, 2, 5).astype(float),
        "relaxed": rng.uniform(0.1, 0.8) + rng.normal(0, 0.06, 5),
        "fist": np.ones(5),
        "bent": rng.uniform(-0.2, 1.1, 5) if kind == "bent" else np.zeros(5),
    }[str(kind)].clip(0, 1)
    flexion = straight + share[:, None] * (folded - straight)
    spread = rng.uniform(0.4, 1.6) if kind == "open" else rng.uniform(0.3, 1.2)
    abduction = spread * np.array([0.0, 9.0, 0.0, -9.0, -20.0]) + rng.normal(0, 2.0, 5)
    abduction *= 1 - 0.8 * share  # folded fingers cannot be spread
    flexion[0], abduction[0] = _sample_thumb(rng, float(share[0]))
    return HandPose(
        np.deg2rad(flexion),
        np.deg2rad(abduction),
        rotation=float(np.deg2rad(bounded(rng, 0, 14, 45))),
        tilt=(np.deg2rad(bounded(rng, 0, 9, 25)), np.deg2rad(bounded(rng, 0, 9, 25))),
        wrist=np.deg2rad(bounded(rng, 0, 10, 25)),
    )


def _sample_thumb(rng: np.random.Generator, fold: float) -> tuple[FloatArray, float]:
    """Return flexion (3,) and abduction of the thumb in degrees; ``fold`` 0 is stretched out, 1 across the fingers."""
    stretched = np.array([rng.uniform(0, 22), rng.uniform(-5, 20), rng.uniform(-8, 20), rng.uniform(28, 58)])
    across = np.array([rng.uniform(38, 52), rng.uniform(20, 45), rng.uniform(20, 60), rng.uniform(8, 22)])
    angles = stretched + fold * (across - stretched)
    return angles[:3], float(angles[3])


def bounded(rng: np.random.Generator, mean: float, std: float, limit: float) -> float:
    """Draw from a normal distribution, moved to the nearest value within ``limit`` of the mean."""
    return float(np.clip(rng.normal(mean, std), mean - limit, mean + limit))
