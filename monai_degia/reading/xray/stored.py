"""Stored values of one frame of a DICOM image, whatever its transfer syntax."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import pydicom.encaps
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage, generate_uid

from monai_degia.errors import UserError
from monai_degia.reading.xray.files import XRayFileError, numbers
from monai_degia.reading.xray.jpeg2000 import decode_reduced, is_jpeg2000, read_header

__all__ = ["stored_values"]

_FORM = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
_ITK_OBJECT = re.compile(r"(ITK ERROR: )?\w+\(0x[0-9a-f]+\): ")  # tells another address in each run


def stored_values(
    dataset: FileDataset, name: str, frame: int = 0, min_side: int | None = None
) -> tuple[np.ndarray, int]:
    """Decode one frame to the numbers that the file stores, before any look-up table, rescaling or inversion.

    pydicom unpacks native and run-length coded pixels. GDCM, through SimpleITK, decodes the JPEG family, 12-bit lossy
    JPEG included. It would rescale the values and invert MONOCHROME1 by the header, and not put together a frame that
    is cut into fragments, so it is given a temporary file with that frame in one piece and a bare header instead.
    Unused bits, where old files keep overlays, are cut off.

    Args:
        dataset: a grey image.
        name: of the file, for the message.
        frame: which frame, from 0.
        min_side: pixels of the longer side that are enough: a JPEG 2000 stream of 9 to 16 bits is decoded at a half, a
            quarter and so on of its sides as long as they are left. ``None`` decodes all.

    Returns:
        Integers of shape (rows, columns), and the step s, 1 unless less was decoded: value k of a line belongs to the
        place (k + 0.5) * s - 0.5 of the file's.

    Raises:
        XRayFileError: if the pixels cannot be decoded or there is no such frame.

    """
    shape = (int((numbers(dataset, "NumberOfFrames") or [1])[0]) or 1, int(dataset.Rows), int(dataset.Columns))
    if not 0 <= frame < shape[0]:
        raise XRayFileError(f"{name} has {shape[0]} frame(s), frame {frame} was asked for. Count from 0.")
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise XRayFileError(f"{name} does not say its transfer syntax (0002,0010). Export the file anew.")
    by_pydicom = not syntax.is_compressed or syntax == RLELossless
    try:
        if by_pydicom:
            return _used_bits(_unpack(dataset).reshape(shape)[frame], dataset, numbers(dataset, "HighBit")), 1
        coded = _coded_frame(dataset, shape[0], frame)
        if min_side is not None and is_jpeg2000(syntax) and (found := _decode_reduced(dataset, coded, min_side)):
            return found
        values = _decode_by_gdcm(dataset, coded)
        values = values[0] if values.ndim == 3 else values
        if values.shape != shape[1:]:
            raise UserError(f"they are {values.shape} rows and columns where the header says {shape[1:]}.")
        return _used_bits(values, dataset, []), 1  # a codec knows of no bits above those stored
    except Exception as error:  # decoders raise whatever their libraries raise
        reason = _ITK_OBJECT.sub("", (str(error).strip().splitlines() or [""])[-1])
        raise XRayFileError(
            f"{name}: the pixels ({syntax.name}) cannot be decoded: {reason.strip()[:200]} "
            "The file may be cut short; otherwise convert it to an uncompressed transfer syntax."
        ) from error


def _decode_reduced(dataset: FileDataset, coded: bytes, min_side: int) -> tuple[np.ndarray, int] | None:
    header = read_header(coded)
    if header is None or header.size != (dataset.Rows, dataset.Columns) or dataset.PixelRepresentation:
        return None
    try:
        found = decode_reduced(coded, min_side)
    except Exception:  # Pillow is stricter than GDCM about damaged streams, which then has its try
        return None
    if found is None:
        return None
    values, step = found
    return values.clip(max=(1 << int(dataset.BitsStored)) - 1), step


def _coded_frame(dataset: FileDataset, count: int, frame: int) -> bytes:
    """The whole code stream of a frame, which may be cut into fragments."""
    coded = dataset.PixelData
    if not hasattr(pydicom.encaps, "generate_frames"):  # before pydicom 3
        return list(pydicom.encaps.generate_pixel_data_frame(coded, count))[frame]
    tables = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    offsets = tables if all(tables) else None
    frames = pydicom.encaps.generate_frames(coded, number_of_frames=count, extended_offsets=offsets)
    return next(islice(frames, frame, None))


def _decode_by_gdcm(dataset: FileDataset, coded: bytes) -> np.ndarray:
    import SimpleITK  # here and not above: it takes longer to load than the rest of this package

    uid = generate_uid()
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # set when written
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, uid
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare = FileDataset("", {}, preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, uid
    bare.PhotometricInterpretation = "MONOCHROME2"
    for keyword in _FORM:
        if dataset.get(keyword) is not None:
            setattr(bare, keyword, dataset.get(keyword))
    bare.add_new("PixelData", "OB", pydicom.encaps.encapsulate([coded]))
    bare["PixelData"].is_undefined_length = True
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        pydicom.dcmwrite(path, bare)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"))


def _unpack(dataset: FileDataset) -> np.ndarray:
    # Some versions of pydicom clear unused bits, which they count from bit 0 whatever HighBit says.
    bits, dataset.BitsStored = dataset.BitsStored, dataset.BitsAllocated
    try:
        return dataset.pixel_array
    finally:
        dataset.BitsStored = bits


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
