"""What a DICOM file says of its patient stays in it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, Resized
from torch import Tensor, nn

from monai_degia.engines.batches import PrepareLandmarkBatch
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reports.landmark_files import LandmarkFileWriter

IDENTITY = {
    **{"PatientName": "SENTINEL^Name", "PatientID": "SENTINEL-ID", "PatientBirthDate": "19530528", "PatientSex": "O"},
    **{"OtherPatientNames": "SENTINEL^Other", "PatientAddress": "SENTINEL Street", "PatientComments": "SENTINEL note"},
    **{"InstitutionName": "SENTINEL Hospital", "InstitutionAddress": "SENTINEL Road", "StationName": "SENTINEL-ST"},
    **{"ReferringPhysicianName": "SENTINEL^Doctor", "OperatorsName": "SENTINEL^Operator", "StudyID": "SENTINEL-S"},
    **{"AccessionNumber": "SENTINEL-ACC", "StudyDescription": "SENTINEL study", "SeriesDescription": "SENTINEL se"},
    **{"DeviceSerialNumber": "SENTINEL-DEV", "ImageComments": "SENTINEL comment", "StudyDate": "19530529"},
}
ALLOWED = ("PatientName", "PatientID", "ReferringPhysicianName", "StudyID", "AccessionNumber")


class Fixed(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return torch.tensor([[0.2, 0.3], [0.4, 0.5], [0.9, 0.6]]).expand(len(image), 3, 2)


def test_no_output_but_the_report_names_the_patient(
    tmp_path: Path,
    write_dicom: Callable[..., pydicom.Dataset],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    pytest.importorskip("highdicom")
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write_dicom(folder / "a.dcm", **IDENTITY)
    write_dicom(folder / "b.dcm", **IDENTITY, SeriesInstanceUID=None)  # gets no report, and a message
    names = ["wrist", "thumb_tip", "index_tip"]
    writer = LandmarkFileWriter(out, names, folder, "toy 1.0", formats=["markups", "sr", "overlay"], modality="xray")
    transform: Any = Compose([LoadAnyImaged("image"), Resized("image", (32, 32)), FileGeometryd("image")])
    with caplog.at_level(logging.DEBUG):
        SupervisedEvaluator(
            device="cpu",
            val_data_loader=DataLoader(Dataset([{"image": str(path)} for path in folder.iterdir()], transform)),
            network=Fixed(),
            prepare_batch=PrepareLandmarkBatch(),
            val_handlers=[writer],
            decollate=False,
        ).run()
    written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    pictures = {f"{name}{ending}" for name in "ab" for ending in (".mrk.json", ".overlay.png")}
    assert set(written) == {"landmarks.csv", "landmarks.json", "failures.csv", "a.sr.dcm", *pictures}
    assert [image for image, _ in writer.failures] == ["b.dcm"]
    report = written.pop("a.sr.dcm")
    assert report.count(b"SENTINEL") == len(ALLOWED)
    said = caplog.text + "".join(capfd.readouterr()) + "".join(str(warning.message) for warning in recwarn)
    for secret in ("SENTINEL", "19530528", "19530529"):
        assert secret not in said
        assert not [name for name, content in written.items() if secret.encode() in content or secret in name]
