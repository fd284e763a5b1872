"""Images of real size for the benchmarks, rendered: radiographs in DICOM files, small pictures, a large photograph."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pydicom.encaps
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid
from torch.nn.functional import interpolate

from monai_degia import render_hand

ROWS, COLUMNS = 2000, 1500


def write_radiographs(folder: Path, count: int, jpeg2000: bool = False) -> None:
    """Radiographs of 2000 x 1500 pixels and 12 bits with noise, as a detector gives them, and no window."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        _write_dicom(folder / f"{seed:04d}.dcm", _radiograph(seed), jpeg2000)


def write_pictures(folder: Path, count: int) -> None:
    """Grey PNG files of 100 x 100 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        Image.fromarray(render_hand("xray", seed, 100).image).save(folder / f"{seed:04d}.png")


def write_photograph(path: Path) -> None:
    """A photograph of 12 million pixels as JPEG, from a telephone held upright."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.fromarray(render_hand("photo", 0, 512).image).resize((4000, 3000), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 4, (3000, 4000, 1))
    Image.fromarray((np.asarray(photo) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90, exif=exif)


def _radiograph(seed: int) -> np.ndarray:
    hand = torch.from_numpy(render_hand("xray", seed, 512).image).float()[None, None] / 255
    large = interpolate(hand, (COLUMNS, COLUMNS), mode="bicubic").clamp(0, 1)[0, 0].numpy()
    values = np.zeros((ROWS, COLUMNS))
    values[(ROWS - COLUMNS) // 2 :][:COLUMNS] = large
    noise = np.random.default_rng(seed).normal(0, 12, values.shape)
    return (200 + 3500 * values + noise).clip(0, 4095).round().astype(np.uint16)


def _write_dicom(path: Path, values: np.ndarray, jpeg2000: bool) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = JPEG2000Lossless if jpeg2000 else ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, preamble=b"\x00" * 128, file_meta=meta)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.ImagerPixelSpacing = [0.14, 0.14]
    if jpeg2000:
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "JPEG2000", no_jp2=True, num_resolutions=6, irreversible=False)
        dataset.PixelData = pydicom.encaps.encapsulate([buffer.getvalue()])
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if jpeg2000 else "OW"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
