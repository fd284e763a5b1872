"""Text tables as spreadsheets save them: whatever separates the cells, with a header and rows."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monai_degia.errors import UserError

__all__ = ["Table", "cell_number", "read_rows", "read_text_table", "separator"]

_SEPARATORS = ",;\t"
_MISSING = {"", "nan", "na", "n/a", "#n/a", "none", "null"}


@dataclass(frozen=True)
class Table:
    """A table with a header.

    Args:
        separator: what stands between its cells.
        header: names of the columns.
        rows: line number in the file and cells of each row that is not blank; as many cells as the row has.
        notes: what was left out.

    """

    separator: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()


def separator(text: str) -> str:
    """Comma, semicolon or tab: what a ``sep=`` line says, otherwise what the first line has most of."""
    first = text.lstrip().split("\n", 1)[0].rstrip("\r")
    if first.lower().startswith("sep=") and len(first) > 4:
        return first[4]
    return max(_SEPARATORS, key=first.count)


def read_rows(path: Path, text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and cells of each row that is not blank, without Excel's ``sep=`` line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text))
    first = True
    try:
        for row in reader:
            cells = tuple(map(str.strip, row))
            if not any(cells):
                continue
            if not (first and cells[0].lower().startswith("sep=")):
                yield reader.line_num, cells
            first = False
    except csv.Error as error:
        raise UserError(f"{path} is not a table in text, line {reader.line_num}: {error}.") from error


def read_text_table(path: Path, text: str) -> Table:
    """Read a table; columns without a name, which spreadsheets leave at the end, are left out.

    Args:
        path: of the file, for messages.
        text: its content.

    Returns:
        The table.

    Raises:
        ValueError: if it cannot be parsed, or a column has the name of another.

    """
    rows = list(read_rows(path, text))
    header = rows[0][1] if rows else ()
    repeated = [column for column, count in Counter(filter(None, header)).items() if count > 1]
    if repeated:
        raise UserError(f"{path} has the column {repeated[0]!r} more than once. Keep one of them.")
    width, named = len(header), [index for index, column in enumerate(header) if column]
    filled = {i for _, row in rows[1:] for i, cell in enumerate(row[:width]) if cell and not header[i]}
    notes = (f"Without a name in the header, and left out: {len(filled)} column(s).",) if filled else ()
    return Table(
        separator(text),
        tuple(header[index] for index in named),
        tuple((line, _named_cells(row, named, width)) for line, row in rows[1:]),
        notes,
    )


def _named_cells(row: tuple[str, ...], named: list[int], width: int) -> tuple[str, ...]:
    """Cells of the named columns, then those beyond the header that hold something; fewer if the row is short."""
    return (*(row[index] for index in named if index < len(row)), *filter(None, row[width:]))


def cell_number(cell: str, separator: str) -> float:
    """A coordinate; NaN for an empty cell or a word for a missing value.

    Args:
        cell: its text.
        separator: of the table; where it is no comma, a comma is a decimal point.

    Raises:
        ValueError: if it is no number.

    """
    if cell.lower() in _MISSING:
        return math.nan
    try:
        return float(cell.replace(",", ".") if separator != "," and cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        cure = ": write a point, or separate the cells by semicolons" if "," in cell else ""
        raise UserError(f"coordinate {cell!r} is not a number{cure}") from None
