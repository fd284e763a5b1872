"""Stored values of one frame of a DICOM image, whatever its transfer syntax."""

from __future__ import annotations

import logging
import re
from itertools import islice

import numpy as np
import pydicom
import pydicom.encaps
from pydicom.dataset import FileDataset
from pydicom.uid import UID, RLELossless

from monai_degia.errors import UserError
from monai_degia.reading.limits import DEFAULT_LIMITS, Limits
from monai_degia.reading.xray.decoding import JPEG_XL, decode_frame
from monai_degia.reading.xray.files import PALETTE, XRayFileError, colour_error, syntax_name
from monai_degia.reading.xray.jpeg2000 import decode_reduced, is_jpeg2000, read_header
from monai_degia.reading.xray.native import look_up_colours, unpack_frame
from monai_degia.reading.xray.streams import StreamForm, stream_form
from monai_degia.reading.xray.values import numbers

__all__ = ["stored_values"]

_logger = logging.getLogger(__name__)
_ITK_OBJECT = re.compile(r"(ITK ERROR: )?\w+\(0x[0-9a-f]+\): ")  # tells another address in each run
_NEARLY_GREY = 2 / 255  # of the range: what lossy compression of grey makes of three equal channels


def stored_values(
    dataset: FileDataset,
    name: str,
    frame: int = 0,
    min_side: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[np.ndarray, int]:
    """Decode one frame to the numbers that the file stores, before any look-up table, rescaling or inversion.

    pydicom unpacks native and run-length coded pixels, :func:`monai_degia.reading.xray.decoding.decode_frame` the rest.
    Unused bits, where old files keep overlays, are cut off. A JPEG 2000 or JPEG-LS stream of more bits than the header
    says keeps them, and ``BitsStored`` is corrected. Of three channels that are equal, up to 2 levels of 255, the
    second is taken, and so of a palette's colours.

    Args:
        dataset: an image, checked by :func:`monai_degia.reading.xray.files.check_xray`.
        name: of the file, for the message.
        frame: which frame, from 0.
        min_side: pixels of the longer side that are enough: a JPEG 2000 stream of 9 to 16 bits is decoded at a half, a
            quarter and so on of its sides as long as they are left. ``None`` decodes all.
        limits: of what may be decoded.

    Returns:
        Integers of shape (rows, columns), and the step s, 1 unless less was decoded: value k of a line belongs to the
        place (k + 0.5) * s - 0.5 of the file's.

    Raises:
        XRayFileError: if the pixels cannot be decoded, are in colour, or there is no such frame.
        TooLargeError: if there are too many.

    """
    shape = (int((numbers(dataset, "NumberOfFrames") or [1])[0]) or 1, int(dataset.Rows), int(dataset.Columns))
    if not 0 <= frame < shape[0]:
        raise XRayFileError(f"{name} has {shape[0]} frame(s), frame {frame} was asked for. Count from 0.")
    if "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = shape[0]  # as it is understood here, where it is no number
    limits.check_pixels(name, shape[1:], int(dataset.BitsAllocated) / 8 * int(dataset.SamplesPerPixel))
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise XRayFileError(f"{name} does not say its transfer syntax (0002,0010). Export the file anew.")
    if not _is_known(syntax):
        raise XRayFileError(
            f"{name}: its transfer syntax ({syntax_name(syntax)}) is none of DICOM that can be read. Convert it to an "
            "uncompressed one, such as Explicit VR Little Endian."
        )
    try:
        if syntax not in JPEG_XL and (not syntax.is_compressed or syntax == RLELossless):
            values, step, high_bit = unpack_frame(dataset, shape, frame), 1, numbers(dataset, "HighBit")
        else:
            values, step = _decode(dataset, _coded_frame(dataset, shape[0], frame), syntax, name, min_side)
            high_bit = []  # a codec knows of no bits above those stored
    except UserError as error:
        raise type(error)(str(error)) if str(error).startswith(name) else _undecodable(name, syntax, error) from error
    except Exception as error:  # decoders raise whatever their libraries raise
        raise _undecodable(name, syntax, error) from error
    if values.ndim == 3:
        values = _one_channel(values, int(dataset.BitsStored), name)
    values = values if step > 1 else _used_bits(values, dataset, high_bit)
    return (_grey_of_palette(values, dataset, name) if dataset.PhotometricInterpretation == PALETTE else values), step


def _is_known(syntax: UID) -> bool:
    try:
        return syntax in JPEG_XL or bool(syntax.is_transfer_syntax and not syntax.is_private)
    except ValueError:  # no transfer syntax
        return False


def _undecodable(name: str, syntax: UID, error: Exception) -> XRayFileError:
    # Other words than those of decoders and our own may quote a value of the header.
    text = str(error) if isinstance(error, (UserError, RuntimeError)) or "bytes" in str(error) else ""
    reason = _ITK_OBJECT.sub("", (text.strip().splitlines() or [f"{type(error).__name__}."])[-1]).strip()[:200]
    return XRayFileError(
        f"{name}: the pixels ({syntax_name(syntax)}) cannot be decoded: {reason.rstrip('.')}. "
        "The file may be cut short; otherwise convert it to an uncompressed transfer syntax."
    )


def _decode(dataset: FileDataset, coded: bytes, syntax: UID, name: str, min_side: int | None) -> tuple[np.ndarray, int]:
    shape, form = (int(dataset.Rows), int(dataset.Columns)), stream_form(coded)
    if form is not None:
        if form.rows and (form.rows, form.columns) != shape:
            raise UserError(f"they are {(form.rows, form.columns)} rows and columns where the header says {shape}.")
        if form.channels != dataset.SamplesPerPixel:
            raise UserError(f"they have {form.channels} channels where the header says {dataset.SamplesPerPixel}.")
    header_bits = int(dataset.BitsStored)
    more_bits = form is not None and form.kind != "JPEG" and header_bits < form.bits <= 16
    if more_bits and form is not None:
        _set_bits(dataset, form.bits)
    if min_side is not None and is_jpeg2000(syntax) and (found := _decode_reduced(dataset, coded, min_side)):
        values, step = found
    else:
        values, step = decode_frame(dataset, coded, syntax), 1
        if values.shape[:2] != shape:
            raise UserError(f"they are {values.shape} rows and columns where the header says {shape}.")
    if more_bits and form is not None:
        _choose_bits(dataset, values, header_bits, form, name)
    return (values.clip(max=(1 << int(dataset.BitsStored)) - 1), step) if step > 1 else (values, 1)


def _set_bits(dataset: FileDataset, bits: int) -> None:
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.BitsAllocated = max(int(dataset.BitsAllocated), 8 if bits <= 8 else 16)


def _choose_bits(dataset: FileDataset, values: np.ndarray, header_bits: int, form: StreamForm, name: str) -> None:
    """Believe the stream's bits, unless it codes a whole word above whose stored bits something else lies."""
    if form.bits in (8, 16) and not _wraps(values, header_bits):
        _set_bits(dataset, header_bits)
        return
    _logger.warning(
        "%s: its %s stream has %d bits where the header says %d: the stream is believed.",
        *(name, form.kind, form.bits, header_bits),
    )


def _wraps(values: np.ndarray, bits: int) -> bool:
    """Whether a picture becomes much rougher if its higher bits are cut off, as one does that needs them."""
    whole = values.astype(np.int64)
    cut = whole & ((1 << bits) - 1)
    if np.array_equal(whole, cut):
        return False
    rough = [np.abs(np.diff(v, axis=1)).mean() / max(1, int(np.ptp(v))) for v in (whole, cut)]
    return bool(rough[1] > 2 * rough[0])


def _decode_reduced(dataset: FileDataset, coded: bytes, min_side: int) -> tuple[np.ndarray, int] | None:
    header = read_header(coded)
    if header is None or header.size != (dataset.Rows, dataset.Columns) or dataset.PixelRepresentation:
        return None
    try:
        return decode_reduced(coded, min_side)
    except Exception:  # Pillow is stricter than GDCM about damaged streams, which then has its try
        return None


def _coded_frame(dataset: FileDataset, count: int, frame: int) -> bytes:
    """The whole code stream of a frame, which may be cut into fragments."""
    coded = dataset.PixelData
    if not hasattr(pydicom.encaps, "generate_frames"):  # before pydicom 3
        return list(pydicom.encaps.generate_pixel_data_frame(coded, count))[frame]
    tables = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    offsets = tables if all(tables) else None
    frames = pydicom.encaps.generate_frames(coded, number_of_frames=count, extended_offsets=offsets)
    return next(islice(frames, frame, None))


def _one_channel(values: np.ndarray, bits: int, name: str) -> np.ndarray:
    channels = values.astype(np.int64)
    if int((channels.max(-1) - channels.min(-1)).max()) > max(2, round(_NEARLY_GREY * ((1 << bits) - 1))):
        raise colour_error(name)
    _logger.info("%s keeps grey in three equal channels: one is taken.", name)
    return np.ascontiguousarray(values[..., 1])


def _grey_of_palette(values: np.ndarray, dataset: FileDataset, name: str) -> np.ndarray:
    try:
        colours = look_up_colours(values, dataset)
    except Exception:  # a palette that is not there, or damaged
        raise colour_error(name) from None
    _set_bits(dataset, 8 * colours.itemsize)
    dataset.PixelRepresentation = 0
    return _one_channel(colours, 8 * colours.itemsize, name)


def _used_bits(values: np.ndarray, dataset: FileDataset, high_bit: list[float]) -> np.ndarray:
    bits, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    shift = max(int(high_bit[0]) + 1 - bits, 0) if high_bit else 0
    if not np.issubdtype(values.dtype, np.integer):
        values = values.astype(np.int64)
    whole = values.astype(values.dtype.newbyteorder("="), copy=False)
    unsigned, bits = whole.view(f"u{whole.itemsize}"), min(bits, 8 * whole.itemsize)
    # In the type of the file: a wider one would be written and read four times.
    if shift or bits < 8 * unsigned.itemsize:
        unsigned = (unsigned >> shift) & ((1 << bits) - 1)
    if not signed:
        return unsigned
    sign = 1 << (bits - 1)
    return (unsigned.astype(np.int64) ^ sign) - sign
