"""Files that are written whole or not at all, and their names as text."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["printable", "whole_file"]


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    The folder is made if missing. The temporary name keeps the suffix, which many writers read the format from, and is
    short whatever the name is: that one may have all the characters that a disk allows.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def printable(name: str) -> str:
    """A file name as text that every file and terminal takes: bytes of a name that are not UTF-8 become escapes.

    Args:
        name: as the operating system gives it.

    Returns:
        The same for all names in UTF-8.

    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
