"""Python objects inside an HDF5 file, which would run code as they are read."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.io.hdf5_files import open_hdf5

__all__ = ["pickled_code"]

#: The ways in which a pickle comes to anything of Python's but plain values (pickle.Unpickler.find_class).
_LOOKUPS = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


def pickled_code(path: Path) -> str:
    """Where a file has what PyTables would unpickle and what is more than plain values.

    PyTables, by which pandas reads HDF5, unpickles every attribute of bytes that end in a full stop
    (tables 3.11, attributeset.py, AttributeSet.__getattr__) and the rows of arrays of objects.

    Args:
        path: an HDF5 file.

    Returns:
        The name of the first such place, empty if there is none.

    """
    with open_hdf5(path, "deeplabcut") as file:
        entries: list[tuple[str, Any]] = [("/", file)]
        file.visititems(lambda name, entry: entries.append((name, entry)))
        for name, entry in entries:
            if any(_is_code(text) for text in _texts(entry)):
                return name
    return ""


def _texts(entry: Any) -> Iterator[bytes]:
    for value in entry.attrs.values():
        text = value.tobytes() if isinstance(value, np.ndarray | np.generic) else value
        if isinstance(text, bytes) and text.rstrip(b"\0").endswith(b"."):
            yield text
    if bytes(entry.attrs.get("PSEUDOATOM", b"")) == b"object":
        yield from (bytes(np.asarray(row)) for row in entry[()])


def _is_code(text: bytes) -> bool:
    try:
        return any(opcode.name in _LOOKUPS for opcode, _, _ in pickletools.genops(text))
    except Exception:  # no pickle beyond this place, and nothing before it looks anything up
        return False
