"""Stored values of one frame of a DICOM image, whatever its transfer syntax."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage, generate_uid

from monai_degia.data.xray.files import XRayFileError, numbers

__all__ = ["stored_values"]

_FORM = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


def stored_values(dataset: FileDataset, name: str, frame: int = 0) -> np.ndarray:
    """Decode one frame to the numbers that the file stores, before any look-up table, rescaling or inversion.

    pydicom unpacks native and run-length coded pixels, and unused bits, where old files keep overlays, are cut off.
    GDCM, through SimpleITK, decodes the JPEG family, 12-bit lossy JPEG included. It would rescale the values and
    invert MONOCHROME1 by the header, so it is given a temporary file with the coded pixels and a bare header instead.

    Args:
        dataset: a grey image.
        name: of the file, for the message.
        frame: which frame, from 0.

    Returns:
        Integers of shape (rows, columns).

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
        values = (_unpack(dataset) if by_pydicom else _decode_by_gdcm(dataset)).reshape(shape)[frame]
    except Exception as error:  # decoders raise whatever their libraries raise
        reason = (str(error).strip().splitlines() or [""])[-1]
        raise XRayFileError(
            f"{name}: the pixels ({syntax.name}) cannot be decoded: {reason.strip()[:200]} "
            "The file may be cut short; otherwise convert it to an uncompressed transfer syntax."
        ) from error
    return _used_bits(values, dataset) if by_pydicom else values.astype(np.int64)


def _decode_by_gdcm(dataset: FileDataset) -> np.ndarray:
    uid = generate_uid()
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # set when written
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, uid
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare = FileDataset("", {}, preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, uid
    bare.PhotometricInterpretation = "MONOCHROME2"
    for keyword in (*_FORM, "NumberOfFrames"):
        if dataset.get(keyword) is not None:
            setattr(bare, keyword, dataset.get(keyword))
    bare["PixelData"] = dataset["PixelData"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frames.dcm"
        pydicom.dcmwrite(path, bare)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"))


def _unpack(dataset: FileDataset) -> np.ndarray:
    # Some versions of pydicom clear unused bits, which they count from bit 0 whatever HighBit says.
    bits, dataset.BitsStored = dataset.BitsStored, dataset.BitsAllocated
    try:
        return dataset.pixel_array
    finally:
        dataset.BitsStored = bits


def _used_bits(values: np.ndarray, dataset: FileDataset) -> np.ndarray:
    bits = int(dataset.BitsStored)
    high = dataset.get("HighBit")
    shift = 0 if high is None else max(int(high) + 1 - bits, 0)
    used = (values.astype(np.int64) >> shift) & ((1 << bits) - 1)
    if not dataset.PixelRepresentation:
        return used
    sign = 1 << (bits - 1)
    return (used ^ sign) - sign
