from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_degia.io.suffixes import is_dicom_file
from monai_degia.reading.xray.files import XRayFileError, open_xray
from monai_degia.reading.xray.values import numbers

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_dicom_is_told_by_its_ending_or_its_first_bytes(write_xray: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("IM0001", "1.2.840.113.7", "scan.xyz"):
        assert is_dicom_file(write_xray(PIXELS, name)), name
    for name in ("a.DCM", "a.dicom", "a.ima"):
        assert is_dicom_file(tmp_path / name), name
    for name in ("a.png", "a.nii.gz", "a.mha"):
        assert is_dicom_file(write_xray(PIXELS, name)), "what a file holds goes before its name"
    assert not is_dicom_file(write_xray(PIXELS, "DICOMDIR"))
    Image.fromarray(PIXELS).save(tmp_path / "b.dcm", "PNG")
    assert not is_dicom_file(tmp_path / "b.dcm")
    (tmp_path / "notes").write_text("DICM")
    assert not any(is_dicom_file(tmp_path / name) for name in ("notes", "missing", "."))


def test_only_what_is_needed_is_read(write_xray: Callable[..., Path]) -> None:
    dataset = open_xray(write_xray(PIXELS, PatientBirthDate="19700101", InstitutionName="Clinic"))
    assert dataset.Rows == 3 and len(dataset.PixelData) == 12
    assert not any(word in str(dataset) for word in ("Doe", "SECRET", "19700101", "Clinic"))


def test_what_cannot_be_opened_is_named_with_the_cure(write_xray: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(XRayFileError, match=r"no\.dcm does not exist\. Pass"):
        open_xray(tmp_path / "no.dcm")
    (tmp_path / "text.dcm").write_text("x" * 500)
    with pytest.raises(XRayFileError, match=r"text\.dcm is not a DICOM file.*Check the file"):
        open_xray(tmp_path / "text.dcm")
    with pytest.raises(XRayFileError, match=r" is a folder\. Pass one DICOM file"):
        open_xray(tmp_path)
    damaged = write_xray(np.zeros((4, 4), np.uint8), syntax=DeflatedExplicitVRLittleEndian)
    damaged.write_bytes(damaged.read_bytes()[:-20] + b"\xff" * 20)
    with pytest.raises(XRayFileError, match=r"cannot be read as DICOM: its header is damaged .*anew"):
        open_xray(damaged)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2", [2.0]), (["1.5", "2"], [1.5, 2.0]), ("", []), (None, [])],
)
def test_numbers_are_a_list_whatever_the_file_has(value: object, expected: list[float]) -> None:
    dataset = Dataset()
    assert numbers(dataset, "WindowCenter") == []
    dataset.WindowCenter = value
    assert numbers(dataset, "WindowCenter") == expected


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_text_where_a_number_belongs_counts_as_missing(write_xray: Callable[..., Path]) -> None:
    path = write_xray(PIXELS, PixelSpacing=[0.125, 0.125])
    path.write_bytes(path.read_bytes().replace(b"0.125\\0.125", b"small\\small"))
    assert numbers(open_xray(path), "PixelSpacing") == []
