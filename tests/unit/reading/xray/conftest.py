from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

Write = Callable[..., Path]


@pytest.fixture
def write_xray(tmp_path: Path) -> Write:
    """Write a DICOM radiograph; tags are keywords, of which None leaves one out."""

    def write(
        pixels: np.ndarray | list[bytes], name: str = "a.dcm", syntax: str = ExplicitVRLittleEndian, **tags: Any
    ) -> Path:
        meta = FileMetaDataset()
        meta.FileMetaInformationGroupLength = 0
        meta.FileMetaInformationVersion = b"\x00\x01"
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
        meta.TransferSyntaxUID = syntax
        order = {
            "is_implicit_VR": syntax == ImplicitVRLittleEndian,
            "is_little_endian": syntax != "1.2.840.10008.1.2.2",
        }
        dataset = FileDataset("", {}, preamble=b"\x00" * 128, file_meta=meta, **order)
        known: dict[str, Any] = {
            "SOPClassUID": DigitalXRayImageStorageForPresentation,
            "SOPInstanceUID": "1.2.3",
            "PatientName": "Doe^Jane",
            "PatientID": "SECRET",
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
        }
        if isinstance(pixels, np.ndarray):
            bits = 8 * pixels.itemsize
            known |= dict(zip(("Rows", "Columns"), pixels.shape[-2:], strict=True))
            known |= {"BitsAllocated": bits, "BitsStored": bits, "HighBit": (tags.get("BitsStored") or bits) - 1}
            known |= {"PixelRepresentation": int(np.issubdtype(pixels.dtype, np.signedinteger))}
            known |= {"NumberOfFrames": len(pixels)} if pixels.ndim == 3 else {}
        for keyword, value in (known | tags).items():
            if value is not None:
                setattr(dataset, keyword, value)
        if isinstance(pixels, np.ndarray):
            data = pixels.astype(pixels.dtype.newbyteorder("<" if order["is_little_endian"] else ">")).tobytes()
            dataset.add_new("PixelData", "OW" if pixels.itemsize > 1 else "OB", data + b"\x00" * (len(data) % 2))
        else:
            dataset.add_new("PixelData", "OB", encapsulate(pixels))
            dataset["PixelData"].is_undefined_length = True
        pydicom.dcmwrite(tmp_path / name, dataset)
        return tmp_path / name

    return write


@pytest.fixture
def table() -> Callable[..., Dataset]:
    """One item of a look-up table sequence."""

    def make(values: np.ndarray, first: int, bits: int, as_bytes: bool = True, signed: bool | None = None) -> Dataset:
        item = Dataset()
        signed = first < 0 if signed is None else signed
        item.add_new("LUTDescriptor", "SS" if signed else "US", [len(values) % 65536, first, bits])
        data: Any = values.tobytes() if as_bytes else [int(v) for v in values]
        item.add_new("LUTData", "OW" if as_bytes else "US", data)
        return item

    return make
