"""The images of a folder and all folders in it, as a hospital exports them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai_degia.data.lists.items import AUTO, MODALITIES
from monai_degia.errors import UserError
from monai_degia.io.kinds import what_lies_beside
from monai_degia.io.suffixes import DICOM_SUFFIXES, IMAGE_SUFFIXES, is_dicom_file, is_picture_file

__all__ = ["list_images"]

_logger = logging.getLogger(__name__)
_RESULT_SUFFIXES = (".overlay.png", ".sr.dcm")  # what inference writes, maybe beside the images


def list_images(
    folder: str | PathLike[str],
    suffixes: Sequence[str] = IMAGE_SUFFIXES,
    *,
    domain: str | None = None,
    modality: str = "photo",
) -> list[dict[str, Any]]:
    """List the images of a folder and of all folders in it, without landmarks, for inference.

    What lies beside images in an export is left out, and one line of the log counts it by what it is: DICOM structured
    reports, presentation states, key objects, documents and indexes, PDF, GIF, HEIC, WebP, side files of macOS, texts.
    Files of an image's kind that are damaged are listed: reading them says what is wrong.

    Args:
        folder: folder to search. Hidden folders, and links that lead back, are not searched.
        suffixes: file endings that count as images, any case. With a DICOM ending among them, DICOM files without a
            known ending count too, and with a picture's, PNG and JPEG files without one; they are told by their first
            bytes. Results of an inference (``.overlay.png``, ``.sr.dcm``) do not count, links to files that are missing
            do: reading them says so.
        domain: name of the domain; by default that of the folder.
        modality: ``photo``, ``depth``, ``xray`` or ``auto``.

    Returns:
        Items with ``image`` (path), ``domain``, ``modality`` and ``mirror``, sorted by path.

    Raises:
        ValueError: if the folder is missing or holds no image.

    """
    if modality not in (*MODALITIES, AUTO):
        raise UserError(f"modality must be one of {', '.join(MODALITIES)}, or auto, got {modality!r}.")
    root, endings = Path(folder).expanduser(), tuple(s.lower() for s in suffixes)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Pass the folder that holds the images.")
    files, beside = [], Counter[str]()
    examples: dict[str, str] = {}
    for file in _files(root):
        if file.name.lower().endswith(_RESULT_SUFFIXES):
            continue
        kind = what_lies_beside(file) if file.exists() else ""
        if not kind and _is_listed(file, endings):
            files.append(file)
        elif kind:
            beside[kind] += 1
            examples.setdefault(kind, file.relative_to(root).as_posix())
    told = ", ".join(f"{count} {kind} ({examples[kind]})" for kind, count in sorted(beside.items()))
    if not files:
        found = f" It holds {told}." if told else ""
        raise UserError(
            f"{root} holds no image that ends in {', '.join(endings)}.{found} Check the folder or the suffixes."
        )
    if told:
        count = beside.total()
        number = "1 file is" if count == 1 else f"{count} files are"
        _logger.warning("%s: %s left out, an example of each kind: %s.", root, number, told)
    name = domain or root.resolve().name
    return [{"image": str(f), "domain": name, "modality": modality, "mirror": False} for f in files]


def _files(root: Path) -> Iterator[Path]:
    """All files, sorted by path; links to folders are followed once."""
    seen = set[str]()
    for parent, folders, names in os.walk(root, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen:
            folders[:] = []
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(parent, name) for name in sorted(names))


def _is_listed(file: Path, endings: tuple[str, ...]) -> bool:
    name = file.name.lower()
    if name.endswith(endings):
        return True
    if name.endswith(IMAGE_SUFFIXES):
        return False  # of a kind that was not asked for
    dicom = any(s in endings for s in DICOM_SUFFIXES)
    return (dicom and is_dicom_file(file)) or (".png" in endings and is_picture_file(file))
