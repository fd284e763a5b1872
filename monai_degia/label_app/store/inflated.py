"""How much a compressed file would become, counted without keeping any of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_degia.io.suffixes import is_dicom_file
from monai_degia.label_app.server.refusals import RefusedRequest

__all__ = ["check_inflated"]

_CHUNK = 1 << 20
_GZIP, _RAW = 31, -15  # zlib's window bits for a stream with the header of gzip, and for one without any
_META = 132 + 12  # bytes of preamble, mark and the element that tells the length of the file's meta information


def check_inflated(path: Path, limit: int) -> None:
    """Refuse a file that inflates to more than a limit; libraries would inflate all of it, or as much as they are told.

    Args:
        path: of NIfTI in gzip, or DICOM that is deflated as a whole; any other is left alone.
        limit: bytes.

    Raises:
        RefusedRequest: 413 if it is more, 422 if the stream is damaged.

    """
    if path.name.lower().endswith(".gz"):
        start, window = 0, _GZIP
    elif is_dicom_file(path) and (offset := _deflated_from(path)) is not None:
        start, window = offset, _RAW
    else:
        return
    size = 0
    try:
        with path.open("rb") as file:
            file.seek(start)
            for part in _inflated(file, window):
                size += part
                if size > limit:
                    raise RefusedRequest(
                        f"{path.name} inflates to more than {limit} bytes, which no image that this server takes has.",
                        413,
                    )
    except zlib.error as error:
        raise RefusedRequest(f"{path.name} cannot be read: {error}") from None


def _inflated(file: BinaryIO, window: int) -> Iterator[int]:
    """Bytes of one piece after the other, none larger than a chunk."""
    stream = zlib.decompressobj(window)
    while data := file.read(_CHUNK):
        while data:
            yield len(stream.decompress(data, _CHUNK))
            data = stream.unconsumed_tail
            if stream.eof:  # gzip may hold several streams
                if window != _GZIP or not stream.unused_data.startswith(b"\x1f"):
                    return
                data, stream = stream.unused_data, zlib.decompressobj(window)


def _deflated_from(path: Path) -> int | None:
    """Where the deflated part of a DICOM file begins; ``None`` if there is none, or the file is damaged."""
    try:
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return None
        return _META + int(meta.get("FileMetaInformationGroupLength") or 0)
    except Exception:  # no preamble, or damaged in one of many ways: for the reader to say
        return None
