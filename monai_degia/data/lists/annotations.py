"""Annotation files, CSV or JSON, read into records: nothing is judged here but the form of the file."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError, did_you_mean

__all__ = ["Record", "read_csv", "read_json"]


@dataclass(frozen=True)
class Record:
    """One annotated image as the file states it.

    Attributes:
        where: place in the file for messages, such as ``line 7``.
        image: image path as written.
        points: K entries, each a pair of unparsed coordinates; or whatever stands in their place.
        fields: all other columns.
        problem: why the row cannot be read, empty if it can.

    """

    where: str
    image: str
    points: Any
    fields: dict[str, Any]
    problem: str = ""


def read_csv(path: Path, names: Sequence[str]) -> list[Record]:
    """Read a CSV file with columns ``image`` and, for each landmark, ``<name>_x`` and ``<name>_y``.

    Args:
        path: the file, UTF-8 with or without byte order mark.
        names: K landmark names, in the order in which points are wanted; other columns are left in ``fields``.

    Returns:
        One record for each row that is not blank.

    Raises:
        ValueError: if the file is no text, has no header, repeats a column or lacks one.

    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [column.strip() for column in next(reader, [])]
            _check_header(path, header, names)
            return [_csv_record(reader.line_num, header, row, names) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}). Save it as comma-separated UTF-8.") from error


def _check_header(path: Path, header: list[str], names: Sequence[str]) -> None:
    repeated = [column for column, count in Counter(header).items() if count > 1]
    if repeated:
        raise UserError(f"{path} has the column {repeated[0]!r} more than once. Keep one of them.")
    missing = [c for c in ("image", *(f"{name}_{axis}" for name in names for axis in "xy")) if c not in header]
    if not missing:
        return
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise UserError(f"{path} is not separated by commas (its header is {header[0][:60]!r}). Save it with commas.")
    hint = did_you_mean(missing[0], header)
    raise UserError(
        f"{path} lacks {len(missing)} column(s): {_some(missing)}.{hint} It has: {_some(header, 8)}. "
        "Name the columns image, <landmark>_x, <landmark>_y, or choose other landmarks."
    )


def _csv_record(line: int, header: list[str], row: list[str], names: Sequence[str]) -> Record:
    fields = dict(zip(header, map(str.strip, row), strict=False))
    problem = "" if len(row) == len(header) else f"{len(row)} cells where the header has {len(header)}"
    points = [[fields.pop(f"{name}_{axis}", "") for axis in "xy"] for name in names]
    return Record(f"line {line}", fields.get("image", ""), points, fields, problem)


def read_json(path: Path, names: Sequence[str], section: str | None) -> list[Record]:
    """Read the project's JSON: ``{"landmark_names": [...], "training": [{"image": ..., "landmarks": [...]}]}``.

    Args:
        path: the file.
        names: K landmark names; taken by name if the file has ``landmark_names``, otherwise the file's own order.
        section: which list to read; may be left out if the file has only one.

    Returns:
        One record for each item.

    Raises:
        ValueError: if the file is no JSON, has no such section, or does not know a landmark.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}). Correct it at that place.") from error
    sections = {k: v for k, v in content.items() if _is_section(k, v)} if isinstance(content, dict) else {}
    if section is None and len(sections) == 1:
        section = next(iter(sections))
    if section not in sections:
        found = ", ".join(sections) or "none"
        raise UserError(f"{path} has no section {section!r}; its lists of items: {found}. Pass section=<one of them>.")
    order = _order(path, content.get("landmark_names"), names)
    return [_json_record(f"{section}[{i}]", item, order) for i, item in enumerate(sections[section])]


def _is_section(key: str, value: Any) -> bool:
    return key != "landmark_names" and isinstance(value, list)


def _order(path: Path, own_names: Any, names: Sequence[str]) -> tuple[int, list[int]]:
    """How many points the file has, and the index in the file of each wanted landmark."""
    if own_names is None:
        return len(names), list(range(len(names)))
    missing = [name for name in names if name not in own_names]
    if missing:
        raise UserError(
            f"{path} has no landmark {_some(missing)}; its landmark_names: {_some(own_names, 30)}. "
            "Choose landmarks among them."
        )
    return len(own_names), [own_names.index(name) for name in names]


def _json_record(where: str, item: Any, order: tuple[int, list[int]]) -> Record:
    if not isinstance(item, dict):
        return Record(where, "", [], {}, f"{item!r:.60} where an object with image and landmarks belongs")
    fields = {key: value for key, value in item.items() if key != "landmarks"}
    points, (count, indices) = item.get("landmarks"), order
    image = item.get("image", "")
    if not isinstance(image, str):
        return Record(where, "", [], fields, f"image is {image!r:.60}, not a path")
    if not isinstance(points, list) or len(points) != count:
        found = f"{len(points)} landmarks" if isinstance(points, list) else f"landmarks {points!r:.40}"
        return Record(where, image, [], fields, f"{found} where {count} are expected")
    return Record(where, image, [points[i] for i in indices], fields)


def _some(items: Sequence[Any], count: int = 4) -> str:
    rest = f", ... ({len(items)} in all)" if len(items) > count else ""
    return ", ".join(map(str, items[:count])) + rest
