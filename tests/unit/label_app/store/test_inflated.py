"""Small files that would become large ones."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.image_files import check_image_file
from monai_degia.label_app.store.inflated import check_inflated


def test_a_stream_is_counted_and_not_kept(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(bytes(60_000_000)))
    assert bomb.stat().st_size < 100_000
    tracemalloc.start()
    check_inflated(bomb, 60_000_000)
    with pytest.raises(RefusedRequest, match=r"bomb\.nii\.gz inflates to more than 59999999 bytes") as error:
        check_inflated(bomb, 59_999_999)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.value.status == 413 and peak < 8_000_000


def test_several_streams_in_one_file_count_together(tmp_path: Path) -> None:
    path = tmp_path / "many.gz"
    path.write_bytes(gzip.compress(bytes(1000)) * 5)
    check_inflated(path, 5000)
    with pytest.raises(RefusedRequest, match="inflates to more than 4999"):
        check_inflated(path, 4999)


def test_a_damaged_stream_is_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.nii.gz"
    path.write_bytes(b"no stream at all")
    with pytest.raises(RefusedRequest, match=r"damaged\.nii\.gz cannot be read"):
        check_inflated(path, 1000)
    with pytest.raises(RefusedRequest, match=r"damaged\.nii\.gz cannot be read"):
        check_image_file(path, 1000)


def test_a_deflated_dicom_file(tmp_path: Path) -> None:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    dataset.Rows, dataset.Columns = 4, 4
    dataset.add_new(0x00091010, "OB", np.zeros(30_000_000, np.uint8).tobytes())
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "bomb.dcm"
    dataset.save_as(path, enforce_file_format=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(RefusedRequest, match=r"bomb\.dcm inflates to more than") as error:
        check_image_file(path, 1000)
    assert error.value.status == 413
    check_inflated(path, 40_000_000)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.png", "b.nii", "c.dcm", "d"):
        (tmp_path / name).write_bytes(zlib.compress(bytes(10_000)))
        check_inflated(tmp_path / name, 1)
