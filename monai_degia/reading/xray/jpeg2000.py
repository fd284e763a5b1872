"""JPEG 2000 streams decoded at a fraction of their size: only the wavelet's coarse levels are unpacked."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from pydicom.uid import UID, JPEG2000TransferSyntaxes

from monai_degia.reading.xray.jpeg2000_process import decode_levels

__all__ = ["CodeStream", "decode_reduced", "is_jpeg2000", "read_header"]

_START_AND_SIZE, _CODING_STYLE = b"\xff\x4f\xff\x51", b"\xff\x52"  # SOC with SIZ; COD


class CodeStream(NamedTuple):
    """What the main header of a code stream says (ISO/IEC 15444-1, A.5.1 and A.6.1)."""

    size: tuple[int, int]
    """Rows and columns."""
    components: int
    bits: int
    """Of a value, 1 to 38."""
    signed: bool
    levels: int
    """Times that the wavelet halved the sides."""


def is_jpeg2000(syntax: UID) -> bool:
    """Whether a transfer syntax holds JPEG 2000 code streams."""
    return syntax in JPEG2000TransferSyntaxes


def read_header(coded: bytes) -> CodeStream | None:
    """Read the main header.

    Args:
        coded: the code stream, without the boxes of a JP2 file.

    Returns:
        The header, or None if it is another kind of stream or damaged.

    """
    style = coded.find(_CODING_STYLE, 4)
    if not coded.startswith(_START_AND_SIZE) or style < 0 or len(coded) < max(style + 10, 43):
        return None
    # SIZ: length 2, capabilities 2, then the far and near edge of the image, both x before y.
    right, bottom, left, top = (int.from_bytes(coded[at : at + 4], "big") for at in (8, 12, 16, 20))
    if min(right - left, bottom - top) < 1 or left or top:
        return None  # an offset shifts the places of coarse samples; no radiograph has one
    depth = coded[42]
    return CodeStream(
        size=(bottom, right),
        components=int.from_bytes(coded[40:42], "big"),
        bits=(depth & 0x7F) + 1,
        signed=depth > 0x7F,
        levels=coded[style + 9],
    )


def decode_reduced(coded: bytes, min_side: int) -> tuple[np.ndarray, int] | None:
    """Decode a grey stream with as few pixels as leave the longer side at least so long.

    A value of a coarse level lies where the first pixel of its block lay, for the wavelet's filters are symmetric about
    that. Interpolation moves it to the middle of the block, where the pixels of other reduced images are.

    Args:
        coded: the code stream of one frame.
        min_side: pixels that the longer side shall keep.

    Returns:
        Integers (rows, columns) on the scale of the whole image, and the step s: value k of a line belongs to the place
        (k + 0.5) * s - 0.5. None if nothing can be left out, or the stream is not one that this can decode. Values of
        coarse levels overshoot at sharp edges.

    """
    header = read_header(coded)
    if header is None or header.components != 1 or not 8 < header.bits <= 16 or header.signed:
        return None
    halvings = min(int(math.log2(max(1.0, max(header.size) / min_side))), header.levels)
    if halvings < 1:
        return None
    # Pillow moves the stream's bits to the top of 16.
    values = decode_levels(coded, halvings)
    return _to_middle(values >> (16 - header.bits), 2**halvings), 2**halvings


def _to_middle(values: np.ndarray, step: int) -> np.ndarray:
    """Move values from the first pixels of blocks to their middles, (step - 1) / 2 pixels on; the edge is repeated."""
    share = (step - 1) / (2 * step)
    moved = values.astype(np.float64)
    for axis in (0, 1):
        following = np.concatenate([moved, moved.take([-1], axis)], axis).take(range(1, moved.shape[axis] + 1), axis)
        moved = (1 - share) * moved + share * following
    return moved.round().astype(values.dtype)
