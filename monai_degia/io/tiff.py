"""TIFF files opened as they are stored, whatever Pillow would make of two of their tags."""

from __future__ import annotations

import io
import struct
from os import PathLike
from pathlib import Path
from typing import NamedTuple

__all__ = ["StoredTiff", "stored_tiff", "tiff_orientation", "tiff_size"]

_WIDTH, _HEIGHT = 256, 257
_PHOTOMETRIC, _ORIENTATION, _MAX_SAMPLE, _BITS, _FORMAT = 262, 274, 281, 258, 339
_SHORTS = {3: "H", 4: "I"}  # SHORT and LONG, all that these tags may be
_MOST_ENTRIES = 4096


class StoredTiff(NamedTuple):
    """A TIFF whose first image says that it is upright and black is zero, and what it said before."""

    content: io.BytesIO | str
    """What Pillow shall open: a changed copy in memory, or the file itself where nothing had to be changed."""
    orientation: int
    """1 to 8 (TIFF 6.0, section 8)."""
    white: int | None
    """Highest value of a sample if white is zero; None if black is."""


def stored_tiff(path: str | PathLike[str]) -> StoredTiff:
    """Open a TIFF so that its pixels come as they are stored.

    Pillow turns a TIFF while it loads it, which puts the strips of an uncompressed one together wrongly when a quarter
    turn is asked for, and no longer tells the tag afterwards. It turns white-is-zero over at 8 bits and not at 16. So
    both tags are rewritten in a copy before Pillow sees them.

    Args:
        path: of the file; one that is no TIFF, or damaged, is left to Pillow.

    Returns:
        What to open, and the two tags.

    """
    entries = _first_entries(path)
    orientation, white = entries.get(_ORIENTATION, (1, 0, ""))[0], _white(entries)
    if orientation in (0, 1) and white is None:
        return StoredTiff(str(path), 1, None)
    content = bytearray(Path(path).read_bytes())
    for tag, value in ((_ORIENTATION, 1), (_PHOTOMETRIC, 1)):
        if tag in entries and (tag == _ORIENTATION or white is not None):
            _, place, form = entries[tag]
            content[place : place + struct.calcsize(form)] = struct.pack(form, value)
    return StoredTiff(io.BytesIO(bytes(content)), orientation if 1 <= orientation <= 8 else 1, white)


def tiff_orientation(path: str | PathLike[str]) -> int:
    """Orientation tag of a file, 1 to 8; 1 where it has none, or is no TIFF."""
    value = _first_entries(path).get(_ORIENTATION, (1, 0, ""))[0]
    return value if 1 <= value <= 8 else 1


def tiff_size(path: str | PathLike[str]) -> tuple[int, int] | None:
    """(Width, height) as a file stores its pixels, which Pillow exchanges where they lie sideways; None if no TIFF."""
    entries = _first_entries(path)
    return (entries[_WIDTH][0], entries[_HEIGHT][0]) if _WIDTH in entries and _HEIGHT in entries else None


_Entry = tuple[int, int, str]  # value, its place in the file, its form


def _first_entries(path: str | PathLike[str]) -> dict[int, _Entry]:
    with open(path, "rb") as file:
        head = file.read(16)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return {}
        try:
            return _entries(file, head)
        except struct.error:  # cut short
            return {}


def _entries(file: io.BufferedReader, head: bytes) -> dict[int, _Entry]:
    """First value of each tag of whole numbers in the first directory (TIFF 6.0, section 2; BigTIFF)."""
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (start,) = struct.unpack(f"{order}{'Q' if big else 'I'}", head[8:16] if big else head[4:8])
    file.seek(start)
    counter = f"{order}{'Q' if big else 'H'}"
    (count,) = struct.unpack(counter, file.read(struct.calcsize(counter)))
    size, found = 20 if big else 12, {}
    for index in range(min(count, _MOST_ENTRIES)):
        place = start + struct.calcsize(counter) + size * index
        file.seek(place)
        tag, kind, number, value = struct.unpack(f"{order}HHQQ" if big else f"{order}HHII", file.read(size))
        if kind not in _SHORTS:
            continue
        form, at = f"{order}{_SHORTS[kind]}", place + size - (8 if big else 4)
        if number * struct.calcsize(form) > (8 if big else 4):
            at = value  # the values lie elsewhere
        file.seek(at)
        (first,) = struct.unpack(form, file.read(struct.calcsize(form)))
        found[tag] = (first, at, form)
    return found


def _white(entries: dict[int, _Entry]) -> int | None:
    """Highest value of grey whole numbers of 16 bits at most where white is zero."""
    if entries.get(_PHOTOMETRIC, (1, 0, ""))[0] != 0 or entries.get(_FORMAT, (1, 0, ""))[0] not in (1, 2):
        return None
    bits = entries.get(_BITS, (1, 0, ""))[0]
    if bits > 16:
        return None
    stated = entries.get(_MAX_SAMPLE, (0, 0, ""))[0]
    return stated if 1 < stated < 1 << bits else (1 << bits) - 1
