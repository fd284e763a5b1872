"""Shifted copies of validation images of the source, of many kinds, on which a calibration is fitted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from monai_degia.errors import UserError
from monai_degia.shifts.appearance import FURTHER_SHIFTS, SHIFTS
from monai_degia.shifts.framing import FRAMINGS, FURTHER_FRAMINGS
from monai_degia.shifts.pose import POSES

__all__ = ["calibration_copies", "kinds_of_copy"]

_AS_IS = "as is"
_MIRRORED = "mirrored"
#: How often each is drawn, of a kind that is changed once: enough copies show one change alone, or none of a sort.
_APPEARANCES = [_AS_IS] * 2 + [*SHIFTS, *FURTHER_SHIFTS]
_FRAMINGS = [_AS_IS] * 4 + [name for name in (*FRAMINGS, *FURTHER_FRAMINGS) if name != _AS_IS]
_POSES = [_AS_IS] * 2 + [name for name in POSES if name != _AS_IS]


def calibration_copies(
    items: Sequence[dict[str, Any]], copies: int = 2, seed: int = 0, sided: bool = True
) -> list[dict[str, Any]]:
    """Each item as it is, and several times more with appearance, framing and pose drawn at random.

    Made of source images alone. There are many kinds of change, and several strengths of some, so that a rule can be
    judged on kinds that were left out when it was made. Every other copy, in the mean, is mirrored: in a domain that
    nobody has seen nobody knows which side is shown. Items whose ``mirror`` is left to the file are not mirrored.

    Args:
        items: validation items.
        copies: changed copies of each item, 1 or more.
        seed: decides the draws.
        sided: whether there is a left and a right one of the object, ``LandmarkSet.sided``; else none is mirrored.

    Returns:
        The items, then their copies with ``shift``, ``framing``, ``pose``, ``mirror`` and a ``domain`` that names the
        kinds, see :func:`kinds_of_copy`.

    Raises:
        ValueError: if ``copies`` is below 1.

    """
    if copies < 1:
        raise UserError(f"calibration_copies needs copies of 1 or more, got {copies}.")
    drawn, changed = random.Random(seed), []
    for item in [item for _ in range(copies) for item in items]:
        appearance, framing, pose = (drawn.choice(kinds) for kinds in (_APPEARANCES, _FRAMINGS, _POSES))
        mirror = item.get("mirror", False)
        side = _MIRRORED if drawn.random() < 0.5 and sided and not isinstance(mirror, str) else _AS_IS
        kinds = [kind for kind in (appearance, framing, pose, side) if kind != _AS_IS]
        copy = {**item, "domain": ", ".join([str(item.get("domain", "source")), *kinds])}
        copy |= {"shift": "" if appearance == _AS_IS else appearance, "framing": framing, "pose": pose}
        if side == _MIRRORED:
            copy["mirror"] = not mirror
        changed.append(copy)
    return [*items, *changed]


def kinds_of_copy(domain: str, source_domains: Sequence[str]) -> tuple[str, ...]:
    """Which changes a copy has had, from its ``domain``; none if it is an image of the source as it is.

    Args:
        domain: such as ``photo, negative, far``.
        source_domains: domains of images as they are, such as ``photo``.

    """
    if domain in source_domains:
        return ()
    for source in sorted(source_domains, key=len, reverse=True):
        if domain.startswith(f"{source}, "):
            return tuple(domain.removeprefix(f"{source}, ").split(", "))
    return (domain,)
