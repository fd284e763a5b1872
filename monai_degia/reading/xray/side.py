"""On which side of a hand radiograph the thumb is, by what the header says of body side and view."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

__all__ = ["SIDE_TAGS", "thumb_side"]

_DESCRIPTIONS = ("ProtocolName", "SeriesDescription", "StudyDescription")
SIDE_TAGS = ("ImageLaterality", "Laterality", "ViewPosition", *_DESCRIPTIONS)
_WORDS = {"R": "R", "RT": "R", "RIGHT": "R", "L": "L", "LT": "L", "LEFT": "L"}


def thumb_side(dataset: Dataset) -> str:
    """Tell ``left`` or ``right`` for an upright hand, or nothing where the header does not say.

    A hand lies on its palm, the usual PA view: the thumb of a right hand is then on the left of the picture. In an AP
    view it is the other way round. The side of the body is ``ImageLaterality`` or ``Laterality``, else a word such as
    RIGHT in protocol, series or study description, if all such words agree; nothing else of them is used.

    Args:
        dataset: header with ``SIDE_TAGS``, as far as the file has them.

    Returns:
        ``left``, ``right`` or an empty string.

    """
    sides = [str(dataset.get(tag) or "").strip().upper() for tag in ("ImageLaterality", "Laterality")]
    found = {side for side in sides if side in ("R", "L")} or {
        _WORDS[word]
        for tag in _DESCRIPTIONS
        for word in re.findall(r"[A-Z]+", str(dataset.get(tag) or "").upper())
        if word in _WORDS
    }
    if len(found) != 1:
        return ""
    right_hand = found == {"R"}
    from_behind = str(dataset.get("ViewPosition") or "PA").strip().upper() != "AP"
    return "left" if right_hand == from_behind else "right"
