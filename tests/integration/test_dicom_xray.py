"""Real radiographs against decoders and grey-scale functions that the reader does not use for them.

The JPEG family is decoded by GDCM in the reader and by pydicom's Pillow plugin here; native files by pydicom there and
by SimpleITK, which inverts and rescales on its own, here.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch
from monai.data import MetaTensor
from pydicom.data import get_testdata_file

try:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_modality_lut, apply_voi_lut

from monai_degia.data.lists.image_folders import list_images
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import ScaleModalityd

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "dicom_xray"
EXACT = 1e-6  # float32 of the same grey levels
ONE_LEVEL = 1 / 255 + 1e-6  # lossy decoders may round to neighbouring grey levels of an 8-bit file
HAND = "NM_Kakadu44_SOTmarkerincons.dcm"

with_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared DICOM files are not there")


def load(path: Path | str) -> MetaTensor:
    image = LoadAnyImaged("image")({"image": path})["image"]
    assert image.ndim == 3 and len(image) == 1 and image.dtype == torch.float32
    return image


def by_pydicom(path: Path | str) -> np.ndarray:
    """(1, X, Y) in [0, 1]: pydicom's decoder, look-up tables and windows."""
    dataset = pydicom.dcmread(path)
    grey = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset) / (2**dataset.BitsStored - 1)
    return (1 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey).T[None]


@with_data
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("Monochrome1-Jpeg.dcm", ONE_LEVEL), (HAND, EXACT), ("RG3_J2KR.dcm", EXACT), ("RG3_J2KI.dcm", ONE_LEVEL)],
)
def test_compressed_files_agree_with_pydicom(name: str, tolerance: float) -> None:
    image = load(DATA / name)
    np.testing.assert_allclose(image.numpy(), by_pydicom(DATA / name), atol=tolerance)
    assert image.std() > 0.1, "vacuous: nothing to be seen"


def window(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)


@with_data
def test_native_monochrome1_agrees_with_simpleitk() -> None:
    """SimpleITK has inverted the 10 bits; the window belongs to what was before."""
    path = DATA / "gdcm-CR-MONO1-10-chest.dcm"
    inverted = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0].astype(float)
    expected = 1 - window(1023 - inverted, 550, 1024)
    np.testing.assert_allclose(load(path).numpy()[0], expected.T, atol=EXACT)


@with_data
def test_lossy_12_bit_jpeg_agrees_with_simpleitk() -> None:
    """The same decoder, but the file as it is, not the one that the reader makes of it."""
    path = DATA / "RG2_JPLY_fixed.dcm"
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0].astype(float)
    image = load(path)
    np.testing.assert_allclose(image.numpy()[0], window(stored, 511, 1024).T, atol=EXACT)
    assert image.std() > 0.1


@pytest.mark.parametrize("name", ["CR1/6154", "CR2/6247", "CR3/6278"])
def test_bundled_radiographs_agree_with_simpleitk_and_pydicom(name: str) -> None:
    path = get_testdata_file(f"dicomdirtests/77654033/{name}", download=False)
    if path is None:
        pytest.skip("this pydicom comes without its DICOMDIR example")
    image, itk = load(path), SimpleITK.ReadImage(str(path))
    inverted = SimpleITK.GetArrayFromImage(itk)[0].astype(float)
    # SimpleITK inverts 12 bits and then rescales by 0.684 and 200; the window belongs to what is only rescaled.
    rescaled = 4095 * 0.684 + 2 * 200 - inverted
    np.testing.assert_allclose(image.numpy()[0], 1 - window(rescaled, 1600, 2800).T, atol=EXACT)
    assert np.ptp(rescaled) > 400
    np.testing.assert_allclose(image.affine.diagonal()[:2], -np.array(itk.GetSpacing()[:2]))
    assert image.meta["spacing_source"] == "ImagerPixelSpacing (detector plane)" and itk.GetSpacing()[0] == 0.1


@with_data
def test_spacing_is_that_of_simpleitk_or_of_pydicom() -> None:
    for item in list_images(DATA, modality="xray"):
        path = Path(item["image"])
        image = load(path)
        sample = FileGeometryd("image")(ScaleModalityd("image")({**item, "image": image}))
        header, itk = pydicom.dcmread(path, stop_before_pixels=True), SimpleITK.ReadImage(str(path))
        spacing, source = sample["spacing"].numpy(), sample["image"].meta["spacing_source"]
        if "ImagerPixelSpacing" in header:  # SimpleITK knows no other for this kind of file
            np.testing.assert_allclose(spacing, itk.GetSpacing()[:2], rtol=1e-6)
        if "PixelSpacing" in header:
            np.testing.assert_allclose(spacing, header.PixelSpacing[::-1], rtol=1e-6)
            equal = "ImagerPixelSpacing" in header
            assert source == ("ImagerPixelSpacing (detector plane)" if equal else "PixelSpacing")
        else:
            assert np.isnan(spacing).all() and source == ""
        assert sample["image"].meta["sop_instance_uid"] == header.SOPInstanceUID
        assert str(header.get("PatientName", "-")) not in repr(sample["image"].meta)
        assert torch.equal(sample["image"].as_tensor(), image.as_tensor())


@with_data
def test_bones_of_the_hand_are_brighter_than_what_is_around_them() -> None:
    image = load(DATA / HAND)[0].numpy()
    with (DATA / "landmarks.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if HAND in row["image"])
    points = np.array([[float(row[f"{joint}_{axis}"]) for axis in "xy"] for joint in ("wrist", "middle_mcp")])
    x, y = np.linspace(*points, 50).round().astype(int).T  # along the third metacarpal
    assert image[x, y].mean() > np.median(image) + 0.1


@with_data
def test_both_chests_have_dark_lungs_beside_a_bright_spine() -> None:
    for name in ("Monochrome1-Jpeg.dcm", "gdcm-CR-MONO1-10-chest.dcm"):
        image = load(DATA / name)[0].numpy()
        middle = image[:, image.shape[1] // 3 : image.shape[1] // 2].mean(1)
        half = len(middle) // 2
        spine, lungs = middle[half - half // 10 : half + half // 10].mean(), middle[half // 2 : 3 * half // 4].mean()
        assert spine > lungs + 0.1, name
