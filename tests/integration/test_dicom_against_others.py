"""The script that runs a folder of DICOM against pydicom and SimpleITK."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

SCRIPT = Path(__file__).parents[2] / "docs" / "benchmarks" / "dicom_against_others.py"


def write(path: Path, **tags: Any) -> None:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    dataset.PatientName, dataset.PhotometricInterpretation = "Doe^Jane", "MONOCHROME1"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = 30, 40, 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    values = np.random.default_rng(0).integers(0, 4096, (30, 40), dtype=np.uint16)
    dataset.add_new("PixelData", "OW", values.tobytes())
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def main() -> Callable[[], None]:
    spec = importlib.util.spec_from_file_location("dicom_against_others", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_the_table_tells_pixels_and_spacing(
    tmp_path: Path, main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    magnified = {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}
    write(tmp_path / "a.dcm", **window, **magnified, EstimatedRadiographicMagnificationFactor=1.25)
    write(tmp_path / "deep" / "IM1", **window, PresentationLUTShape="INVERSE")
    write(tmp_path / "zero.dcm", **window, RescaleSlope=0, RescaleIntercept=0)
    (tmp_path / "notes.txt").write_text("no image")
    monkeypatch.setattr(sys, "argv", ["dicom_against_others.py", str(tmp_path)])
    main()
    printed = capsys.readouterr().out
    rows = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ") for row in printed.splitlines()[2:-1]}
    assert set(rows) == {"a.dcm", "zero.dcm", "deep/IM1"} and "Doe" not in printed
    assert rows["a.dcm"][2:4] == ["40 x 30", "1.0000"] and float(rows["a.dcm"][5]) > 0.999
    assert rows["a.dcm"][6:] == ["0.16", "ImagerPixelSpacing/magnification", "0.2", "0.2"]
    assert rows["deep/IM1"][3] == "1.0000" and rows["zero.dcm"][3] == "0.0000"
    assert printed.splitlines()[-1] == "files 3, read 3, as pydicom 2"
