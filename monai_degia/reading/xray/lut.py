"""Look-up tables of DICOM, by what they hold: their descriptors are often wrong."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

__all__ = ["LookUpTable", "usable_table"]

_logger = logging.getLogger(__name__)
_DEPTHS = (8, 10, 12, 14, 16)  # bits that makers use; a table need not reach the top of its own


class LookUpTable(NamedTuple):
    """Entries of a look-up table."""

    entries: np.ndarray
    """Int64."""
    first: int
    """Value that the first entry belongs to."""
    bits: int
    """Of the range that the entries use."""

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Entries for integers; values before the first and behind the last get those."""
        return self.entries[(values - self.first).clip(0, len(self.entries) - 1)]


def usable_table(
    items: Sequence[Dataset],
    little_endian: bool,
    implicit: bool,
    what: str,
    signed: bool | None = None,
    has_range: bool = True,
) -> LookUpTable | None:
    """The first table of a sequence that can be used; each that cannot be is passed over with a warning.

    Descriptors may announce more or fewer bits than the entries have. The entries decide: fewer bits than their highest
    value needs, or so many that they would stay below half of the range at the next usual depth, are replaced.

    Args:
        items: of a modality or VOI LUT sequence.
        little_endian: byte order of the file.
        implicit: whether the file leaves out value representations, and so the sign of the descriptor.
        what: file and table, for the log.
        signed: whether values that go in may be negative, if known.
        has_range: whether the range of the entries has a meaning, as in a VOI LUT; else it is not looked at.

    Returns:
        The table, or None.

    """
    for item in items:
        table = _table(item, little_endian, implicit, signed)
        if table is not None:
            return table._replace(bits=_depth(int(table.entries.max()), table.bits, what)) if has_range else table
    if items:
        _logger.warning("%s has no usable descriptor and data: it is passed over.", what)
    return None


def _table(item: Dataset, little_endian: bool, implicit: bool, signed: bool | None) -> LookUpTable | None:
    # pydicom's functions index 8-bit tables modulo 256 and know no 12-bit modality table.
    try:
        count, first, bits = (int(v) for v in item.LUTDescriptor)
        data = item.LUTData
    except Exception:  # missing, of another form, or of a kind that pydicom cannot convert
        return None
    count = (count & 0xFFFF) or 0x10000
    # Implicit VR does not tell the sign, which follows from the values that go in (PS3.3 C.11.2.1.1), and pydicom takes
    # that of the stored ones. Some writers give the two's complement of a negative value in explicit VR, too.
    if signed and first >= 0x8000:
        first -= 0x10000
    elif signed is False and first < 0 and implicit:
        first += 0x10000
    if isinstance(data, bytes):
        packed = len(data) in (count, count + 1) if bits > 8 else len(data) < 2 * count
        whole = data if packed else data[: len(data) // 2 * 2]
        data = np.frombuffer(whole, dtype=np.uint8 if packed else "<u2" if little_endian else ">u2")
    try:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64))[:count] & 0xFFFF
    except Exception:  # no numbers
        return None
    if len(entries) < count or entries.ndim != 1:
        return None
    return LookUpTable(entries, first, bits)


def _depth(highest: int, announced: int, what: str) -> int:
    needed = next((depth for depth in _DEPTHS if highest < 1 << depth), 16)
    fits = 1 <= announced <= 16 and highest < 1 << announced
    if fits and needed >= announced:
        return announced
    if not fits or needed < announced:
        _logger.warning("%s announces %d bits and uses %d: its own range is taken.", what, announced, needed)
    return needed
