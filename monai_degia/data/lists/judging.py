"""What a data list requires of an annotation file as a whole, beyond what each row says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.checks import FAULT_KINDS, find_faults
from monai_degia.data.formats.image_files import find_image, size_of_picture
from monai_degia.data.formats.orientation import all_as_stored, exif_orientation
from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.suffixes import PICTURE_SUFFIXES

__all__ = ["UNLABELLED", "carried_columns", "check_labels", "judged"]

#: A kind of fault of a list as a whole: a landmark that no image has a label of.
UNLABELLED = "unlabelled"
_AUTO = "auto"
_PERSONS = ("group", "patient", "patient_id", "patientid", "subject", "subject_id", "person", "person_id")
_SPLITS = {"train": "training", "val": "validation", "valid": "validation", "dev": "validation", "testing": "test"}
_logger = logging.getLogger(__name__)


def judged(
    annotations: AnnotationSet,
    folders: Sequence[Path],
    margin: float,
    accept: Sequence[str],
    told: bool = False,
    outside: bool = False,
) -> list[AnnotatedImage]:
    """The images with points in pixels of their files; what cannot be meant has become their ``problem``.

    Args:
        annotations: of a file.
        folders: of the images.
        margin: how far landmarks may lie beyond the edge, as a fraction of the side.
        accept: kinds of faults that are meant so.
        told: whether somebody said if the points are those of upright pictures.
        outside: whether files outside of the folders are accepted.

    """
    unknown = [kind for kind in accept if kind not in (*FAULT_KINDS, UNLABELLED)]
    if unknown:
        kinds = (*FAULT_KINDS, UNLABELLED)
        raise UserError(
            f"accept names {unknown[0]!r}, which is no kind of fault.{did_you_mean(unknown[0], kinds)} Kinds: "
            f"{', '.join(kinds)}."
        )
    files = [find_image(image, folders, outside) for image in annotations.images]
    pictures = [file if file and file.name.lower().endswith(PICTURE_SUFFIXES) else None for file in files]
    sizes = [size_of_picture(file) if file else None for file in pictures]
    turns = [exif_orientation(file) if file else 1 for file in pictures]
    turned = sum(turn != 1 for turn in turns)
    if turned and not told:
        view = "turned upright by it" if annotations.upright else "as they are stored"
        _logger.warning(
            "%d of %d photographs have an Exif orientation: points are taken for pixels of them %s, as files of this "
            "kind have it (%s). upright=True or False says otherwise.",
            turned,
            len(turns),
            view,
            annotations.format,
        )
    # "problem" is told by the row itself.
    kinds_accepted = [kind for kind in accept if kind != UNLABELLED] + ["problem"]
    faults = find_faults(annotations, sizes, turns, margin, kinds_accepted)
    images = list(all_as_stored(annotations, sizes, turns).images)
    for fault in faults:
        if not images[fault.index].problem:
            problem = f"{FAULT_KINDS[fault.kind]}: {fault.reason} (accept=[{fault.kind!r}] takes it as it is)"
            images[fault.index] = replace(images[fault.index], problem=problem)
    return images


def carried_columns(file: Path, known: set[str], group_column: str | None, split_column: str | None) -> dict[str, str]:
    """Columns that items carry on, by the name that they get.

    Args:
        file: of the list, for messages.
        known: its columns.
        group_column: see ``load_datalist``.
        split_column: see there.

    Raises:
        ValueError: if a column is named that is not there.

    """
    columns = {}
    by_lower = {column.lower(): column for column in sorted(known)}
    for name, given, usual in (("group", group_column, _PERSONS), ("split", split_column, ("split",))):
        if given == _AUTO:
            found = next((by_lower[column] for column in usual if column in by_lower), None)
            if found is not None:
                what = "keep together" if name == "group" else "divide"
                _logger.info("%s: its column %r says what to %s.", file, found, what)
                columns[name] = found
        elif given is not None:
            if given not in known:
                raise UserError(f"{file} has no column {given!r}.{did_you_mean(given, known)}")
            columns[name] = given
    return columns


def check_labels(file: Path, names: Sequence[str], items: list[dict[str, Any]], accept: Sequence[str]) -> None:
    """Say how many labels are missing, write the parts of a split in full, and refuse landmarks without any label.

    Args:
        file: of the list, for messages.
        names: of the K landmarks.
        items: of ``load_datalist``.
        accept: see there.

    Raises:
        ValueError: if a landmark has no label in any image.

    """
    for item in items:
        if "split" in item:
            text = item["split"].strip().lower()
            item["split"] = _SPLITS.get(text, text)
    missing = np.isnan(np.stack([item["landmarks"] for item in items])).any(axis=2)
    never = [name for name, gone in zip(names, missing.all(axis=0), strict=True) if gone]
    if never and UNLABELLED not in accept:
        raise UserError(
            f"{file}: no image has a label of {', '.join(never[:5])}{', ...' if len(never) > 5 else ''} "
            f"({len(never)} of {len(names)} landmarks): leave them out of landmarks."
        )
    if missing.any():
        images = int(missing.any(axis=1).sum())
        _logger.info(
            "%s: %d of %d labels are missing, in %d of %d images.",
            file,
            missing.sum(),
            missing.size,
            images,
            len(items),
        )
