"""Names of landmarks, and what mirroring an image does to them."""

from __future__ import annotations

from collections.abc import Sequence

from monai_degia.errors import UserError, did_you_mean

__all__ = ["HAND17", "HAND21", "LANDMARK_SETS", "flip_permutation", "landmark_names"]

_FINGERS = ("index", "middle", "ring", "little")

HAND21: tuple[str, ...] = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in _FINGERS for joint in ("mcp", "pip", "dip", "tip")),
)
"""Wrist, then thumb to little finger, each from the palm to the tip."""

HAND17: tuple[str, ...] = tuple(name for name in HAND21 if name not in {"wrist", "thumb_cmc", "middle_mcp", "ring_mcp"})
"""``HAND21`` without the four joints whose place on the skin and on the bone differ most."""

LANDMARK_SETS: dict[str, tuple[str, ...]] = {"hand21": HAND21, "hand17": HAND17}


def landmark_names(landmarks: str | Sequence[str]) -> tuple[str, ...]:
    """Resolve the name of a landmark set, or check a list of names.

    Args:
        landmarks: a key of ``LANDMARK_SETS``, or the names themselves in the wanted order.

    Returns:
        The names, in order; their number is K.

    Raises:
        ValueError: if the set is unknown, or the names are empty, blank or repeated.

    """
    if isinstance(landmarks, str):
        if landmarks not in LANDMARK_SETS:
            hint = did_you_mean(landmarks, LANDMARK_SETS)
            raise UserError(
                f"Unknown landmark set {landmarks!r}.{hint} Available: {', '.join(sorted(LANDMARK_SETS))}; "
                "or pass a list of names."
            )
        return LANDMARK_SETS[landmarks]
    names = tuple(landmarks)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserError(f"Landmark names must be a non-empty list of non-blank strings, got {list(names)!r}.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"Landmark names must differ, but these are repeated: {', '.join(repeated)}.")
    return names


def flip_permutation(landmarks: str | Sequence[str]) -> list[int]:
    """Order in which landmarks must be read after their image has been mirrored.

    Mirroring turns the left eye into a right eye: ``left_*`` and ``right_*`` (or ``*_left`` and ``*_right``) change
    places. Landmarks of a single hand carry no side in their names, so for them the result is the identity.

    Args:
        landmarks: a landmark set or the K names.

    Returns:
        K indices; ``points[indices]`` are the points in the order of the names. The permutation is its own inverse.

    Raises:
        ValueError: if a name has a side but its partner is not among the names.

    """
    names = landmark_names(landmarks)
    position = {name: index for index, name in enumerate(names)}
    partners = [_other_side(name) for name in names]
    lonely = [f"{name!r} needs {other!r}" for name, other in zip(names, partners, strict=True) if other not in position]
    if lonely:
        raise UserError(
            f"Mirroring exchanges left and right, but {'; '.join(lonely)}. Add the missing partner or rename."
        )
    return [position[partner] for partner in partners]


def _other_side(name: str) -> str:
    for side, other in (("left", "right"), ("right", "left")):
        if name.startswith(f"{side}_"):
            return f"{other}_{name.removeprefix(f'{side}_')}"
        if name.endswith(f"_{side}"):
            return f"{name.removesuffix(f'_{side}')}_{other}"
    return name
