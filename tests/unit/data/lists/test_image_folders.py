"""Folders as hospitals export them: images among much that is none."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from monai_degia.data.lists.image_folders import list_images
from monai_degia.io.kinds import what_lies_beside

REPORT, STATE, KEYS, PDF = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("88.11", "11.1", "88.59", "104.1"))
INDEX, RADIOGRAPH = "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.1"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def write_dicom(path: Path, storage: str, rows: int = 0) -> None:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientName = storage, "1.2.3", "Doe^Jane"
    if rows:
        dataset.Rows, dataset.Columns, dataset.BitsAllocated = rows, rows, 8
        dataset.add_new("PixelData", "OB", b"\0" * rows * rows)
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion, meta.FileMetaInformationGroupLength = b"\0\1", 0
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(storage), "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    pydicom.dcmwrite(path, dataset, **({"enforce_file_format": True} if pydicom.__version__ >= "3" else {}))


BESIDE: dict[str, tuple[str, bytes | str]] = {
    "sr.dcm": ("DICOM structured report", REPORT),
    "PR000001": ("DICOM presentation state", STATE),
    "ko.dcm": ("DICOM key object selection", KEYS),
    "letter.dcm": ("DICOM PDF", PDF),
    "DICOMDIR": ("DICOM index", INDEX),
    "index.dcm": ("DICOM index", INDEX),
    "letter.pdf": ("PDF", b"%PDF-1.7\n"),
    "._a.png": ("macOS side file", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"),
    "._b.dcm": ("macOS side file", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(200)),
    ".DS_Store": ("macOS side file", b"\0\0\0\1Bud1"),
    "a.HEIC": ("HEIC", HEIC),
    "a.gif": ("GIF", b"GIF89a" + bytes(20)),
    "x.webp": ("WebP", b"RIFF\x24\0\0\0WEBPVP8 "),
    "notes.txt": ("text", "Zürich".encode()),
    "landmarks.csv": ("text", b"image,x\n"),
    "a.mrk.json": ("Slicer markups", b"{}"),
    "viewer.exe": ("file of unknown kind", b"MZ\x90\0" + bytes(99)),
    "all.zip": ("ZIP archive", b"PK\x03\x04" + bytes(99)),
}


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        write_dicom(path, content)
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_images_is_told_by_what_it_is(tmp_path: Path, name: str) -> None:
    kind, content = BESIDE[name]
    write(tmp_path / name, content)
    assert what_lies_beside(tmp_path / name) == kind


def test_an_export_is_a_tree_of_which_the_images_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, (_, content) in BESIDE.items():
        write(tmp_path / "export" / "beside" / name, content)
    write_dicom(tmp_path / "export" / "DICOM" / "ST1" / "SE1" / "IM1", RADIOGRAPH, 4)
    write_dicom(tmp_path / "export" / "b.dcm", RADIOGRAPH, 4)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "export" / "photo", "PNG")
    for hidden in (".git", "__MACOSX"):
        write_dicom(tmp_path / "export" / hidden / "c.dcm", RADIOGRAPH, 4)
    (tmp_path / "export" / "DICOM" / "round").symlink_to(tmp_path / "export")
    found = [
        Path(item["image"]).relative_to(tmp_path / "export").as_posix() for item in list_images(tmp_path / "export")
    ]
    assert found == ["b.dcm", "photo", "DICOM/ST1/SE1/IM1"]
    (message,) = caplog.messages
    kinds = [kind for kind, _ in BESIDE.values()]
    assert f"{len(BESIDE)} files are left out" in message and "Doe" not in message
    assert all(f"{kinds.count(kind)} {kind} (beside/" in message for kind in kinds)


def test_damage_is_listed_so_that_reading_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_dicom(tmp_path / "without_pixels.dcm", RADIOGRAPH)
    write_dicom(tmp_path / "whole.dcm", RADIOGRAPH, 40)
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "whole.dcm").read_bytes()[:400])
    for name in ("empty.dcm", "empty.png"):
        (tmp_path / name).touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "text.dcm").write_text("no data set " * 20)
    assert len(list_images(tmp_path)) == 7 and not caplog.messages


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    for name in ("letter.pdf", "a.HEIC", "b.HEIC"):
        write(tmp_path / name, BESIDE[name.replace("b.", "a.")][1])
    with pytest.raises(ValueError, match=r"holds no image.*It holds 2 HEIC \(a.HEIC\), 1 PDF \(letter.pdf\)"):
        list_images(tmp_path)
