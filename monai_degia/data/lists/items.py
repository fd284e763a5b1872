"""From records to items: each row is judged by itself, and all that is wrong is said in one message."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage
from monai_degia.data.formats.image_files import find_image, size_of_picture
from monai_degia.errors import UserError
from monai_degia.io.suffixes import PICTURE_SUFFIXES

__all__ = ["AUTO", "IMAGE", "MODALITIES", "ItemRules", "column_of", "make_items", "matches"]

_logger = logging.getLogger(__name__)

MODALITIES = ("photo", "depth", "xray")
#: Of items whose files are to tell it.
AUTO = "auto"
#: The column that each row has, whatever the format.
IMAGE = "image"
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
    columns: Mapping[str, str] = field(default_factory=dict)
    use_occluded: bool = True
    on_error: str = "fail"
    allow_outside_files: bool = False


def make_items(file: Path, records: Sequence[AnnotatedImage], rules: ItemRules) -> list[dict[str, Any]]:
    """Turn each record into an item.

    Args:
        file: annotation file, for messages.
        records: images of the file; the points in pixels of the image files.
        rules: where images are and what to check.

    Returns:
        One item for each record, but for those that are skipped, if the rules say so.

    Raises:
        ValueError: one message for all rows that do not fit, with the first few of them; if all of them are skipped.

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
        said = f"{file}: {len(problems)} of {len(records)} rows cannot be used:\n  {listed}{more}"
        if rules.on_error == "fail" or not items:
            raise UserError(
                f"{said}\nCorrect these rows or remove them, or choose rows with where={{column: value}}; "
                "on_error='skip' leaves them out."
            )
        _logger.warning("%s\nThey are left out.", said)
    return items


def matches(record: AnnotatedImage, where: Mapping[str, Any]) -> bool:
    """Whether each column of ``where`` holds, as text, its value or one of its values."""
    return all(column_of(record, column) in _texts(value) for column, value in where.items())


def column_of(record: AnnotatedImage, column: str) -> str:
    """What a row has in a column, as text; ``image`` is its image as written."""
    return record.image if column == IMAGE else str(record.fields.get(column, ""))


def _texts(value: Any) -> set[str]:
    return {str(v) for v in value} if isinstance(value, list | tuple | set | frozenset) else {str(value)}


def _item(record: AnnotatedImage, rules: ItemRules) -> dict[str, Any]:
    if record.problem:
        raise UserError(record.problem)
    image = _image_path(record, rules)
    known = record.labelled if rules.use_occluded else record.labelled & ~record.occluded
    points = np.where(known[:, None], record.points, np.nan).astype(np.float32)
    _check_inside(points[known], image, rules.outside_margin)
    modality = record.fields.get("modality") or rules.modality
    if modality not in (*MODALITIES, AUTO):
        raise UserError(f"modality is {modality!r}, not one of {', '.join(MODALITIES)}")
    item = {
        "image": str(image),
        "landmarks": points,
        "class": _class(record.fields.get(rules.class_column), rules) if rules.class_column else 0,
        "domain": str(record.fields.get("domain") or rules.domain),
        "modality": modality,
        "mirror": _mirror(record, rules.mirror_where),
    }
    for name, column in rules.columns.items():
        if record.fields.get(column) not in (None, ""):
            item[name] = str(record.fields[column])
    own = [record.fields[key] for key in ("spacing_mm", "spacing") if record.fields.get(key) not in (None, "")]
    spacing = own[0] if own else rules.spacing
    return item if spacing is None else {**item, "spacing": _spacing(spacing, record.spatial_dims)}


def _image_path(record: AnnotatedImage, rules: ItemRules) -> Path:
    if not record.image:
        raise UserError("the image is not named")
    found = find_image(record, rules.folders, rules.allow_outside_files)
    if found is not None:
        return found
    places = " or ".join(map(str, rules.folders))
    if (elsewhere := find_image(record, rules.folders, outside=True)) is not None:
        raise UserError(
            f"the image file lies in {elsewhere.resolve().parent}, outside of {places}: a list from elsewhere could "
            "name any file of this computer. Name the folder that holds all images (image_dir, --images), or take "
            "such files by allow_outside_files=True"
        )
    raise UserError(f"image file not found in {places}")


def _check_inside(points: np.ndarray, image: Path, margin: float) -> None:
    if not len(points) or not image.name.lower().endswith(PICTURE_SUFFIXES):
        return  # the size of a DICOM or NIfTI image is known only after it has been decoded
    if points.shape[1] != 2:
        raise UserError(f"points have {points.shape[1]} coordinates, and the image is a flat picture")
    sides = size_of_picture(image)
    if sides is None:
        raise UserError("the image file cannot be opened: it is damaged, or no picture")
    size = np.array(sides)
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


def _mirror(record: AnnotatedImage, where: Mapping[str, Any]) -> bool:
    flags = {key: str(record.fields.get(key, "")).lower() for key in ("mirror", "mirrored")}
    for key, flag in flags.items():
        if flag not in _YES | _NO:
            raise UserError(f"{key} is {flag!r}, expected true or false")
    return not _YES.isdisjoint(flags.values()) or (bool(where) and matches(record, where))


def _spacing(value: Any, spatial_dims: int) -> np.ndarray:
    try:
        sides = value.split() if isinstance(value, str) else value
        spacing = np.broadcast_to(np.array(sides, dtype=np.float32), (spatial_dims,)).copy()
    except (TypeError, ValueError):
        form = {2: "a pair [x, y]", 3: "a triple [x, y, z]"}[spatial_dims]
        raise UserError(f"spacing {value!r} is not one number or {form} in mm") from None
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise UserError(f"spacing {value!r} must be positive, in mm")
    return spacing
