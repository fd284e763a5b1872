"""What a coded frame says of itself: its size, its channels and its bits, whatever the DICOM header says."""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["StreamForm", "stream_form"]

_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, but DHT, JPG and DAC; JPEG-LS
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_JPEG_LS, _JPEG_2000 = 0xF7, b"\xff\x4f\xff\x51"


class StreamForm(NamedTuple):
    """Form of a coded frame."""

    rows: int
    columns: int
    channels: int
    bits: int
    """Of a value."""
    kind: str
    """``JPEG``, ``JPEG-LS`` or ``JPEG 2000``."""


def stream_form(coded: bytes) -> StreamForm | None:
    """Read the header of a JPEG (ITU-T T.81 B.2.2), JPEG-LS (T.87 C.2.2) or JPEG 2000 (T.800 A.5.1) stream.

    Args:
        coded: one frame.

    Returns:
        Its form, None if it is another kind of stream or damaged.

    """
    if coded.startswith(b"\xff\xd8"):
        return _jpeg(coded)
    start = coded.find(_JPEG_2000, 0, 4096)  # some writers leave the boxes of a JP2 file around it
    if start < 0 or len(coded) < start + 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", coded[start + 8 : start + 24])
    (channels,) = struct.unpack(">H", coded[start + 40 : start + 42])
    return StreamForm(bottom - top, right - left, channels, (coded[start + 42] & 0x7F) + 1, "JPEG 2000")


def _jpeg(coded: bytes) -> StreamForm | None:
    place = 2
    while place + 4 <= len(coded):
        if coded[place] != 0xFF:
            return None
        marker = coded[place + 1]
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", coded[place + 2 : place + 4])
        if marker in _FRAME_MARKERS and place + 10 <= len(coded):
            bits, rows, columns, channels = struct.unpack(">BHHB", coded[place + 4 : place + 10])
            return StreamForm(rows, columns, channels, bits, "JPEG-LS" if marker == _JPEG_LS else "JPEG")
        place += 2 + length
    return None
