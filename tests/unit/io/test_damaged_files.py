"""Damaged files of every kind end in one message that names them: what fuzzing found, once and for all."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit
from torch import nn

from monai_degia.data.digits.files import read_digits
from monai_degia.data.formats.content import load_content
from monai_degia.data.formats.orientation import exif_orientation
from monai_degia.data.formats.pickles import pickled_code
from monai_degia.data.lists.landmark_sets import landmark_set
from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.data.published.coco import read_coco
from monai_degia.data.published.listing import read_json_file
from monai_degia.engines.run_folder import run_of
from monai_degia.errors import UserError
from monai_degia.io.own_process import answer_of_process
from monai_degia.io.tensor_files import read_tensors
from monai_degia.io.viewer_frame import viewer_frame
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.label_app.store.sample_images import write_sample_images
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.networks.weights import load_weights
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import ScaleModalityd
from monai_degia.results.found import read_found

DEEP = "[" * 100_000 + "]" * 100_000


def rezipped(path: Path, change: Callable[[dict[str, bytes]], Any]) -> None:
    """Change members of an archive and put their checksums right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def endianness(members: dict[str, bytes]) -> None:
    members[next(name for name in members if name.endswith("byteorder"))] = b"lttile"


def pickled(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.endswith(".pkl"))
    members[name] = members[name][:40]


@pytest.mark.parametrize("change", [endianness, pickled, dict.clear])
def test_weights(change: Callable[[dict[str, bytes]], Any], tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    rezipped(tmp_path / "model.pt", change)
    with pytest.raises(UserError, match=r"model\.pt cannot be read: it is damaged"):
        load_weights(network, tmp_path / "model.pt")


@pytest.mark.parametrize(("content", "reason"), [([1, 2], "but a list"), ({1: 2}, "no tensors by name")])
def test_files_of_something_else(content: Any, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=reason):
        read_tensors(tmp_path / "a.pt")
    torch.save({"weight": 1, "bias": None}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="do not fit the network"):
        load_weights(nn.Linear(3, 2), tmp_path / "a.pt")


def test_a_checkpoint_whose_directory_names_no_text(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    place = data.rindex(b"data.pkl")
    (tmp_path / "a.pt").write_bytes(data[: place - 2] + b"\xff\xfe" + data[place:])
    with pytest.raises(UserError, match=r"a\.pt cannot be read"):
        run_of(tmp_path / "a.pt")


def test_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["test/data"] = np.zeros((3, 256), np.float32)
        file["test/target"] = np.arange(3)
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data.replace(b"SNOD", b"SNOT").replace(b"TREE", b"TREF"))
    for read in (read_digits, load_content, pickled_code):
        with pytest.raises(UserError, match=r"a\.h5 is no HDF5 file, or truncated or damaged"):
            read(tmp_path / "a.h5")


def test_hdf5_with_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["gone"] = h5py.SoftLink("/nowhere")
    with pytest.raises(UserError, match=r"a\.h5"):
        load_content(tmp_path / "a.h5")


def test_named_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data.replace(b"PK\x01\x02", b"PK\x01\x03"))
    with pytest.raises(UserError, match=r"a\.npz is no \.npz archive, or damaged"):
        read_digits(tmp_path / "a.npz")


@pytest.mark.parametrize("read", [read_json_file, read_found, landmark_set, ScoreCalibration.load, load_content])
def test_deep_nesting(read: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(DEEP)
    with pytest.raises(UserError, match=r"a\.json"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text", ["names: [a]\nsize: 2001-99-99", "? [a, {b: c}]\n: 1", "names: [a, *b]", "names: &a [*a]"]
)
def test_yaml_of_a_landmark_set(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml|Landmark names"):
        landmark_set(tmp_path / "a.yaml")


def test_results_with_a_size_that_is_none(tmp_path: Path) -> None:
    entry = {"image": "a", "landmarks": {}, "landmark_confidence": None, "image_size": [1e999, 2], "model_version": ""}
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    with pytest.raises(UserError, match="holds no results"):
        read_found(tmp_path / "a.json")


def test_coco_ids_that_are_lists(tmp_path: Path) -> None:
    content = {"images": [{"id": [1], "file_name": "a"}], "annotations": [{"image_id": {}, "keypoints": [1, 2, 2]}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (hand,), _ = read_coco(tmp_path / "a.json", 1)
    assert "not among the images" in hand.problem


def test_the_owner_of_a_pool_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(UserError, match="are those of run"):
        GeneratedPool(tmp_path, 2, (1, 4, 4), (2,), run_id="abc")


def test_trainings_that_name_weights_no_disk_takes(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    (tmp_path / "training.json").write_text(json.dumps({"weights": "x" * 5000, "trainings": []}))
    with pytest.raises(UserError, match=r"training\.json is damaged"):
        ModelFolder(tmp_path, tmp_path)


@pytest.mark.parametrize("entry", [{"coverage": 1.5}, {"coverage": None}, {"label_error": -1}, {"refined": None}])
def test_a_calibration_out_of_range(entry: dict[str, Any], tmp_path: Path) -> None:
    model = {"confidence": [0.0] * 5, "radius": [0.0] * 5}
    (tmp_path / "a.json").write_text(json.dumps({"refined": model, "tolerance": 0.1, **entry}))
    with pytest.raises(UserError, match=next(iter(entry))):
        ScoreCalibration.load(tmp_path / "a.json")


def test_a_nifti_whose_pixels_have_no_size(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((20, 30, 1), np.float32), np.eye(4))
    image.set_sform(np.diag([0.0, 1.0, 1.0, 1.0]), code=1)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(UserError, match=r"a\.nii states pixels of \[0\.0, 1\.0\] mm"):
        LoadAnyImaged("image")({"image": str(tmp_path / "a.nii")})


def test_a_nifti_without_thickness_is_a_picture(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((20, 30, 1), np.float32), np.eye(4))
    image.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), code=1)
    nibabel.save(image, tmp_path / "a.nii")
    found = LoadAnyImaged("image")({"image": str(tmp_path / "a.nii")})["image"]
    assert torch.linalg.det(found.affine).abs() > 0


def test_exif_that_ends_early_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x10Exif\0\0II*\0\xff\xd9")
    assert exif_orientation(tmp_path / "a.jpg") == 1


def test_slicer_is_not_asked_for_memory_that_a_damaged_header_names(tmp_path: Path) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    for width in (struct.pack("<HHII", 256, 4, 1, 30), struct.pack("<HHII", 256, 3, 1, 30)):
        data = data.replace(width, struct.pack("<HHII", 256, 4, 1, 0x7FFFFFFF))
    (tmp_path / "a.tif").write_bytes(data)
    write_sample_images(tmp_path / "b", image_size=32)
    radiograph = next((tmp_path / "b").glob("*.dcm"))
    assert viewer_frame(radiograph).size == (32, 32)
    with radiograph.open("ab") as file:
        file.write(struct.pack("<HH2sHI", 0x7FE1, 0x10, b"OB", 0, 0x60000000) + bytes(8))
    for path in (tmp_path / "a.tif", radiograph):
        with pytest.raises(UserError, match="is damaged, or too large for Slicer's reader"):
            viewer_frame(path)


def test_slicer_is_not_asked_for_fragments_of_another_length(tmp_path: Path) -> None:
    write_sample_images(tmp_path, image_size=32)
    dataset = pydicom.dcmread(next(tmp_path.glob("*.dcm")))
    stream = io.BytesIO()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(stream, "JPEG")
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(tmp_path / "whole.dcm")
    assert viewer_frame(tmp_path / "whole.dcm").size == (32, 32)
    data = (tmp_path / "whole.dcm").read_bytes()
    size = len(stream.getvalue())
    length = struct.pack("<I", size + size % 2)
    assert data.count(b"\xfe\xff\x00\xe0" + length) == 1
    for wrong in (len(data), size - size % 2 - 40):
        stated = b"\xfe\xff\x00\xe0" + struct.pack("<I", wrong)
        (tmp_path / "wrong.dcm").write_bytes(data.replace(b"\xfe\xff\x00\xe0" + length, stated))
        with pytest.raises(UserError, match="is damaged, or too large for Slicer's reader"):
            viewer_frame(tmp_path / "wrong.dcm")
    end = b"\xfe\xff\xdd\xe0"
    (tmp_path / "filled.dcm").write_bytes(data.replace(end, bytes(2) + end))
    assert viewer_frame(tmp_path / "filled.dcm").size == (32, 32)


def test_a_nifti_without_voxels(tmp_path: Path) -> None:
    nibabel.Nifti1Image(np.zeros((0, 0, 1), np.float32), np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(UserError, match=r"a\.nii holds no pixels: its array has shape"):
        LoadAnyImaged("image")({"image": str(tmp_path / "a.nii")})
    with pytest.raises(UserError, match=r"an image of shape \(1, 0, 0\) has no pixels to scale"):
        ScaleModalityd("image")({"image": torch.zeros(1, 0, 0), "modality": "xray"})


def test_a_reader_that_dies_takes_nobody_along() -> None:
    with pytest.raises(UserError, match=r"a\.mat is none: its reader did not survive it .SIGSEGV"):
        answer_of_process("import os\nos.kill(os.getpid(), 11)", failing="a.mat is none")
    assert answer_of_process("print(sys.argv[1:])", "x", "y", failing="") == "['x', 'y']"
