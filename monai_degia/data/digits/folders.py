"""Digits as picture files and a text file of labels, the form in which MNIST-M is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from monai_degia.data.digits.images import DigitImages, digit_images
from monai_degia.errors import UserError
from monai_degia.io.inside import is_there, lies_in

__all__ = ["read_labelled_pictures"]

_GREY_MODES = {"1", "L"}
_DIGITS = set("0123456789")


def read_labelled_pictures(label_file: Path) -> DigitImages:
    """Read the pictures that a label file names.

    Args:
        label_file: lines ``filename label``. The pictures of ``mnist_m_test_labels.txt`` are in ``mnist_m_test``
            beside it, or in its own folder. All must be of one size.

    Returns:
        Images, grey only if all are, and labels, in the order of the lines.

    Raises:
        ValueError: if a line is malformed, or a picture is missing, not listed, unreadable or of another size.

    """
    names, labels = _lines(label_file)
    folder = _picture_folder(label_file, names)
    return digit_images(_pictures([folder / name for name in names]), labels, str(label_file))


def _lines(label_file: Path) -> tuple[list[str], np.ndarray]:
    try:
        lines = label_file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{label_file} is no text file ({error}). It should have lines 'filename label'.") from error
    names, labels = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        words = line.rsplit(maxsplit=1)
        if len(words) < 2 or words[1] not in _DIGITS:
            raise UserError(f"{label_file}, line {number}: {line!r} is not 'filename label' with a label 0 to 9.")
        names.append(words[0].strip())
        labels.append(int(words[1]))
    if not names:
        raise UserError(f"{label_file} has no lines. It should have lines 'filename label'.")
    return names, np.array(labels, dtype=np.int64)


def _picture_folder(label_file: Path, names: list[str]) -> Path:
    beside = label_file.parent / label_file.stem.removesuffix("_labels")
    folders = [folder for folder in (beside, label_file.parent) if folder.is_dir()]
    missing = {folder: [name for name in names if not is_there(folder / name)] for folder in folders}
    folder = min(folders, key=lambda folder: len(missing[folder]))
    if missing[folder]:
        raise UserError(
            f"{label_file} names {len(names)} pictures, {len(missing[folder])} of them are not in {folder}, "
            f"the first is {missing[folder][0]}. Unpack the archive again."
        )
    outside = [name for name in names if not lies_in(folder / name, [folder])]
    if outside:
        raise UserError(
            f"{label_file} names {len(outside)} pictures outside of {folder}, the first is {outside[0]}. A label file "
            "names pictures of its own folder."
        )
    found = sum(1 for file in folder.iterdir() if file.suffix.lower() == ".png")
    if found > len(set(names)):
        raise UserError(
            f"{folder} holds {found} PNG files but {label_file} names {len(set(names))}. Add the missing labels."
        )
    return folder


def _pictures(files: list[Path]) -> np.ndarray:
    stack, grey = None, True
    for index, file in enumerate(files):
        try:
            with Image.open(file) as picture:
                grey = grey and picture.mode in _GREY_MODES
                array = np.asarray(picture.convert("RGB"))
        except Exception as error:  # decoders raise whatever a damaged file leads them to
            raise UserError(f"Cannot read picture {file} ({type(error).__name__}: {error}). Replace it.") from error
        if stack is None:
            stack = np.empty((len(files), *array.shape), dtype=np.uint8)
        if array.shape != stack.shape[1:]:
            size, first = array.shape[1::-1], stack.shape[2:0:-1]
            raise UserError(f"{file} has {size} pixels (width, height), the first picture {first}. Use one size.")
        stack[index] = array
    if stack is None:
        raise UserError("There are no pictures to read.")
    return stack[..., 0] if grey else stack
