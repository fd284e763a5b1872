"""Data lists: annotation files checked as a whole and turned into the dictionaries that MONAI datasets take."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from monai_degia.data.lists.annotations import Record, read_csv, read_json
from monai_degia.data.lists.items import MODALITIES, ItemRules, make_items, matches
from monai_degia.data.lists.landmark_sets import Landmarks, landmark_names
from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.suffixes import DICOM_SUFFIXES, IMAGE_SUFFIXES, is_dicom_file

__all__ = ["list_images", "load_datalist"]

_logger = logging.getLogger(__name__)
_RESULT_SUFFIXES = (".overlay.png", ".sr.dcm")  # what inference writes, maybe beside the images


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
) -> list[dict[str, Any]]:
    """Read a CSV or JSON annotation file; every fault found in it ends in one message.

    Args:
        path: ``.csv`` with columns ``image`` and ``<landmark>_x``, ``<landmark>_y``; or ``.json`` with lists of
            ``{"image": ..., "landmarks": [[x, y], ...]}`` and, optionally, ``landmark_names``. Coordinates are pixels
            of the image file, x to the right, y down, integers at pixel centres.
        landmarks: name of a set or the K names; columns are taken by name, so a subset of the file's is fine.
        section: list to read from a JSON file, such as ``training``.
        image_dir: folder of the images; by default ``images`` beside the file, or the folder of the file.
        domain: name of the domain; by default that of the folder. A row's own ``domain`` goes before.
        modality: ``photo``, ``depth`` or ``xray``. A row's own ``modality`` goes before.
        where: keep the rows whose column equals the value, or one of a list of values; compared as text.
        class_column: column with the class, an integer from 0; JSON items may simply have ``class``.
        num_classes: if given, classes must be smaller.
        mirror_where: like ``where``; marks the rows whose image must be mirrored. A row's own ``mirror`` adds to it,
            or ``mirrored``, as inference names it.
        spacing: pixel size in mm, one number or [x, y]. A row's own ``spacing_mm`` (JSON: or ``spacing``) goes before;
            as text it is one number, or x and y with a blank between.
        outside_margin: how far a landmark may lie beyond the image's edge, as a fraction of the side: labels of
            a hand that is cut off by the image are often extrapolated.
        allow_outside: accept landmarks at any distance beyond the edge.

    Returns:
        Items with ``image`` (path), ``landmarks`` (float32 array (K, 2)), ``class``, ``domain``, ``modality``,
        ``mirror`` and, where known, ``spacing`` (float32 array (2,), mm).

    Raises:
        ValueError: if the file, a row or an image does not fit; nothing is skipped silently.

    """
    file, names = Path(path).expanduser(), landmark_names(landmarks)
    _check_options(modality, outside_margin, num_classes)
    records = _filter(file, _read(file, names, section), where or {})
    if class_column is None and file.suffix.lower() == ".json" and any("class" in r.fields for r in records):
        class_column = "class"
    known = {column for record in records for column in record.fields}
    _check_columns(file, known, {**(mirror_where or {}), **({class_column: None} if class_column else {})})
    rules = ItemRules(
        folders=_image_folders(file, image_dir),
        domain=domain or file.resolve().parent.name,
        modality=modality,
        spacing=spacing,
        class_column=class_column,
        num_classes=num_classes,
        mirror_where=mirror_where or {},
        outside_margin=float("inf") if allow_outside else outside_margin,
    )
    return make_items(file, records, rules)


def list_images(
    folder: str | PathLike[str],
    suffixes: Sequence[str] = IMAGE_SUFFIXES,
    *,
    domain: str | None = None,
    modality: str = "photo",
) -> list[dict[str, Any]]:
    """List the images of a folder, without landmarks, for inference.

    Args:
        folder: folder to search; sub-folders are left alone, which the log says if they hold images.
        suffixes: file endings that count as images, any case. With a DICOM ending among them, DICOM files without a
            known ending count too; they are told by their first bytes. Results of an inference (``.overlay.png``,
            ``.sr.dcm``) do not count, links to files that are missing do: reading them says so.
        domain: name of the domain; by default that of the folder.
        modality: ``photo``, ``depth`` or ``xray``.

    Returns:
        Items with ``image`` (path), ``domain``, ``modality`` and ``mirror``, sorted by file name.

    Raises:
        ValueError: if the folder is missing or holds no image.

    """
    _check_options(modality, 0.0, None)
    root, endings = Path(folder).expanduser(), tuple(s.lower() for s in suffixes)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Pass the folder that holds the images.")
    dicom = any(s in endings for s in DICOM_SUFFIXES)
    files = sorted(f for f in root.iterdir() if _is_file(f) and _is_listed(f, endings, dicom))
    deeper = _folders_with_images(root, endings, dicom)
    if not files:
        cure = f"Its sub-folders do, such as {deeper[0]}: pass one." if deeper else "Check the folder or the suffixes."
        raise UserError(f"{root} holds no image that ends in {', '.join(endings)}. {cure}")
    if deeper:
        _logger.warning("%s: sub-folders are not searched, images lie in %s.", root, ", ".join(map(str, deeper[:5])))
    name = domain or root.resolve().name
    return [{"image": str(f), "domain": name, "modality": modality, "mirror": False} for f in files]


def _folders_with_images(root: Path, endings: tuple[str, ...], dicom: bool) -> list[Path]:
    def has_image(folder: Path) -> bool:
        # Some of the files are enough to tell, and telling DICOM without an ending opens each of them.
        return any(f.is_file() and _is_listed(f, endings, dicom) for f in islice(folder.rglob("*"), 1000))

    return sorted(folder for folder in root.iterdir() if folder.is_dir() and has_image(folder))


def _is_file(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_listed(file: Path, endings: tuple[str, ...], dicom: bool) -> bool:
    name = file.name.lower()
    if name.endswith(_RESULT_SUFFIXES):
        return False
    return name.endswith(endings) or (dicom and not name.endswith(DICOM_SUFFIXES) and is_dicom_file(file))


def _check_options(modality: str, outside_margin: float, num_classes: int | None) -> None:
    if modality not in MODALITIES:
        raise UserError(f"modality must be one of {', '.join(MODALITIES)}, got {modality!r}.")
    if not outside_margin >= 0:
        raise UserError(f"outside_margin must be a fraction of the image side, at least 0, got {outside_margin}.")
    if num_classes is not None and num_classes < 1:
        raise UserError(f"num_classes must be at least 1, got {num_classes}.")


def _read(file: Path, names: Sequence[str], section: str | None) -> list[Record]:
    if not file.is_file():
        raise UserError(f"There is no annotation file {file}. Pass the path of a .csv or .json file.")
    suffix = file.suffix.lower()
    if suffix == ".json":
        records = read_json(file, names, section)
    elif suffix != ".csv":
        raise UserError(f"{file} ends in {suffix or 'nothing'!r}. Annotations are read from .csv or .json files.")
    elif section is not None:
        raise UserError(f"{file} is a CSV file and has no section {section!r}. Use where={{column: value}} instead.")
    else:
        records = read_csv(file, names)
    if not records:
        raise UserError(f"{file} has no rows{f' in {section!r}' if section else ''}. Add at least one image.")
    return records


def _filter(file: Path, records: list[Record], where: Mapping[str, Any]) -> list[Record]:
    _check_columns(file, {column for record in records for column in record.fields}, where)
    for column, value in where.items():
        seen = sorted({str(record.fields.get(column, "")) for record in records})
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


def _image_folders(file: Path, image_dir: str | PathLike[str] | None) -> tuple[Path, ...]:
    if image_dir is None:
        return (file.parent / "images", file.parent) if file.suffix.lower() == ".csv" else (file.parent,)
    folder = Path(image_dir).expanduser()
    if not folder.is_dir():
        raise UserError(f"image_dir {folder} is not a folder. Pass the folder that holds the images of {file}.")
    return (folder,)
