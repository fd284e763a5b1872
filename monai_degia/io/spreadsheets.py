"""Cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plain_row"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain_row(row: Sequence[str]) -> list[str]:
    """A row in which nothing is run when a spreadsheet opens the file.

    A file may be named ``=cmd|...``; spreadsheets run such cells. The first cell, a path, gets ``./`` before it, which
    names the same file; any other gets an apostrophe, which spreadsheets do not show. Numbers stay as they are.

    Args:
        row: cells, the first of them the name of an image.

    """
    name, *others = row
    return [f"./{name}" if name.startswith(_FORMULA) else name, *map(_plain, others)]


def _plain(cell: str) -> str:
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
