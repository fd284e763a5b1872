"""Digit sets from a path, whatever their format."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

from monai_degia.data.digits.arrays import ARRAY_SUFFIXES, read_array_file
from monai_degia.data.digits.folders import read_labelled_pictures
from monai_degia.data.digits.idx import find_idx, is_idx, read_idx
from monai_degia.data.digits.images import DigitImages
from monai_degia.errors import UserError

__all__ = ["SPLITS", "read_digits"]

SPLITS = ("train", "test")
_SPLIT_WORDS = {"train": "train", "training": "train", "test": "test", "t10k": "test", "extra": "extra"}


def read_digits(path: str | PathLike[str], split: str = "test") -> DigitImages:
    """Read MNIST, MNIST-M, USPS, SVHN or a set of one's own in one of their formats.

    Args:
        path: a file or a folder.

            - IDX, plain or gzip: the file of images, with that of labels beside it, or their folder.
            - Pictures with lines ``filename label``: the text file, the folder of pictures, or the one above it.
            - ``.npz``, ``.mat``, ``.h5``: see :func:`monai_degia.data.digits.arrays.read_array_file`. In a folder the
              file is found if only one is left after those whose names belong to another split.
        split: ``train`` or ``test``. A file or folder that holds only one part must not be named after the other.

    Returns:
        The whole split, in the order of the file.

    Raises:
        ValueError: if the path is missing or ambiguous, of no known format, damaged, or named after another split.
        ImportError: if an HDF5 file is given and h5py is missing.

    """
    if split not in SPLITS:
        raise UserError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    given = Path(path).expanduser()
    if not given.exists():
        raise UserError(f"There is no {given}. Point at a file or a folder of digits.")
    file = _find(given, split) if given.is_dir() else given
    if not _fits(file, split):
        raise UserError(f"{file} is named after another split than {split!r}. Choose its split, or another file.")
    if not file.stat().st_size:
        raise UserError(f"{file} is empty. Fetch it again.")
    suffix = file.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return read_array_file(file, split)
    if suffix == ".txt":
        return read_labelled_pictures(file)
    if is_idx(file) or "ubyte" in file.name:
        return read_idx(file)
    raise UserError(
        f"{file} is of no known format. Known are IDX (plain or .gz), {', '.join(ARRAY_SUFFIXES)}, and a .txt with "
        "lines 'filename label'."
    )


def _fits(path: Path, split: str) -> bool:
    """Whether the name of a file, or of the folder of a label file, speaks of no split or of this one."""
    named = _named(path)
    if not named and path.suffix.lower() == ".txt":
        named = _named(path.parent)  # labels.txt among the pictures of mnist_m_train
    return not named or split in named


def _named(path: Path) -> set[str]:
    words = re.split(r"[^a-z0-9]+", path.name.lower())
    return {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}


def _find(folder: Path, split: str) -> Path:
    """The file to read for a split in a folder."""
    images = find_idx(folder, split)
    if images is not None:
        return images
    beside = folder.parent / f"{folder.name}_labels.txt"
    lists = [beside] if beside.is_file() else sorted(folder.glob("*labels.txt"))
    arrays = sorted(file for file in folder.iterdir() if file.suffix.lower() in ARRAY_SUFFIXES)
    for found in (lists, arrays):
        fitting = [file for file in found if _fits(file, split)]
        if len(fitting) > 1:
            names = ", ".join(file.name for file in fitting[:5])
            raise UserError(f"{folder} holds {len(fitting)} files of digits: {names}. Point at one of them.")
        if found:
            # One that does not fit is named in the message of the caller.
            return (fitting or found)[0]
    raise UserError(
        f"{folder} holds no {split} digits. Looked for {'t10k' if split == 'test' else split}-images-idx3-ubyte(.gz), "
        f"*{split}_labels.txt, {folder.name}_labels.txt beside it, and {', '.join('*' + s for s in ARRAY_SUFFIXES)}."
    )
