"""From records to items: each row is judged by itself, and all that is wrong is said in one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_degia.data.lists.annotations import Record
from monai_degia.errors import UserError
from monai_degia.io.suffixes import PICTURE_SUFFIXES

__all__ = ["MODALITIES", "ItemRules", "make_items", "matches"]

MODALITIES = ("photo", "depth", "xray")
_MAX_LISTED = 5
_YES, _NO = {"1", "true", "yes"}, {"", "0", "false", "no", "none"}


@dataclass(frozen=True)
class ItemRules:
    """What holds for all rows of a file; the arguments of ``load_datalist`` explain the fields."""

    folders: tuple[Path, ...]
    domain: str
    modality: str
    spacing: Any
    class_column: str | None
    num_classes: int | None
    mirror_where: Mapping[str, Any]
    outside_margin: float


def make_items(file: Path, records: Sequence[Record], rules: ItemRules) -> list[dict[str, Any]]:
    """Turn each record into an item.

    Args:
        file: annotation file, for messages.
        records: rows of the file.
        rules: where images are and what to check.

    Returns:
        One item for each record.

    Raises:
        ValueError: one message for all rows that do not fit, with the first few of them.

    """
    items, problems = [], []
    for record in records:
        try:
            items.append(_item(record, rules))
        except ValueError as error:
            problems.append(f"{record.where} ({record.image or 'no image'}): {error}")
    if problems:
        listed = "\n  ".join(problems[:_MAX_LISTED])
        more = f"\n  ... and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        raise UserError(
            f"{file}: {len(problems)} of {len(records)} rows cannot be used:\n  {listed}{more}\n"
            "Correct these rows or remove them; load_datalist also takes where={column: value}."
        )
    return items


def matches(record: Record, where: Mapping[str, Any]) -> bool:
    """Whether each column of ``where`` holds, as text, its value or one of its values."""
    return all(str(record.fields.get(column, "")) in _texts(value) for column, value in where.items())


def _texts(value: Any) -> set[str]:
    return {str(v) for v in value} if isinstance(value, list | tuple | set | frozenset) else {str(value)}


def _item(record: Record, rules: ItemRules) -> dict[str, Any]:
    if record.problem:
        raise UserError(record.problem)
    image = _image_path(record.image, rules.folders)
    points = _points(record.points)
    _check_inside(points, image, rules.outside_margin)
    modality = record.fields.get("modality") or rules.modality
    if modality not in MODALITIES:
        raise UserError(f"modality is {modality!r}, not one of {', '.join(MODALITIES)}")
    item = {
        "image": str(image),
        "landmarks": points,
        "class": _class(record.fields.get(rules.class_column), rules) if rules.class_column else 0,
        "domain": str(record.fields.get("domain") or rules.domain),
        "modality": modality,
        "mirror": _mirror(record, rules.mirror_where),
    }
    own = [record.fields[key] for key in ("spacing_mm", "spacing") if record.fields.get(key) not in (None, "")]
    spacing = own[0] if own else rules.spacing
    return item if spacing is None else {**item, "spacing": _spacing(spacing)}


def _image_path(name: str, folders: Sequence[Path]) -> Path:
    if not name:
        raise UserError("the image is not named")
    for folder in folders:
        if (folder / name).is_file():  # an absolute name overrides the folder
            return folder / name
    raise UserError(f"image file not found in {' or '.join(map(str, folders))}")


def _points(raw: Any) -> np.ndarray:
    empty = sum(value is None or value == "" for point in raw if isinstance(point, list) for value in point)
    if empty:
        raise UserError(f"{empty} of {2 * len(raw)} coordinates are empty; there is no label for a missing landmark")
    try:
        points = np.array(raw, dtype=np.float64)
    except (ValueError, TypeError):
        raise UserError(f"coordinate {_first_odd(raw)} is not a number, or not in a pair [x, y]") from None
    if points.shape != (len(raw), 2):
        raise UserError(f"landmarks have shape {points.shape}, expected ({len(raw)}, 2), pairs [x, y]")
    if not np.isfinite(points).all():
        raise UserError(f"{(~np.isfinite(points)).sum()} coordinates are NaN or infinite")
    return points.astype(np.float32)


def _first_odd(raw: list[Any]) -> str:
    for point in raw:
        try:
            if np.array(point, dtype=np.float64).shape != (2,):
                return repr(point)
        except (ValueError, TypeError):
            return repr(point)
    return repr(raw)


def _check_inside(points: np.ndarray, image: Path, margin: float) -> None:
    if not image.name.lower().endswith(PICTURE_SUFFIXES):
        return  # the size of a DICOM or NIfTI image is known only after it has been decoded
    try:
        with Image.open(image) as header:
            size = np.array(header.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"the image file cannot be opened ({type(error).__name__}: {error})") from None
    beyond = (np.maximum(-0.5 - points, points - (size - 0.5)) / size).max(axis=1)
    if (beyond > margin).any():
        x, y = points[beyond.argmax()]
        raise UserError(
            f"{(beyond > margin).sum()} landmarks lie outside the {size[0]} x {size[1]} image, the farthest at "
            f"({x:g}, {y:g}); outside_margin={margin:g} of the side, or allow_outside=True, would accept more"
        )


def _class(value: Any, rules: ItemRules) -> int:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (number >= 0 and number == number // 1):
        raise UserError(f"class {value!r} in {rules.class_column!r} is not an integer from 0")
    if rules.num_classes is not None and number >= rules.num_classes:
        raise UserError(f"class {int(number)} in {rules.class_column!r} is not below num_classes={rules.num_classes}")
    return int(number)


def _mirror(record: Record, where: Mapping[str, Any]) -> bool:
    flags = {key: str(record.fields.get(key, "")).lower() for key in ("mirror", "mirrored")}
    for key, flag in flags.items():
        if flag not in _YES | _NO:
            raise UserError(f"{key} is {flag!r}, expected true or false")
    return not _YES.isdisjoint(flags.values()) or (bool(where) and matches(record, where))


def _spacing(value: Any) -> np.ndarray:
    try:
        sides = value.split() if isinstance(value, str) else value
        spacing = np.broadcast_to(np.array(sides, dtype=np.float32), (2,)).copy()
    except (TypeError, ValueError):
        raise UserError(f"spacing {value!r} is not one number or a pair [x, y] in mm") from None
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise UserError(f"spacing {value!r} must be positive, in mm")
    return spacing
