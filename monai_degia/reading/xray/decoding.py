"""Decoders of coded frames: GDCM, and where it knows no way, what else is installed."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import pydicom.encaps
from monai.utils import optional_import
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, SecondaryCaptureImageStorage, generate_uid

from monai_degia.errors import UserError

__all__ = ["JPEG_XL", "decode_frame"]

JPEG_XL = ("1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112")
_HIGH_THROUGHPUT = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_COLOUR_BY_STREAM = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", *_HIGH_THROUGHPUT)
_FORM = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")

imagecodecs, _has_imagecodecs = optional_import("imagecodecs")


def decode_frame(dataset: FileDataset, coded: bytes, syntax: UID) -> np.ndarray:
    """Decode one frame to the numbers that it stores, before any look-up table, rescaling or inversion.

    GDCM, through SimpleITK, decodes the JPEG family, 12-bit lossy JPEG included. It would rescale the values and invert
    MONOCHROME1 by the header, and not put together a frame that is cut into fragments, so it is given a temporary file
    with that frame in one piece and a bare header instead. Pillow decodes colour, by what the stream says of it, and
    high-throughput JPEG 2000; imagecodecs, where it is installed, JPEG XL.

    Args:
        dataset: header of the image.
        coded: the whole stream of the frame.
        syntax: its transfer syntax.

    Returns:
        Integers (rows, columns), or (rows, columns, 3) in RGB.

    Raises:
        ValueError: if a decoder is missing; whatever decoders raise.

    """
    if syntax in JPEG_XL:
        if not _has_imagecodecs:
            raise UserError("No decoder for it is installed: pip install imagecodecs.")
        return np.asarray(imagecodecs.jpegxl_decode(coded))
    if syntax in _HIGH_THROUGHPUT or (dataset.SamplesPerPixel == 3 and syntax in _COLOUR_BY_STREAM):
        with suppress(OSError), Image.open(io.BytesIO(coded)) as picture:  # GDCM is less strict about damaged streams
            return np.asarray(picture if picture.mode in ("L", "I;16", "RGB") else picture.convert("RGB"))
    values = _by_gdcm(dataset, coded, syntax)
    return values[0] if values.ndim == (3 if dataset.SamplesPerPixel == 1 else 4) else values


def _by_gdcm(dataset: FileDataset, coded: bytes, syntax: UID) -> np.ndarray:
    import SimpleITK  # here and not above: it takes longer to load than the rest of this package

    uid = generate_uid()
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # set when written
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, uid
    meta.TransferSyntaxUID = syntax
    bare = FileDataset("", {}, preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, uid
    grey = dataset.SamplesPerPixel == 1
    bare.PhotometricInterpretation = "MONOCHROME2" if grey else str(dataset.PhotometricInterpretation)
    if not grey:
        bare.PlanarConfiguration = 0
    for keyword in _FORM:
        if dataset.get(keyword) is not None:
            setattr(bare, keyword, dataset.get(keyword))
    bare.add_new("PixelData", "OB", pydicom.encaps.encapsulate([coded]))
    bare["PixelData"].is_undefined_length = True
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        pydicom.dcmwrite(path, bare)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"))
