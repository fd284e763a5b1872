"""Digits in files of named arrays: NumPy's .npz, MATLAB's .mat and HDF5."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.digits.images import DigitImages, digit_images
from monai_degia.errors import UserError
from monai_degia.io.hdf5_files import open_hdf5
from monai_degia.io.mat_files import read_mat

__all__ = ["ARRAY_SUFFIXES", "read_array_file"]

ARRAY_SUFFIXES = (".npz", ".mat", ".h5", ".hdf5")
# Names of images and labels, those of a split before those of a file that holds one part only.
_PAIRS = (
    ("{}_images", "{}_labels"),
    ("{}_images", "{}_label"),
    ("{}_data", "{}_label"),
    ("x_{}", "y_{}"),
    ("X_{}", "y_{}"),
    ("{}", "label_{}"),
    ("{}/data", "{}/target"),
    ("{}/images", "{}/labels"),
    ("images", "labels"),
    ("data", "target"),
)
_PARTS = ("train", "test")


def read_array_file(path: Path, split: str) -> DigitImages:
    """Read digits from a file of named arrays.

    Known are ``images`` and ``labels``; ``test_images`` and ``test_labels``; ``x_test`` and ``y_test``; ``test`` and
    ``label_test``; ``test_data`` and ``test_label``; in HDF5 groups ``test`` with ``data`` and ``target``; in MATLAB
    files SVHN's ``X`` (H, W, C, N) with ``y``, where 10 stands for 0, and a 2 x 2 cell ``dataset`` with a row
    (images, labels) for training and one for test.

    Args:
        path: ``.npz``, ``.mat`` (up to version 7) or ``.h5``/``.hdf5``, which needs h5py.
        split: ``train`` or ``test``.

    Returns:
        Images and labels.

    Raises:
        ValueError: if the file cannot be read, holds pickled objects or no such arrays, or they do not fit.
        ImportError: if h5py is needed and missing.

    """
    opener = {".npz": _npz, ".mat": _mat}.get(path.suffix.lower(), _h5)
    with opener(path) as arrays:
        image_key, label_key = _pair(path, arrays, split)
        images, labels = _load(path, arrays, image_key), _load(path, arrays, label_key)
    return digit_images(images, labels, f"{path} ({image_key}, {label_key})")


def _pair(path: Path, keys: Collection[str], split: str) -> tuple[str, str]:
    pairs = [(images.format(split), labels.format(split)) for images, labels in _PAIRS]
    for images, labels in pairs:
        if images in keys and labels in keys:
            return images, labels
    wanted = "; ".join(f"{images}, {labels}" for images, labels in pairs)
    raise UserError(
        f"{path} holds no {split} digits under a known name. It has: {', '.join(sorted(keys)) or 'nothing'}. "
        f"Known are {wanted}. Rename the arrays or choose the other split."
    )


def _load(path: Path, arrays: Mapping[str, Any], key: str) -> np.ndarray:
    try:
        return np.asarray(arrays[key])
    except Exception as error:  # each library has its own
        pickled = isinstance(error, ValueError) and "pickle" in str(error)
        reason = "holds pickled Python objects, which are never loaded" if pickled else f"cannot be read ({error})"
        raise UserError(f"{path}: array {key!r} {reason}. Store plain arrays of numbers.") from error


@contextmanager
def _npz(path: Path) -> Iterator[Mapping[str, Any]]:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz archive, or truncated. Write it with numpy.savez.")
    try:
        arrays = np.load(path, allow_pickle=False)
    except Exception as error:  # of a damaged directory, whatever zipfile raises
        raise UserError(f"{path} is no .npz archive, or damaged ({error}). Write it with numpy.savez.") from error
    with arrays:
        yield arrays


@contextmanager
def _mat(path: Path) -> Iterator[Mapping[str, Any]]:
    yield _flat(path, read_mat(path))


def _flat(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The layouts that only MATLAB files have, as named arrays."""
    cells = content.get("dataset")
    if isinstance(cells, np.ndarray) and cells.dtype == object and cells.shape == (2, 2):
        for part, (images, labels) in zip(_PARTS, cells, strict=True):
            content |= {f"{part}_images": images, f"{part}_labels": labels}
    elif {"X", "y"} <= set(content) and content["X"].ndim == 4:
        labels = content["y"]
        if (labels == 10).any() and (labels == 0).any():
            raise UserError(f"{path}: y holds both 0 and 10, where 10 stands for 0. Correct the labels.")
        content |= {"images": content["X"].transpose(3, 0, 1, 2), "labels": np.where(labels == 10, 0, labels)}
    elif {"fea", "gnd"} <= set(content):
        raise UserError(
            f"{path} has fea and gnd, which do not say whether images run along rows or columns, nor which class is 0. "
            "Save images (N, H, W) and labels 0 to 9 as .npz, or use USPS as .h5 or with the cell 'dataset'."
        )
    return content


@contextmanager
def _h5(path: Path) -> Iterator[Mapping[str, Any]]:
    with open_hdf5(path, "digits") as file:
        names: list[str] = []
        file.visit(names.append)
        yield {name: file[name] for name in names if hasattr(file[name], "dtype")}
