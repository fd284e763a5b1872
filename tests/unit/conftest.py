"""Records and DICOM files that several tests of the writers start from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from monai_degia.results.prediction import LandmarkPrediction

NAMES = ("wrist", "thumb_tip", "index_tip")


@pytest.fixture
def make_record() -> Callable[..., LandmarkPrediction]:
    """A record with points somewhere in an image of 60 x 80 pixels."""

    def make(file: Path, **fields: Any) -> LandmarkPrediction:
        points = np.random.default_rng(3).uniform((0, 0), (59, 79), (len(NAMES), 2)).tolist()
        values = {
            "image": file.name,
            "file": file,
            "output_name": file.stem,
            "names": NAMES,
            "points_px": tuple((x, y) for x, y in points),
            "size_px": (60, 80),
            "model_version": "toy_model 1.2.3",
        }
        return LandmarkPrediction(**{**values, **fields})

    return make


@pytest.fixture
def write_dicom() -> Callable[..., pydicom.Dataset]:
    """A radiograph of 80 rows and 60 columns; keywords set attributes, None leaves one out."""

    def write(path: Path, **attributes: Any) -> pydicom.Dataset:
        dataset = pydicom.Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME2"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 80, 60, 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
        dataset.PixelData = np.random.default_rng(0).integers(0, 256, (80, 60), dtype=np.uint8).tobytes()
        for keyword, value in attributes.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        if pydicom.__version__ >= "3":
            dataset.save_as(path, enforce_file_format=True)
        else:
            dataset.is_little_endian, dataset.is_implicit_VR = True, False
            dataset.save_as(path, write_like_original=False)
        return dataset

    return write
