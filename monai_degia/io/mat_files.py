"""MATLAB files, read in a process of their own: SciPy's reader can take its process down on damaged ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.errors import UserError
from monai_degia.io.own_process import answer_of_process

__all__ = ["read_mat"]

#: Plain arrays come back as they are, cells as lists of them; nothing is pickled, so that a reader gone wrong cannot
#: speak through it.
_CHILD = """
import json
import numpy as np
from scipy.io import loadmat

path, out, names = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
arrays = {}

def packed(value):
    value = np.asarray(value)
    if value.dtype == object:
        return {"shape": value.shape, "cells": [packed(cell) for cell in value.reshape(-1)]}
    if value.dtype.hasobject:
        return None
    arrays[f"a{len(arrays)}"] = value
    return f"a{len(arrays) - 1}"

try:
    content = loadmat(path, variable_names=names)
    told = {key: packed(value) for key, value in content.items() if not key.startswith("__")}
    np.savez(out, **arrays)
except BaseException as error:
    told = {"__error__": [type(error).__name__, str(error)]}
print(json.dumps(told))
"""


def read_mat(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file up to version 7.

    Args:
        path: of the file.
        names: variables to read; default: all. Structures are left out.

    Returns:
        Name to array; a cell array is one of objects, each an array.

    Raises:
        ValueError: if the file cannot be read, be it that the reader does not survive it.

    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="landmarks_mat_") as folder:
        out = Path(folder) / "arrays.npz"
        wanted = None if names is None else list(names)
        failing = f"{path} is no MATLAB file, or damaged"
        told = json.loads(answer_of_process(_CHILD, str(path), str(out), json.dumps(wanted), failing=failing))
        if "__error__" in told:
            kind, reason = told["__error__"]
            if kind == "NotImplementedError":
                raise UserError(f"{path} is a MATLAB 7.3 file. Save it with -v7, or as .npz or .h5.")
            raise UserError(f"{path} is no MATLAB file, or truncated ({kind}: {reason}).")
        with np.load(out, allow_pickle=False) as arrays:
            found = {name: _unpacked(value, arrays) for name, value in told.items()}
    return {name: value for name, value in found.items() if value is not None}


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    if value is None:
        return None
    if isinstance(value, str):
        return arrays[value]
    cells = np.empty(len(value["cells"]), dtype=object)
    for index, cell in enumerate(value["cells"]):
        cells[index] = _unpacked(cell, arrays)
    return cells.reshape(value["shape"])
