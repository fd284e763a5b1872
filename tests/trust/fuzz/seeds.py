"""Valid files to damage, made here: small, so that a change anywhere in one is likely to matter."""

import gzip
import io
import json
import struct
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import SimpleITK
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DigitalXRayImageStorageForPresentation as DX

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.write import write_annotations
from monai_degia.data.lists.landmark_sets import landmark_set
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration

GREY = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8) * 2
DEEP = GREY.astype(np.uint16) * 200
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], -1)
NAMES = ("head", "left_ear", "right_ear")


def saved(write: Callable[[Path], Any], name: str) -> bytes:
    """What a writer puts into a file of that name."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def picture(values: np.ndarray, kind: str, **options: Any) -> bytes:
    made = io.BytesIO()
    Image.fromarray(values).save(made, kind, **options)
    return made.getvalue()


def png() -> list[bytes]:
    palette = io.BytesIO()
    Image.fromarray(COLOUR).quantize(8).save(palette, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    return [picture(GREY, "PNG"), picture(DEEP, "PNG"), picture(COLOUR, "PNG", exif=exif), palette.getvalue()]


def jpeg() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 5
    return [
        picture(COLOUR, "JPEG", exif=exif),
        picture(GREY, "JPEG", progressive=True),
        picture(COLOUR, "JPEG", subsampling=2),
    ]


def tiff() -> list[bytes]:
    plain = [picture(values, "TIFF", tiffinfo={274: turn}) for values, turn in ((GREY, 1), (DEEP, 6), (COLOUR, 3))]
    packed = [picture(GREY, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_deflate", "packbits")]
    white = picture(GREY, "TIFF").replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 0))
    return [*plain, *packed, white, picture(DEEP.astype(np.float32), "TIFF"), picture(GREY, "TIFF", big_tiff=True)]


def bmp() -> list[bytes]:
    return [picture(GREY, "BMP"), picture(COLOUR, "BMP")]


def dicom(pixels: np.ndarray | list[bytes], syntax: str = pydicom.uid.ExplicitVRLittleEndian, **tags: Any) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DX, "1.2.3"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, preamble=bytes(128), file_meta=meta)
    known: dict[str, Any] = {"SOPClassUID": DX, "SOPInstanceUID": "1.2.3", "PatientName": "Doe^Jane"}
    known |= {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}
    known |= {"Rows": 40, "Columns": 48, "ImagerPixelSpacing": [0.2, 0.2], "Laterality": "L", "Modality": "DX"}
    bits = 8 * pixels.itemsize if isinstance(pixels, np.ndarray) else 8
    known |= {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    for keyword, value in (known | tags).items():
        setattr(dataset, keyword, value)
    if isinstance(pixels, np.ndarray):
        dataset.add_new("PixelData", "OW" if bits > 8 else "OB", pixels.tobytes())
    else:
        dataset.add_new("PixelData", "OB", encapsulate(pixels))
        dataset["PixelData"].is_undefined_length = True
    made = io.BytesIO()
    pydicom.dcmwrite(made, dataset)
    return made.getvalue()


def radiographs() -> list[bytes]:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 8])
    table.add_new("LUTData", "OW", np.arange(256, dtype=np.uint16).tobytes())
    window = {"WindowCenter": [200, 300], "WindowWidth": [100, 400], "RescaleSlope": 2, "RescaleIntercept": -10}
    shutter = {"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 2, "ShutterRightVerticalEdge": 40}
    shutter |= {"ShutterUpperHorizontalEdge": 3, "ShutterLowerHorizontalEdge": 38}
    uid = pydicom.uid
    return [
        dicom(DEEP, **window),
        dicom(GREY, **shutter),
        dicom(GREY, VOILUTSequence=[table]),
        dicom(GREY, uid.ImplicitVRLittleEndian, ModalityLUTSequence=[table]),
        dicom(np.stack([GREY, GREY]), NumberOfFrames=2),
        dicom(DEEP, uid.DeflatedExplicitVRLittleEndian),
        dicom([picture(GREY, "JPEG")], uid.JPEGBaseline8Bit),
        dicom([picture(GREY, "JPEG2000")], uid.JPEG2000),
        rle(),
    ]


def rle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        path.write_bytes(dicom(DEEP))
        dataset = pydicom.dcmread(path)
        dataset.compress(pydicom.uid.RLELossless, encoding_plugin="pydicom")
        made = io.BytesIO()
        pydicom.dcmwrite(made, dataset)
        return made.getvalue()


def nifti() -> list[bytes]:
    affines = (np.diag([0.5, 0.5, 1, 1]), np.diag([1.0, 1, 1, 1]))
    volumes = [(DEEP.T[:, :, None].astype(np.int16), affines[0]), (GREY.T.astype(np.float32), affines[1])]
    return [
        saved(lambda path, v=values, a=affine: nibabel.save(nibabel.Nifti1Image(v, a), path), "a.nii")
        for values, affine in volumes
    ]


def packed_nifti() -> list[bytes]:
    return [gzip.compress(data, 1, mtime=0) for data in nifti()]


def metaimage() -> list[bytes]:
    image = SimpleITK.GetImageFromArray(DEEP)
    image.SetSpacing((0.3, 0.4))
    volume = SimpleITK.GetImageFromArray(GREY[None])
    return [saved(lambda path, i=i: SimpleITK.WriteImage(i, str(path)), "a.mha") for i in (image, volume)]


def annotations() -> AnnotationSet:
    points = np.array([[11.0, 2.25], [30.0, 30.5], [5.0, 33.0]])
    gap = np.where(np.arange(3)[:, None] == 1, np.nan, points[:, ::-1])
    images = [
        AnnotatedImage("a.png", points, [True, False, False], size=(48, 40), fields={"patient": "7", "split": "train"}),
        AnnotatedImage("b.png", gap, size=(48, 40), fields={"patient": "8", "split": "test"}),
    ]
    return AnnotationSet(NAMES, tuple(images), bones=(("head", "left_ear"), ("head", "right_ear")))


def beside(folder: Path) -> None:
    """The pictures that annotation files name."""
    for name in "ab":
        (folder / f"{name}.png").write_bytes(picture(GREY, "PNG"))


def annotation_file(form: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        beside(Path(folder))
        paths = write_annotations(annotations(), Path(folder) / "file", form, image_dir=folder)
        return [path.read_bytes() for path in paths]


VIA_CSV = """filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
a.png,10,"{}",2,0,"{""name"":""point"",""cx"":3,""cy"":4}","{""name"":""head""}"
a.png,10,"{}",2,1,"{""name"":""point"",""cx"":5,""cy"":6}","{""name"":""left_ear""}"
"""
DEEPLABCUT_SEVERAL = """scorer,,,me,me,me,me
individuals,,,m1,m1,m2,m2
bodyparts,,,head,head,head,head
coords,,,x,y,x,y
labeled-data,vid,a.png,1,2,3,4
labeled-data,vid,b.png,7,8,,
"""
CSV_MORE = """image;head_x;head_y;left_ear_x;left_ear_y;class;spacing_mm;mirror;modality;domain
a.png;1,5;2;3;4;0;0,2 0,3;yes;xray;d
b.png;5;6;;;1;0,2;no;photo;
"""


def deeplabcut() -> list[bytes]:
    return [*annotation_file("deeplabcut"), DEEPLABCUT_SEVERAL.encode()]


def deeplabcut_hdf5() -> list[bytes]:
    import pandas

    index = pandas.MultiIndex.from_product([["me"], ["head", "left_ear"], ["x", "y"]])
    columns = index.set_names(["scorer", "bodyparts", "coords"])
    frame = pandas.DataFrame([[1.0, 2.0, 3.0, 4.0]], index=["labeled-data/vid/a.png"], columns=columns)
    return [saved(lambda path: frame.to_hdf(path, key="df_with_missing", mode="w"), "a.h5")]


def sleap() -> list[bytes]:
    import sleap_io

    skeleton = sleap_io.Skeleton(nodes=["head", "left_ear"], edges=[("head", "left_ear")])

    def write(path: Path) -> None:
        beside(path.parent)
        video = sleap_io.Video.from_filename([str(path.parent / "a.png")])
        instance = sleap_io.Instance.from_numpy(np.array([[1.5, 2.0], [3.0, 4.0]]), skeleton=skeleton)
        frame = sleap_io.LabeledFrame(video=video, frame_idx=0, instances=[instance])
        sleap_io.Labels([frame]).save(str(path))

    return [saved(write, "a.slp")]


def own_csv() -> list[bytes]:
    return [*annotation_file("csv"), CSV_MORE.encode(), "\ufeff".encode() + annotation_file("csv")[0]]


def own_json() -> list[bytes]:
    items = [{"image": "a.png", "landmarks": {"head": [1, 2], "left_ear": None}, "spacing": [0.2, 0.3], "class": 1}]
    return [*annotation_file("json"), json.dumps(items).encode()]


def via() -> list[bytes]:
    return [*annotation_file("via"), VIA_CSV.encode()]


def calibration() -> list[bytes]:
    model = ErrorModel((0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.4, 0.3, 0.2, 0.1))
    full = ScoreCalibration(model, 0.05, model, 0.9, 0.01, 2.0, 0.1, (1.0, 3.0), 0.2, 0.95, {"dark": 0.9}, "ab", "cd",
                            {"views": 4})  # fmt: skip
    return [json.dumps(asdict(c)).encode() for c in (full, ScoreCalibration(model, 0.1))]


def describe(landmarks: Any) -> bytes:
    network = {"_target_": "monai_degia.LandmarkRegressor", "num_landmarks": 3, "backbone": "lenet"}
    network |= {"in_channels": 1, "image_size": [32, 32]}
    about: dict[str, Any] = {"name": "x", "version": "1", "landmarks": landmarks, "network": network, "in_channels": 1}
    about |= {"image_size": [32, 32], "weights": "0" * 16, "flow": {"gamma": 1.0, "shift_scale": 0.1}, "format": 1}
    return json.dumps(about).encode()


SET = {"names": list(NAMES), "bones": [["head", "left_ear"], ["head", "right_ear"]], "object": "head", "sided": False}
SET |= {"pairs": [["left_ear", "right_ear"]], "size": ["head", "left_ear"], "fan": {"head": [-0.5, 0.5]}}


def descriptions() -> list[bytes]:
    return [describe(list(NAMES)), describe(SET)]


def landmark_files() -> list[bytes]:
    return [
        json.dumps(SET).encode(),
        json.dumps(list(NAMES)).encode(),
        json.dumps(landmark_set("hand17").to_config()).encode(),
    ]


LANDMARKS_YAML = b"""names: [head, left_ear, right_ear]
bones:
  - [head, left_ear]
  - &b [head, right_ear]
pairs: [[left_ear, right_ear]]
size: *b
object: head
sided: no
fan: {head: [-0.5, 0.5]}
"""


def markups() -> list[bytes]:
    return annotation_file("slicer")[:1]


def tensors(content: Any) -> bytes:
    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


def arrays() -> list[bytes]:
    values = {"images": np.zeros((4, 28, 28), np.uint8), "labels": np.arange(4)}
    made, packed = io.BytesIO(), io.BytesIO()
    np.savez(made, **values)
    np.savez_compressed(packed, **values)
    return [made.getvalue(), packed.getvalue()]


def hdf5_digits() -> list[bytes]:
    import h5py

    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for part in ("train", "test"):
                file[f"{part}/data"], file[f"{part}/target"] = np.zeros((3, 256), np.float32), np.arange(3)

    return [saved(write, "a.h5")]


def matlab() -> list[bytes]:
    from scipy.io import savemat

    digits = {"X": np.zeros((8, 8, 3, 4), np.uint8), "y": np.arange(1, 5)[:, None]}
    names = np.empty((1, 2), dtype=object)
    names[0] = ["a", "b"]
    joints = {"joint_names": names, "joint_uvd": np.zeros((1, 2, 2, 3))}
    return [
        saved(lambda path, v=v, c=c: savemat(path, v, do_compression=c), "a.mat")
        for v in (digits, joints)
        for c in (False, True)
    ]


def idx_images() -> list[bytes]:
    return [struct.pack(">IIII", 2051, 3, 28, 28) + bytes(3 * 28 * 28)]


def results() -> list[bytes]:
    entry = {"image": "a.png", "landmarks": {"head": [1.0, 2.0], "left_ear": [3.0, 4.0]}, "image_size": [48, 40]}
    entry |= {"landmark_confidence": {"head": 0.5, "left_ear": 0.25}, "model_version": "x 1"}
    return [json.dumps([entry, {**entry, "landmark_confidence": None}]).encode()]


def run_record() -> list[bytes]:
    names = ("run", "started", "host", "process", "output_dir", "ckpt_dir")
    return [json.dumps(dict.fromkeys(names, "x")).encode()]


def trainings() -> list[bytes]:
    return [json.dumps({"weights": None, "trainings": [{"epochs": 3, "error": 0.1}]}).encode()]


def coco_hands(count: int) -> list[bytes]:
    entries = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20], "keypoints": [5, 6, 2] * count}]
    content: dict[str, Any] = {"images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 40}]}
    content |= {"annotations": entries, "categories": [{"id": 1, "name": "hand"}]}
    return [json.dumps(content).encode()]


def hands_of_cameras() -> list[bytes]:
    return [json.dumps([[[0.1 * i, 0.05 * i, 1.0] for i in range(21)]] * 2).encode()]


def atlas() -> list[bytes]:
    return [(",".join(["1", *(str(3 + i % 30) for i in range(74)), "0.2"]) + "\n").encode() * 2]


def bone_ages() -> list[bytes]:
    return [b"id,boneage,male\n1,100,True\n2,90,False\n"]


def joined(parts: Iterable[list[bytes]]) -> list[bytes]:
    return [entry for part in parts for entry in part]
