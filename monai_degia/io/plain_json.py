"""JSON from elsewhere: numbers that are numbers, and no deeper than anybody means."""

from __future__ import annotations

import json
import math
from typing import Any

from monai_degia.errors import UserError

__all__ = ["parse_json"]

_DEPTH = 64
_LARGEST = 2**63  # integers beyond fit into no column and no tensor


def parse_json(text: str | bytes, finite: bool = True) -> Any:
    """Read JSON strictly.

    Python's own reader takes ``NaN`` and ``Infinity``, makes 1e999 an infinity, and overflows its stack on deep
    nesting; what has come in that way cannot be answered or saved as JSON again.

    Args:
        text: UTF-8.
        finite: refuse numbers that are not finite or beyond 64 bits; else whoever asks looks at them.

    Returns:
        Plain values.

    Raises:
        ValueError: with what is wrong and where: no JSON, a number that is not finite or beyond 64 bits, half of a
            character, or more than 64 levels.

    """
    try:
        content = json.loads(text, parse_constant=_no_number if finite else None)
    except RecursionError:
        raise UserError(f"it is nested more than {_DEPTH} levels deep") from None
    except ValueError as error:  # also what is no UTF-8
        raise UserError(" ".join(str(error).split())[:200]) from None
    # A list of what is left to look at: the nesting is not trusted yet.
    left: list[tuple[str, int, Any]] = [("", 0, content)]
    while left:
        place, depth, value = left.pop()
        problem = _problem(value, depth, finite)
        if problem:
            raise UserError(f"{problem} at {place[:200] or 'the top'}")
        if isinstance(value, dict):
            left += [(f"{place}.{key}".lstrip("."), depth + 1, entry) for key, entry in value.items()]
            left += [(f"{place}.{key!a}", depth, key) for key in value if _problem(key)]
        elif isinstance(value, list):
            left += [(f"{place}[{index}]", depth + 1, entry) for index, entry in enumerate(value)]
    return content


def _no_number(name: str) -> Any:
    raise UserError(f"{name} is no number in JSON")


def _problem(value: Any, depth: int = 0, finite: bool = True) -> str:
    if depth > _DEPTH:
        return f"more than {_DEPTH} levels of nesting"
    if finite and isinstance(value, float) and not math.isfinite(value):
        return "a number that is too large"
    if finite and isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return "a number that is too large"
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return "half of a character (a lone surrogate)"
    return ""
