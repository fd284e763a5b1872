"""What the loaders of published sets share: finding files, reading tables, turning records into items."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.items import ItemRules, make_items
from monai_degia.data.published.records import Record, annotated
from monai_degia.errors import UserError

__all__ = ["INCOMPLETE", "check_choice", "dataset_folder", "find_in", "list_items", "read_json_file", "read_table"]
__all__ += ["settle_incomplete"]

#: What may be done with images that lack a wanted landmark.
INCOMPLETE = ("error", "drop", "keep")


def check_choice(argument: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ValueError: if it is not.

    """
    if value not in choices:
        raise UserError(f"{argument} must be one of {', '.join(choices)}, got {value!r}.")


def dataset_folder(folder: str | PathLike[str], dataset: str) -> Path:
    """The folder of a set, if it exists.

    Raises:
        ValueError: if the folder is missing.

    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Pass the folder into which {dataset} was unpacked.")
    return root


def find_in(root: Path, names: Iterable[str | PathLike[str]], argument: str) -> Path:
    """The first of several paths below a folder that exists.

    Args:
        root: folder; an absolute name overrides it.
        names: candidates.
        argument: name of the argument by which the caller may say where it is, for the message.

    Returns:
        Path of a file or folder.

    Raises:
        ValueError: if none exists.

    """
    candidates = [root / Path(name).expanduser() for name in names]
    for path in candidates:
        if path.exists():
            return path
    raise UserError(f"Found none of {', '.join(map(str, candidates))}. Check the folder, or pass {argument}=...")


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a CSV file that are not blank, stripped, with their line numbers.

    Raises:
        ValueError: if the file is missing, no text or empty.

    """
    if not path.is_file():
        raise UserError(f"There is no file {path}. Unpack the set again, or pass the path of its table.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}). Save it as comma-separated UTF-8.") from error
    if not rows:
        raise UserError(f"{path} is empty. Unpack the set again.")
    return rows


def read_json_file(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        ValueError: if the file is missing or no JSON.

    """
    if not path.is_file():
        raise UserError(f"There is no file {path}. Unpack the set again, or pass the path of its annotations.")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}). Unpack the set again.") from error


def settle_incomplete(file: Path, records: list[Record], incomplete: str) -> list[Record]:
    """Refuse or leave out the records whose field ``incomplete`` says what they lack.

    Args:
        file: annotation file, for messages.
        records: with or without that field.
        incomplete: ``error`` makes it the record's problem, ``drop`` leaves the record out and warns once, ``keep``
            takes it with what it has, but for one that has nothing.

    Returns:
        The records to go on with.

    Raises:
        ValueError: if the option is unknown, or no record is left.

    """
    check_choice("incomplete", incomplete, INCOMPLETE)
    lacking = [record for record in records if record.fields.get("incomplete")]
    if incomplete == "error":
        cure = "; incomplete='drop' leaves such images out, 'keep' takes them with the labels that they have"
        said = {id(record): replace(record, problem=record.fields["incomplete"] + cure) for record in lacking}
        return [said.get(id(record), record) for record in records]
    if incomplete == "keep":
        kept = [replace(record, partial=True, fields=_without(record.fields, "incomplete")) for record in records]
        kept = [record for record in kept if record.problem or not np.isnan(np.array(record.points, float)).all()]
        nothing = len(records) - len(kept)
        if nothing:
            warnings.warn(f"{file}: {nothing} of {len(records)} hands have no wanted landmark, left out.", stacklevel=3)
        return kept
    if lacking and len(lacking) == len(records):
        raise UserError(f"{file}: none of {len(records)} hands has all wanted landmarks. Choose fewer landmarks.")
    if lacking:
        warnings.warn(f"{file}: {len(lacking)} of {len(records)} hands lack wanted landmarks, left out.", stacklevel=3)
    return [record for record in records if not record.fields.get("incomplete")]


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def list_items(
    file: Path,
    records: Sequence[Record],
    folders: Sequence[Path],
    *,
    domain: str,
    modality: str,
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
    keep: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Items of a published set, judged by the rules of every data list.

    Args:
        file: annotation file, for messages.
        records: one a hand; pixel size in ``spacing_mm`` of their fields.
        folders: where the images are.
        domain: name of the domain.
        modality: ``photo``, ``depth`` or ``xray``.
        mirror: whether all images must be mirrored.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.
        keep: fields to hand on to the items where a record has them.

    Returns:
        Items as :func:`monai_degia.data.lists.datalist.load_datalist` gives them, with the kept fields.

    Raises:
        ValueError: if there are no records, or in one message for all that cannot be used.

    """
    if not records:
        raise UserError(f"{file} holds no hands. Unpack the set again.")
    if not outside_margin >= 0:
        raise UserError(f"outside_margin must be a fraction of the image side, at least 0, got {outside_margin}.")
    rules = ItemRules(
        folders=tuple(folders),
        domain=domain,
        modality=modality,
        spacing=None,
        class_column=None,
        num_classes=None,
        mirror_where={},
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
    )
    marked = [annotated(replace(record, fields={**record.fields, "mirror": mirror})) for record in records]
    items = make_items(file, marked, rules)
    return [
        {**item, **{key: record.fields[key] for key in keep if key in record.fields}}
        for item, record in zip(items, records, strict=True)
    ]
