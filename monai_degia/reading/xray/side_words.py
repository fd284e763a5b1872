"""Which side, and which view, a description names: whole words of English, German, French and Spanish."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Described", "described"]


class Described(NamedTuple):
    """What one description names, each with the word that says so; words are our own, so they name no patient."""

    sides: dict[str, str]
    """``R`` and ``L`` to the word."""
    views: dict[str, str]
    """``PA``, ``AP`` and ``other`` to the word."""


# Not part of another word; "hand_links" and "HAND-RIGHT" are two words.
_WORD = r"(?<![^\W\d_])(?:{})(?![^\W\d_])"
# An abbreviation stands alone: neither "L/R" nor "RT(R)", a technologist's title, names a side.
_SHORT = r"(?<![^\W_]|[/&+'\u2019(.])(?:{})(?![^\W_]|[/&+'\u2019()])"
_HAND = (
    r"(?:HANDS?|WRIST|FINGERS?|THUMB|HANDGELENK|HANDWURZEL|MITTELHAND|DAUMEN|MAIN|POIGNET|DOIGTS?|POUCE|MANO|MUÑECA"
    r"|MUNECA|DEDOS?|PULGAR)"
)
_GAP = r"[\s,_-]+"
# One or two letters mean a side only beside a part of the hand: "R/O" rules out, "RE:" regards, "D.P." is a view.
_AFTER_HAND = rf"(?<![^\W\d_]){_HAND}{_GAP}(?:{{}})(?![^\W_]|[/&+'\u2019:]|\.\w)"
_BEFORE_HAND = rf"(?<![^\W_]|[/&+'\u2019.])(?:{{}}){_GAP}(?={_HAND}(?![^\W\d_]))"

_SIDES = {
    "R": [
        (_WORD, r"RIGHT|RECHTS|RECHTE[RSNM]?|DROITE?S?|DERECH[AO]S?"),
        (_SHORT, r"RT|DCH[AO]|DTE"),
        (_AFTER_HAND, r"R|RE|DER|D"),
        (_BEFORE_HAND, r"R|RE\."),
    ],
    "L": [
        (_WORD, r"LEFT|LINKS|LINKE[RSNM]?|GAUCHES?|IZQUIERD[AO]S?"),
        (_SHORT, r"LT|IZQ|IZD[AO]|GCHE"),
        (_AFTER_HAND, r"L|LI|G|IZ"),
        (_BEFORE_HAND, r"L|LI\."),
    ],
}
_BOTH = [
    (_WORD, r"BOTH|BILATERAL\w*|BILATÉRAL\w*|BEIDE[RSN]?|BEIDSEIT\w*|BEIDERSEIT\w*|AMBAS|AMBOS|LES DEUX"),
    (_SHORT, "BDS"),
]
# Said of the person, or of what is not there: such a text tells nothing of the picture.
_BESIDE = (
    r"(?<![^\W\d_])(?:(?:RIGHT|LEFT)[\s-]+(?:HAND(?:ED)?[\s-]+)?(?:HANDED|DOMINANT)"
    r"|RECHTSH[ÄA]ND\w*|LINKSH[ÄA]ND\w*|DROITI?ER\w*|GAUCHER\w*|DIESTR[AO]|ZURD[AO])"
)
_VIEWS = {
    "PA": [
        (_SHORT, r"PA|P\.A\.?|P-A|DP|D\.P\.?|D-P|DV|D\.V\.?"),
        (_WORD, r"POSTERO-?\s?-?ANTERIOR\w*|POSTÉRO-?\s?ANTÉRIEUR\w*|DORSO-?\s?PALM\w*|DORSO-?\s?VOLAR\w*"),
    ],
    "AP": [
        (_SHORT, r"AP|A\.P\.?|A-P|PD|P\.D\.?|VD|V\.D\.?"),
        (_WORD, r"ANTERO-?\s?-?POSTERIOR\w*|ANTÉRO-?\s?POSTÉRIEUR\w*|PALMO-?\s?DORSAL\w*|VOLO-?\s?DORSAL\w*"),
    ],
    "other": [(_WORD, r"LATERAL|LAT|SEITLICH|PROFIL|OBLIQUE|SCHRÄG|OBLICUA|OBL")],
}


def _found(text: str, patterns: list[tuple[str, str]]) -> str:
    for frame, words in patterns:
        if match := re.search(frame.format(words), text):
            return " ".join(match.group().split())
    return ""


def described(text: str) -> Described:
    """Sides and views that a description names.

    Args:
        text: such as a series description.

    Returns:
        What was found; both sides where it speaks of both, and nothing of the side where it speaks of a person's
        handedness.

    """
    upper = text.upper()
    sides = {side: word for side, patterns in _SIDES.items() if (word := _found(upper, patterns))}
    if re.search(_BESIDE, upper):
        sides = {}
    elif word := _found(upper, _BOTH):
        sides = {"R": word, "L": word}
    views = {view: word for view, patterns in _VIEWS.items() if (word := _found(upper, patterns))}
    return Described(sides, views)
