"""How messages speak of many things at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["count_of", "listed"]


def listed(items: Sequence[Any], count: int = 4) -> str:
    """The first few of many things, and how many there are: ``a, b, ... (7 in all)``."""
    rest = f", ... ({len(items)} in all)" if len(items) > count else ""
    return ", ".join(map(str, items[:count])) + rest


def count_of(number: int, noun: str) -> str:
    """``1 image`` or ``3 images``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
