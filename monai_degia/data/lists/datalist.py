"""Data lists: annotation files checked as a whole and turned into the dictionaries that MONAI datasets take."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from monai_degia.data.formats.annotations import AnnotatedImage
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.lists.items import AUTO, IMAGE, MODALITIES, ItemRules, column_of, make_items, matches
from monai_degia.data.lists.judging import carried_columns, check_labels, judged
from monai_degia.data.lists.landmark_sets import Landmarks, landmark_names
from monai_degia.errors import UserError, did_you_mean

__all__ = ["load_datalist"]

_logger = logging.getLogger(__name__)
_CHOICES = {"occluded": ("use", "drop"), "on_error": ("fail", "skip")}


def load_datalist(
    path: str | PathLike[str],
    *,
    landmarks: Landmarks = "hand21",
    section: str | None = None,
    image_dir: str | PathLike[str] | None = None,
    domain: str | None = None,
    modality: str = "photo",
    where: Mapping[str, Any] | None = None,
    class_column: str | None = None,
    num_classes: int | None = None,
    mirror_where: Mapping[str, Any] | None = None,
    spacing: float | Sequence[float] | None = None,
    outside_margin: float = 0.1,
    allow_outside: bool = False,
    allow_outside_files: bool = False,
    group_column: str | None = "auto",
    split_column: str | None = "auto",
    occluded: str = "use",
    upright: bool | None = None,
    accept: Sequence[str] = (),
    on_error: str = "fail",
    format: str | None = None,
    category: str | None = None,
    individual: str | None = None,
    several: str = "refuse",
    origin: str | None = None,
) -> list[dict[str, Any]]:
    """Read the landmarks of images from an annotation file; every fault found in it ends in one message.

    Args:
        path: a file of the project's CSV or JSON, or of an annotation tool, see :func:`monai_degia.read_annotations`,
            which tells them by what they hold. Coordinates of the project's own are pixels of the image file, x to the
            right, y down, integers at pixel centres.
        landmarks: see :func:`monai_degia.landmark_set`; taken by name, so a part of the file's is fine.
        section: list to read from a JSON file, such as ``training``.
        image_dir: folder of the images; by default ``images`` beside the file, or the folder of the file.
        domain: name of the domain; by default that of the folder. A ``domain`` in a row takes precedence.
        modality: ``photo``, ``depth`` or ``xray``, or ``auto`` to tell it by each file. A row's own ``modality`` goes
            before.
        where: keep the rows whose column equals the value, or one of a list of values; compared as text.
        class_column: column with the class, an integer from 0; JSON items may simply have ``class``.
        num_classes: if given, classes must be smaller.
        mirror_where: like ``where``; marks the rows whose image must be mirrored. A row's own ``mirror`` adds to it,
            or ``mirrored``, as inference names it.
        spacing: pixel size in mm, one number or [x, y], or [x, y, z] in volumes. A row's own ``spacing_mm`` (JSON: or
            ``spacing``) takes precedence; as text it is one number, or as many as there are axes with blanks between.
        outside_margin: how far a landmark may lie beyond the image's edge, as a fraction of the side: labels of
            a hand that is cut off by the image are often extrapolated.
        allow_outside: accept landmarks at any distance beyond the edge.
        allow_outside_files: take images that lie outside of ``image_dir``, or without one of the folder of the file,
            which a list may name by an absolute path, ``..`` or a link. Default: refuse them, for a list from elsewhere
            could name any file of this computer. A folder that is itself a link holds what lies where it leads.
        group_column: column of what must stay on one side of a split, a person for instance; ``auto`` takes one that is
            called ``group``, ``patient``, ``subject`` or ``person`` (or their ``_id``), ``None`` none.
        split_column: column that says training, validation or test (or train, val, valid); ``auto`` takes one that is
            called ``split``, ``None`` none.
        occluded: ``use`` takes landmarks that are labelled as hidden like all others, ``drop`` takes them for missing.
        upright: whether points are those of the picture turned by its Exif orientation; default: as the format has it.
        accept: kinds of faults that are meant so, see :data:`monai_degia.data.formats.checks.FAULT_KINDS`; and
            ``unlabelled``, for landmarks that no image has a label of.
        on_error: ``fail``, or ``skip`` to leave out, with a warning, the rows that cannot be used.
        format: see :func:`monai_degia.read_annotations`, as ``category``, ``individual``, ``several`` and ``origin``.
        category: see there.
        individual: see there.
        several: see there.
        origin: see there.

    Returns:
        Items with ``image`` (path), ``landmarks`` (float32 array (K, n), NaN where a landmark has no label; n is 2,
        3 in volumes), ``class``, ``domain``, ``modality``, ``mirror`` and, where known, ``spacing`` (float32 array
        (n,), mm), ``group`` and ``split``.

    Raises:
        ValueError: if the file, a row or an image does not fit.

    """
    file, names = Path(path).expanduser(), landmark_names(landmarks)
    _check_options(modality, outside_margin, num_classes, occluded=occluded, on_error=on_error)
    if not file.exists():
        raise UserError(f"There is no annotation file {file}. Pass the path of a file or folder that a tool wrote.")
    folder = None if image_dir is None else _existing(Path(image_dir).expanduser(), file)
    annotations = read_annotations(
        file,
        format=format,
        names=names,
        category=category,
        individual=individual,
        section=section,
        several=several,
        origin=origin,
        image_dir=folder,
    )
    annotations = replace(annotations, images=tuple(_filter(file, list(annotations.images), where or {})))
    if upright is not None:
        annotations = replace(annotations, upright=upright)
    known = {column for image in annotations.images for column in image.fields}
    if class_column is None and annotations.format == "json" and "class" in known:
        class_column = "class"
    _check_columns(file, {IMAGE, *known}, mirror_where or {})
    _check_columns(file, known, {class_column: None} if class_column else {})
    margin = float("inf") if allow_outside else outside_margin
    folders = _image_folders(file) if folder is None else (folder,)
    rules = ItemRules(
        folders=folders,
        domain=domain or file.resolve().parent.name,
        modality=modality,
        spacing=spacing,
        class_column=class_column,
        num_classes=num_classes,
        mirror_where=mirror_where or {},
        outside_margin=margin,
        columns=carried_columns(file, known, group_column, split_column),
        use_occluded=occluded == "use",
        on_error=on_error,
        allow_outside_files=allow_outside_files,
    )
    kept = judged(annotations, folders, margin, accept, upright is not None, allow_outside_files)
    items = make_items(file, kept, rules)
    check_labels(file, names, items, accept)
    return items


def _check_options(modality: str, outside_margin: float, num_classes: int | None, **choices: str) -> None:
    if modality not in (*MODALITIES, AUTO):
        raise UserError(f"modality must be one of {', '.join(MODALITIES)}, or auto, got {modality!r}.")
    if not outside_margin >= 0:
        raise UserError(f"outside_margin must be a fraction of the image side, at least 0, got {outside_margin}.")
    if num_classes is not None and num_classes < 1:
        raise UserError(f"num_classes must be at least 1, got {num_classes}.")
    for name, value in choices.items():
        if value not in _CHOICES[name]:
            raise UserError(f"{name} must be one of {', '.join(_CHOICES[name])}, got {value!r}.")


def _filter(file: Path, records: list[AnnotatedImage], where: Mapping[str, Any]) -> list[AnnotatedImage]:
    _check_columns(file, {IMAGE, *(column for record in records for column in record.fields)}, where)
    for column, value in where.items():
        seen = sorted({column_of(record, column) for record in records})
        records = [record for record in records if matches(record, {column: value})]
        if not records:
            raise UserError(
                f"{file}: no row is left after where {column}={value!r}; before it, {column} held "
                f"{', '.join(map(repr, seen[:5]))}. Values are compared as text."
            )
    return records


def _check_columns(file: Path, known: set[str], columns: Mapping[str, Any]) -> None:
    for column in columns:
        if column not in known:
            hint = did_you_mean(column, known)
            raise UserError(f"{file} has no column {column!r}.{hint} Columns: {', '.join(sorted(known)[:20])}.")


def _image_folders(file: Path) -> tuple[Path, ...]:
    if file.is_dir():
        return (file, file / "images", file.parent)
    return (file.parent / "images", file.parent)


def _existing(folder: Path, file: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"image_dir {folder} is not a folder. Pass the folder that holds the images of {file}.")
    return folder
