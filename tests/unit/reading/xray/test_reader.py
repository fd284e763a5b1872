import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import LoadImaged
from PIL import Image
from pydicom.uid import generate_uid

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.modality import ScaleModalityd
from monai_degia.reading.xray.files import XRayFileError
from monai_degia.reading.xray.pixels import apply_window
from monai_degia.reading.xray.reader import XRayReader

Write = Callable[..., Path]
RNG = np.random.default_rng(2)
VALUES = RNG.integers(0, 4096, (30, 40), dtype=np.uint16)
DOTTED = "monai_degia.reading.xray.reader.XRayReader"


@pytest.mark.parametrize("reader", [DOTTED, XRayReader, XRayReader()], ids=["name", "class", "instance"])
def test_monai_takes_the_reader_in_each_form(write_xray: Write, reader: Any) -> None:
    uid = generate_uid()
    path = write_xray(VALUES, PixelSpacing=[0.1, 0.3], WindowCenter=2048, WindowWidth=4096, SOPInstanceUID=uid)
    image = LoadImaged("image", reader=reader, ensure_channel_first=True)({"image": path})["image"]
    assert image.shape == (1, 40, 30) and image.dtype == torch.float32
    np.testing.assert_allclose(image.numpy()[0], VALUES.T / 4095, atol=1e-6)
    np.testing.assert_allclose(image.affine, np.diag([-0.3, -0.1, 1, 1]))
    assert image.meta["filename_or_obj"] == str(path) and list(image.meta["spatial_shape"]) == [40, 30]
    assert (image.meta["spacing_source"], image.meta["sop_instance_uid"]) == ("PixelSpacing", uid)
    assert image.meta["photometric_interpretation"] == "MONOCHROME2"


def test_scaling_by_modality_leaves_the_values_alone(write_xray: Write) -> None:
    path = write_xray(VALUES)
    item = LoadImaged("image", reader=DOTTED, ensure_channel_first=True)({"image": path, "modality": "xray"})
    assert torch.equal(ScaleModalityd("image")(item)["image"].as_tensor(), item["image"].as_tensor())
    assert item["image"].max() == 1


def test_nothing_that_names_a_patient_is_kept(write_xray: Write) -> None:
    tags = {"PatientBirthDate": "19700101", "InstitutionName": "Clinic", "AccessionNumber": "ACC1"}
    image = LoadImaged("image", reader=XRayReader)({"image": write_xray(VALUES, **tags)})["image"]
    told = repr(image.meta).encode() + pickle.dumps(image)
    assert not any(word in told for word in (b"Doe", b"SECRET", b"19700101", b"Clinic", b"ACC1"))
    assert set(map(str, image.meta)) == {
        *(
            "filename_or_obj",
            "spatial_shape",
            "original_channel_dim",
            "affine",
            "original_affine",
            "file_affine",
            "space",
        ),
        *("spacing_source", "pixel_aspect", "sop_instance_uid", "photometric_interpretation"),
        *("thumb_side", "thumb_side_source"),
    }


def test_images_of_unlike_headers_make_one_batch(write_xray: Write) -> None:
    write_xray(VALUES, "a.dcm", PixelSpacing=[0.1, 0.1])
    path = write_xray(VALUES.astype(np.int16), "b.dcm", PhotometricInterpretation="MONOCHROME1")
    items = [{"image": path.with_name(name)} for name in ("a.dcm", "b.dcm")]
    load = LoadImaged("image", reader=DOTTED, ensure_channel_first=True)
    batch = next(iter(DataLoader(Dataset(items, load), batch_size=2)))["image"]
    assert batch.shape == (2, 1, 40, 30) and batch.meta["spacing_source"] == ["PixelSpacing", ""]


def test_a_frame_can_be_chosen(write_xray: Write) -> None:
    values = RNG.integers(0, 4096, (3, 6, 5), dtype=np.uint16)
    path = write_xray(values, WindowCenter=2048, WindowWidth=4096)
    for frame, options in [(0, {}), (2, {"frame": 2})]:
        image = LoadImaged("image", reader=DOTTED, **options)({"image": path})["image"]
        np.testing.assert_allclose(image.numpy(), values[frame].T / 4095, atol=1e-6)
    with pytest.raises(XRayFileError, match=r"a\.dcm has 3 frame\(s\), frame 7"):
        LoadImaged("image", reader=XRayReader(frame=7))({"image": path})


def test_pictures_go_on_to_the_readers_of_monai(tmp_path: Path) -> None:
    picture = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    image = LoadImaged("image", reader=XRayReader)({"image": tmp_path / "a.png"})["image"]
    np.testing.assert_array_equal(image.numpy(), picture.T)


def test_no_other_reader_steps_in_for_what_should_be_dicom(write_xray: Write, tmp_path: Path) -> None:
    load = LoadImaged("image", reader=DOTTED, ensure_channel_first=True)
    path = write_xray(VALUES, "IM1", PhotometricInterpretation="MONOCHROME1")
    with pytest.raises(XRayFileError, match=r" is a folder\. Pass one DICOM file"):
        load({"image": path.parent})
    (tmp_path / "x.dcm").write_text("a text " * 99)
    (tmp_path / "empty.dcm").touch()
    for name in ("x.dcm", "empty.dcm"):
        with pytest.raises(XRayFileError, match=rf"{name} is not a DICOM file"):
            load({"image": tmp_path / name})
    for name in ("gone.dcm", "gone.png"):
        with pytest.raises(XRayFileError, match=rf"{name} does not exist"):
            load({"image": tmp_path / name})


def test_files_of_functional_groups_are_shown_and_measured_as_they_say(write_xray: Write) -> None:
    """Spacing and window of an enhanced file stand in sequences, for all frames or for each."""

    def group(**sequences: dict[str, Any]) -> pydicom.Dataset:
        outer = pydicom.Dataset()
        for keyword, attributes in sequences.items():
            item = pydicom.Dataset()
            item.update(attributes)
            setattr(outer, keyword, [item])
        return outer

    values = RNG.integers(0, 4096, (3, 6, 5), dtype=np.uint16)
    shared = group(
        PixelMeasuresSequence={"PixelSpacing": [0.1, 0.2]},
        FrameVOILUTSequence={"WindowCenter": 1000, "WindowWidth": 500},
    )
    single = [group(), group(PixelValueTransformationSequence={"RescaleSlope": 2, "RescaleIntercept": 7}), group()]
    single[2] = group(FrameVOILUTSequence={"WindowCenter": 3000, "WindowWidth": 99, "VOILUTFunction": "LINEAR_EXACT"})
    path = write_xray(values, SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=single)
    windows = [(values[0], 1000, 500, "LINEAR"), (2.0 * values[1] + 7, 1000, 500, "LINEAR")]
    windows.append((values[2], 3000, 99, "LINEAR_EXACT"))
    for frame, (rescaled, *window) in enumerate(windows):
        image, meta = XRayReader(frame).get_data(XRayReader(frame).read(path))
        np.testing.assert_allclose(image.T, apply_window(rescaled.astype(float), *window), atol=1e-6)
        assert meta["spacing_source"] == "PixelSpacing"
        np.testing.assert_allclose(np.abs(np.diag(meta["affine"])[:2]), [0.2, 0.1])


def in_three_channels(values: np.ndarray, **tags: Any) -> dict[str, Any]:
    rows, columns, _ = values.shape
    form = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    return {**form, "Rows": rows, "Columns": columns, **tags}


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_grey_in_three_channels_is_grey(write_xray: Write, photometric: str, planar: int) -> None:
    grey = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
    others = [grey, grey] if photometric == "RGB" else [np.full_like(grey, 128)] * 2
    values = np.stack([grey, *others], 0 if planar else -1)
    tags = in_three_channels(np.moveaxis(values, 0, -1) if planar else values)
    tags |= {"PhotometricInterpretation": photometric, "PlanarConfiguration": planar, "NumberOfFrames": None}
    reader = XRayReader()
    found, meta = reader.get_data(reader.read(write_xray(values, "c.dcm", **tags)))
    expected = reader.get_data(reader.read(write_xray(grey)))[0]
    np.testing.assert_array_equal(found, expected)
    assert list(meta["spatial_shape"]) == [40, 30]


def test_colour_is_refused_and_no_other_reader_steps_in(write_xray: Write) -> None:
    values = np.repeat(RNG.integers(10, 250, (6, 10, 1), dtype=np.uint8), 3, -1)
    for off, refused in [(2, False), (3, True)]:
        values[3, 3, 0] = values[3, 3, 1] + off
        path = write_xray(values, **in_three_channels(values), NumberOfFrames=None)
        if refused:
            with pytest.raises(XRayFileError, match=r"a\.dcm is a colour image.*Pass the original radiograph"):
                LoadImaged("image", reader=DOTTED)({"image": path})
        else:
            assert LoadImaged("image", reader=DOTTED)({"image": path})["image"].shape == (10, 6)
    with pytest.raises(XRayFileError, match=r"a\.dcm is a colour image"):
        path = write_xray(np.zeros((6, 30), np.uint8), PhotometricInterpretation="PALETTE COLOR")
        LoadImaged("image", reader=DOTTED)({"image": path})


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("name", ["bare.dcm", "IM0001", "image.bin"])
def test_a_data_set_without_preamble_is_read(write_xray: Write, tmp_path: Path, syntax: str, name: str) -> None:
    path = write_xray(VALUES, syntax=syntax, WindowCenter=2048, WindowWidth=4096)
    whole = path.read_bytes()
    length = 144 + int.from_bytes(whole[140:144], "little")  # preamble, DICM, and the meta information
    (tmp_path / name).write_bytes(whole[length:])
    image = LoadAnyImaged("image")({"image": tmp_path / name})["image"]
    np.testing.assert_allclose(image.numpy()[0], VALUES.T / 4095, atol=1e-6)


def test_a_report_is_told_by_what_it_is(write_xray: Write) -> None:
    reader = XRayReader()
    path = write_xray(VALUES, "sr.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    dataset = pydicom.dcmread(path)
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(dataset, keyword)
    dataset.save_as(path)
    with pytest.raises(XRayFileError, match=r"sr\.dcm is a DICOM structured report, which holds no image"):
        reader.get_data(reader.read(path))


def test_enhanced_files_tell_the_size_of_their_detector(write_xray: Write) -> None:
    outer, pixels, geometry = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    pixels.ImagerPixelSpacing, geometry.EstimatedRadiographicMagnificationFactor = [0.3, 0.6], 1.5
    outer.FramePixelDataPropertiesSequence, outer.XRayGeometrySequence = [pixels], [geometry]
    reader = XRayReader()
    values = RNG.integers(0, 4096, (2, 6, 5), dtype=np.uint16)
    meta = reader.get_data(reader.read(write_xray(values, SharedFunctionalGroupsSequence=[outer])))[1]
    np.testing.assert_allclose(np.abs(np.diag(meta["affine"])[:2]), [0.4, 0.2])
    assert meta["spacing_source"] == "ImagerPixelSpacing/magnification"


@pytest.mark.parametrize("name", ["Rows", "BitsStored", "PhotometricInterpretation"])
def test_missing_tags_are_named(write_xray: Write, name: str) -> None:
    reader = XRayReader()
    with pytest.raises(XRayFileError, match=rf"a\.dcm lacks {name}, which its pixels need"):
        reader.get_data(reader.read(write_xray(VALUES, **{name: None})))


def test_a_missing_number_of_samples_is_one(write_xray: Write) -> None:
    reader = XRayReader()
    assert reader.get_data(reader.read(write_xray(VALUES, SamplesPerPixel=None)))[0].shape == (40, 30)


def test_files_without_pixels_and_several_files_are_refused(write_xray: Write) -> None:
    reader, path = XRayReader(), write_xray(VALUES)
    with pytest.raises(XRayFileError, match="one image of one file, got 2 files"):
        reader.get_data(reader.read([path, path]))
    dataset = reader.read(path)
    del dataset.PixelData
    with pytest.raises(XRayFileError, match=r"a\.dcm holds no pixel data, or is cut short"):
        reader.get_data(dataset)


@pytest.mark.parametrize("options", [{"frame": -1}, {"percentiles": (5, 5)}, {"percentiles": (-1, 99)}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="frame >= 0 and 0 <= low < high <= 100"):
        XRayReader(**options)
