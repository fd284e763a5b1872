"""Flesh and bones of a posed hand as tapered capsules, in the camera frame, millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monai_degia.data.rendered.model import FloatArray, HandPose, HandShape, joint_positions

# Flesh radii (mm, average adult) at root joint, second joint, third joint, tip.
_FLESH_MM = np.array(
    [[13.5, 11.5, 10.3, 8.0], [10.8, 9.2, 8.1, 6.4], [11.0, 9.4, 8.3, 6.6], [10.4, 8.8, 7.8, 6.2], [9.2, 7.6, 6.8, 5.4]]
)
# Bone radii (mm): head and base (thick ends), shaft, for the three bones of a finger.
_BONE_ENDS_MM = np.array([[6.8, 6.6], [6.6, 5.4], [5.0, 4.3], [4.2, 2.8]])  # metacarpal, proximal, middle, distal
_BONE_SHAFTS_MM = np.array([4.1, 4.2, 3.4, 2.2])
_THICKNESS = np.array([1.1, 1.0, 1.0, 0.95, 0.8])  # bones of thumb to little finger, relative

# Palm: bases of the metacarpals index to little, in the hand frame of an average adult.
_METACARPAL_BASES_MM = np.array([[12.5, -26, 1], [2.5, -27, 2], [-7.5, -26, 2], [-16.5, -24, 1]])
_CARPALS_MM = np.array(  # scaphoid, lunate, triquetrum, trapezium, trapezoid, capitate, hamate: centre and radius
    [
        [13, -8, 0, 7.5],
        [1, -5.5, 0, 7.5],
        [-11, -8, 0, 6.5],
        [22.5, -17, -3, 7.0],
        [12.5, -20, 0, 5.5],
        [2.5, -19, 0, 7.5],
        [-9.5, -19, 0, 7.5],
    ]
)
ARM_MM = 320.0  # long enough to leave the image at its border


@dataclass(frozen=True)
class Capsule:
    """Convex hull of two balls.

    Attributes:
        a: centre of the first ball, shape (3,), millimetres.
        b: centre of the second ball, shape (3,), millimetres.
        radius_a: radius of the first ball, millimetres.
        radius_b: radius of the second ball, millimetres.

    """

    a: FloatArray
    b: FloatArray
    radius_a: float
    radius_b: float


@dataclass(frozen=True)
class Bone:
    """Bone with thick ends.

    Attributes:
        capsule: axis of the bone and the radii of its ends.
        shaft: radius in the middle, millimetres.
        flare: the larger, the shorter the thick ends.

    """

    capsule: Capsule
    shaft: float
    flare: float = 3.0


@dataclass(frozen=True)
class HandParts:
    """A posed hand, ready to be rendered.

    Attributes:
        joints_mm: shape (21, 3), camera frame with the wrist at the origin.
        trunk: flesh of palm and forearm; overlaps blend smoothly.
        fingers: flesh of each finger, root to tip.
        bones: all bones.

    """

    joints_mm: FloatArray
    trunk: Sequence[Capsule]
    fingers: Sequence[Sequence[Capsule]]
    bones: Sequence[Bone]


def build_hand(shape: HandShape, pose: HandPose) -> HandParts:
    """Return flesh, bones and joints of a person's hand in a pose, seen by the camera."""
    local = joint_positions(shape, pose)
    view = pose.view_rotation()
    joints = local @ view.T
    arm = np.array([np.sin(pose.wrist), np.cos(pose.wrist), 0.0])
    side = np.array([np.cos(pose.wrist), -np.sin(pose.wrist), 0.0])
    return HandParts(
        joints,
        [placed(c, view) for c in (*_palm(shape, local), *_forearm(shape, arm, side))],
        [_finger_flesh(shape, joints, finger) for finger in range(5)],
        [
            *_finger_bones(shape, joints, view),
            *(replace(b, capsule=placed(b.capsule, view)) for b in _wrist_bones(shape, arm, side)),
        ],
    )


def placed(capsule: Capsule, view: FloatArray) -> Capsule:
    """Return a capsule of the hand frame in that of the camera."""
    return Capsule(view @ capsule.a, view @ capsule.b, capsule.radius_a, capsule.radius_b)


def _finger_flesh(shape: HandShape, joints: FloatArray, finger: int) -> list[Capsule]:
    points = joints[1 + 4 * finger : 5 + 4 * finger].copy()
    radii = _FLESH_MM[finger] * shape.size * shape.girth
    back = (points[3] - points[2]) / np.linalg.norm(points[3] - points[2])
    points[3] -= 0.55 * radii[3] * back  # flesh covers the end of the bone by only a few millimetres
    return [Capsule(points[i], points[i + 1], float(radii[i]), float(radii[i + 1])) for i in range(3)]


def _palm(shape: HandShape, local: FloatArray) -> list[Capsule]:
    scale, girth = shape.size, shape.size * shape.girth
    bases = scale * _METACARPAL_BASES_MM * [shape.width, 1, 1]
    heads, thumb_cmc, thumb_mcp = local[[5, 9, 13, 17]], local[1], local[2]
    wrist = scale * np.array([[15.0, 4, 0], [6, 2, 0], [-5, 2, 0], [-15, 4, 0]])
    palm = [Capsule(bases[i], heads[i], 13.5 * girth, (11.6, 12.0, 11.4, 10.6)[i] * girth) for i in range(4)]
    palm += [Capsule(wrist[i], bases[i], 14.5 * girth, 13.5 * girth) for i in range(4)]
    palm += [Capsule(heads[i], heads[i + 1], 10.5 * girth, 10.5 * girth) for i in range(3)]
    hollow = np.array([0.0, 0.0, -4.0 * scale])
    thenar = bases[0] + 0.25 * (heads[0] - bases[0]) + hollow
    palm.append(Capsule(0.5 * (thumb_cmc + wrist[0]), thumb_mcp, 14.0 * girth, 11.0 * girth))
    palm.append(Capsule(thenar, 0.6 * thumb_mcp + 0.4 * thumb_cmc, 13.5 * girth, 10.5 * girth))
    for reach, radius in ((0.45, 9.0), (0.62, 6.0)):  # the web between thumb and index finger
        web = bases[0] + reach * (heads[0] - bases[0])
        palm.append(Capsule(web, 0.45 * web + 0.55 * thumb_mcp, radius * girth, 0.8 * radius * girth))
    edge = np.array([-3.0 * scale, 0.0, 0.0]) + hollow
    palm.append(Capsule(bases[3] + edge, 0.75 * heads[3] + 0.25 * bases[3] + edge, 14.5 * girth, 11.0 * girth))
    return palm


def _forearm(shape: HandShape, arm: FloatArray, side: FloatArray) -> list[Capsule]:
    scale, girth = shape.size, shape.size * shape.girth
    flesh = []
    for sign in (-1.0, 0.0, 1.0):
        near, middle, far = (scale * (sign * s * side + d * arm) for s, d in ((13, 0), (12, 55), (20, ARM_MM)))
        flesh.append(Capsule(near, middle, 15.0 * girth, 16.5 * girth))
        flesh.append(Capsule(middle, far, 16.5 * girth, 34.0 * girth))
    return flesh


def _finger_bones(shape: HandShape, joints: FloatArray, view: FloatArray) -> list[Bone]:
    bones = []
    bases = shape.size * (_METACARPAL_BASES_MM * [shape.width, 1, 1]) @ view.T
    for finger in range(5):
        points = joints[1 + 4 * finger : 5 + 4 * finger]
        kinds: tuple[int, ...] = (0, 1, 3)  # the thumb has no middle phalanx
        if finger > 0:
            points, kinds = np.vstack([bases[finger - 1], points]), (0, 1, 2, 3)
        for i, kind in enumerate(kinds):
            girth = shape.size * shape.bone_girth * _THICKNESS[finger]
            head, tail = _BONE_ENDS_MM[kind] * girth
            axis = (points[i + 1] - points[i]) / np.linalg.norm(points[i + 1] - points[i])
            # Ends are balls, so a bone stops a radius and half a gap short of the joint, except at the finger tip.
            start = points[i] + (0.5 * shape.joint_gap_mm + head) * axis
            stop = points[i + 1] - (tail + (0.0 if kind == 3 else 0.5 * shape.joint_gap_mm)) * axis
            bones.append(Bone(Capsule(start, stop, float(head), float(tail)), float(_BONE_SHAFTS_MM[kind] * girth)))
    return bones


def _wrist_bones(shape: HandShape, arm: FloatArray, side: FloatArray) -> list[Bone]:
    scale, girth = shape.size, shape.size * shape.bone_girth
    bones = []
    for x, y, z, radius in _CARPALS_MM:
        centre, half = scale * np.array([x, y, z]), scale * np.array([0.15 * radius, 0.25 * radius, 0.0])
        r = float(0.92 * radius * girth)
        bones.append(Bone(Capsule(centre - half, centre + half, r, r), r))
    for lateral, near, radius, shaft in ((9.0, 15.0, 12.5, 7.0), (-14.0, 12.0, 7.5, 5.5)):  # radius, ulna
        start, far = (scale * (lateral * f * side + d * arm) for f, d in ((1, near), (0.8, ARM_MM)))
        ends = Capsule(start, far, radius * girth, 1.3 * shaft * girth)
        bones.append(Bone(ends, shaft * girth, flare=7.0))
    return bones
