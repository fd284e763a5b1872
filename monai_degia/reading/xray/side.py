"""On which side of a hand radiograph the thumb is, by what the header says of body side and view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydicom.dataset import Dataset

from monai_degia.reading.xray.side_words import described

__all__ = ["SIDE_TAGS", "ThumbSide", "thumb_side"]

_DESCRIPTIONS = ("ProtocolName", "SeriesDescription", "StudyDescription")
SIDE_TAGS = (
    *("ImageLaterality", "Laterality", "FrameLaterality", "AnatomicRegionSequence"),
    *("ViewPosition", "ViewCodeSequence"),
    *_DESCRIPTIONS,
)
# SNOMED CT, and the older SNOMED RT that DICOM used (PS3.16 CID 244 and CID 4010).
_SIDE_CODES = {"24028007": "R", "G-A100": "R", "7771000": "L", "G-A101": "L"}
_VIEW_CODES = {
    **dict.fromkeys(("272479007", "R-10214", "399059000", "R-10216"), "PA"),
    **dict.fromkeys(("399348003", "R-10206", "399312000", "R-10208"), "AP"),
}


class ThumbSide(NamedTuple):
    """Where the thumb of an upright hand lies in the picture."""

    side: str
    """``left``, ``right``, or empty where the header does not say, contradicts itself or leaves a doubt."""
    source: str
    """The attributes, or words of descriptions, that decided; empty if nothing speaks of the side."""
    doubt: str
    """Why a header that speaks of the side did not decide, or what contradicts the decision; else empty."""


def thumb_side(dataset: Dataset) -> ThumbSide:
    """Tell ``left`` or ``right`` for an upright hand, or nothing where the header leaves a doubt.

    A hand that lies on its palm, the usual PA view, has its thumb on the left of the picture if it is a right one; in
    an AP view it is the other way round; in a lateral one, or where no view is stated, it is not known. Body side:
    ``ImageLaterality``, ``Laterality``, ``FrameLaterality`` and the modifier of the anatomic region. View: the view's
    code and ``ViewPosition``. Attributes of either that contradict each other decide nothing. Where no attribute
    speaks, whole words of protocol, series and study description do, if all that name one side name the same
    (:func:`monai_degia.reading.xray.side_words.described`).

    Args:
        dataset: header with ``SIDE_TAGS``, as far as the file has them.

    Returns:
        The side, what decided, and what doubt there is. Nothing in it is text of the file.

    """
    descriptions = [(tag, described(str(dataset.get(tag) or ""))) for tag in _DESCRIPTIONS]
    one_sided = [(tag, *next(iter(d.sides.items()))) for tag, d in descriptions if len(d.sides) == 1]
    one_view = [(tag, *next(iter(d.views.items()))) for tag, d in descriptions if len(d.views) == 1]
    worded_sides = [(side, f"{tag} ({word})") for tag, side, word in one_sided]
    worded_views = [(view, f"{tag} ({word})") for tag, view, word in one_view]
    sides, views = list(_coded_sides(dataset)), list(_coded_views(dataset))
    side, side_source, side_doubt = _agreed(sides, worded_sides, "body side")
    view, view_source, view_doubt = _agreed(views, worded_views, "view")
    if not side_source:
        return ThumbSide("", "", "")  # no word of a side: nothing to doubt
    source = "; ".join(filter(None, (side_source, view_source)))
    doubts = [side_doubt, view_doubt]
    if side == "both":
        doubts.append("both sides are shown")
    if not view_source:
        doubts.append("no view is stated")
    elif view == "other":
        doubts.append("the view is neither PA nor AP")
    doubt = "; ".join(filter(None, doubts))
    if side not in ("R", "L") or view not in ("PA", "AP"):
        return ThumbSide("", source, doubt)
    return ThumbSide("left" if (side == "R") == (view == "PA") else "right", source, doubt)


_Told = list[tuple[str, str]]  # value and where it stands


def _agreed(coded: _Told, worded: _Told, what: str) -> tuple[str, str, str]:
    """The value that all agree on or nothing, where it stands, and the doubt."""
    deciding = coded or worded
    values = {value for value, _ in deciding}
    source = ", ".join(where for _, where in deciding)
    if len(values) > 1:
        return "", source, f"they contradict each other about the {what}"
    value = next(iter(values), "")
    against = [where for other, where in worded if coded and other != value]
    return value, source, f"{', '.join(against)} contradicts the {what}" if against else ""


def _coded_sides(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for tag in ("ImageLaterality", "Laterality", "FrameLaterality"):
        value = str(dataset.get(tag) or "").strip().upper()
        if value in ("R", "L", "B"):
            yield ("both" if value == "B" else value), f"{tag} {value}"
    for region in dataset.get("AnatomicRegionSequence") or []:
        for item in region.get("AnatomicRegionModifierSequence") or []:
            if side := _SIDE_CODES.get(_code(item)):
                yield side, f"AnatomicRegionModifierSequence {side}"


def _coded_views(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for item in (dataset.get("ViewCodeSequence") or [])[:1]:
        if code := _code(item):
            view = _VIEW_CODES.get(code, "other")
            yield view, f"ViewCodeSequence {view}"
    stated = str(dataset.get("ViewPosition") or "").strip().upper()
    if stated:
        meant = list(described(stated).views)
        view = meant[0] if len(meant) == 1 else "other"
        yield view, f"ViewPosition {view}"


def _code(item: Dataset) -> str:
    return str(item.get("CodeValue") or item.get("LongCodeValue") or "").strip().upper()
