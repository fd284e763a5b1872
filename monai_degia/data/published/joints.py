"""Joints of published hand sets by name, and which of their points stand for the joints of ``hand21``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_degia.data.lists.landmark_sets import HAND21, Landmarks, landmark_names
from monai_degia.errors import UserError

__all__ = ["DHA_JOINTS", "JOINT_MAPPING", "NYU_JOINTS", "ONEHAND10K_JOINTS", "RHPE_JOINTS", "JointSource"]
__all__ += ["joint_sources", "mapped_joints", "pick_joints"]

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_CHAIN = {"thumb": ("cmc", "mcp", "ip", "tip"), **dict.fromkeys(_FINGERS[1:], ("mcp", "pip", "dip", "tip"))}


@dataclass(frozen=True)
class JointSource:
    """Which points of a set stand for a joint.

    Attributes:
        names: the set's own names of the points; their mean is taken.
        note: how the place differs from that of the joint; empty if it does not.

    """

    names: tuple[str, ...]
    note: str = ""


#: The 36 points of NYU Hand Pose in the order of ``joint_names``: little finger (F1) to index (F4), thumb, palm; each
#: finger from tip to palm, for each bone its far end (A) and its near end (B).
NYU_JOINTS: tuple[str, ...] = (
    *(f"{finger}_KNU{k}_{end}" for finger in ("F1", "F2", "F3", "F4", "TH") for k in (3, 2, 1) for end in "AB"),
    *(f"PALM_{k}" for k in range(1, 7)),
)

#: The 17 points of RHPE and of BoNet's files for RSNA. The files do not name them: this order is what the geometry of
#: a public annotation says (it fits five hands with expert points of the Digital Hand Atlas, each to 3 to 5.5 % of
#: its length; fingertips in place of DIPs, or a thumb shifted by one joint, fit each of them worse).
RHPE_JOINTS: tuple[str, ...] = (
    *(f"{finger}_{joint}" for finger in ("little", "ring", "middle", "index") for joint in ("dip", "pip", "mcp")),
    *("thumb_ip", "thumb_mcp", "thumb_cmc", "carpus", "forearm"),
)

#: The 37 points of the Digital Hand Atlas, numbered from 0; their source gives no names.
DHA_JOINTS: tuple[str, ...] = tuple(f"p{i}" for i in range(37))

#: OneHand10K as converted for MMPose; the same names and order serve its other sets of single hands.
ONEHAND10K_JOINTS: tuple[str, ...] = (
    "wrist",
    *(
        f"{finger}{k}"
        for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
        for k in (1, 2, 3, 4)
    ),
)

_NYU_BONE_ENDS = {"tip": "KNU3_A", "dip": "KNU3_B", "ip": "KNU3_B", "pip": "KNU2_B"}
_NYU_TIP = "centre of the fingertip, short of its end"


def _nyu(finger: str, code: str, joint: str) -> JointSource:
    near = {"thumb": {"mcp": "KNU2_B", "cmc": "KNU1_B"}}.get(finger, {"mcp": "KNU1_B"})
    return JointSource((f"{code}_{(_NYU_BONE_ENDS | near)[joint]}",), _NYU_TIP if joint == "tip" else "")


#: Set, then joint of ``hand21``, then where it comes from; a joint that is not there cannot be had.
JOINT_MAPPING: dict[str, dict[str, JointSource]] = {
    "nyu": {
        "wrist": JointSource(("PALM_1", "PALM_2"), "midway between the two sides of the wrist"),
        **{
            f"{finger}_{joint}": _nyu(finger, code, joint)
            for finger, code in zip(_FINGERS, ("TH", "F4", "F3", "F2", "F1"), strict=True)
            for joint in _CHAIN[finger]
        },
    },
    "rhpe": {
        "wrist": JointSource(("carpus",), "centre of the carpal bones; the point on the forearm has no counterpart"),
        **{name: JointSource((name,)) for name in HAND21 if name in RHPE_JOINTS},
    },
    "dha": {
        "wrist": JointSource(("p10", "p15"), "midway between two points on carpal bones"),
        **{name: JointSource((f"p{16 + i}",)) for i, name in enumerate(HAND21) if i > 0},
    },
    "freihand": {
        name: JointSource((name,), "surface of the fitted hand model" if name.endswith("tip") else "")
        for name in HAND21
    },
    "onehand10k": {name: JointSource((own,)) for name, own in zip(HAND21, ONEHAND10K_JOINTS, strict=True)},
}
JOINT_MAPPING["rsna"] = JOINT_MAPPING["rhpe"]


def mapped_joints(dataset: str) -> tuple[str, ...]:
    """Names of the joints of ``hand21`` that a published set has, in the order of ``hand21``.

    Args:
        dataset: ``nyu``, ``rsna``, ``rhpe``, ``dha``, ``freihand`` or ``onehand10k``.

    Returns:
        All 21 but for ``rsna`` and ``rhpe``, which have no fingertips: 16.

    Raises:
        ValueError: if the set is unknown.

    """
    return tuple(name for name in HAND21 if name in _mapping(dataset))


def joint_sources(dataset: str, landmarks: Landmarks | None) -> list[JointSource]:
    """Where the wanted landmarks come from.

    Args:
        dataset: a key of ``JOINT_MAPPING``.
        landmarks: name of a set or the K names; None takes :func:`mapped_joints`.

    Returns:
        K sources.

    Raises:
        ValueError: if the set does not have some of them.

    """
    mapping = _mapping(dataset)
    names = mapped_joints(dataset) if landmarks is None else landmark_names(landmarks)
    missing = [name for name in names if name not in mapping]
    if missing:
        raise UserError(
            f"The set {dataset!r} has no point for {len(missing)} of {len(names)} landmarks: {', '.join(missing)}. "
            f"Choose among {', '.join(mapped_joints(dataset))}; landmarks=mapped_joints({dataset!r}) takes them all."
        )
    return [mapping[name] for name in names]


def pick_joints(points: np.ndarray, own_names: Sequence[str], sources: Sequence[JointSource]) -> np.ndarray:
    """Take the wanted joints from a set's own points, by name.

    Args:
        points: (..., J, D), any number D of coordinates.
        own_names: names of the J points, in their order in the file.
        sources: K sources, see :func:`joint_sources`.

    Returns:
        Array (..., K, D).

    Raises:
        ValueError: if names and points differ in number, or a point is not among the names.

    """
    if points.shape[-2] != len(own_names):
        raise UserError(f"Got {points.shape[-2]} points and {len(own_names)} names. Name each point once.")
    lost = sorted({name for source in sources for name in source.names} - set(own_names))
    if lost:
        raise UserError(f"The file has no joint {', '.join(lost)}; its joints: {', '.join(own_names)}.")
    index = [[list(own_names).index(name) for name in source.names] for source in sources]
    return np.stack([points[..., i, :].mean(axis=-2) for i in index], axis=-2)


def _mapping(dataset: str) -> dict[str, JointSource]:
    if dataset not in JOINT_MAPPING:
        raise UserError(f"Unknown set {dataset!r}. Available: {', '.join(sorted(JOINT_MAPPING))}.")
    return JOINT_MAPPING[dataset]
