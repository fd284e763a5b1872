from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, Resized
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from torch.testing import assert_close

from monai_degia.data.lists.image_folders import list_images
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd, depth_to_image
from monai_degia.reading.upright import TurnUprightd

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 20), dtype=np.uint8)  # rows y, columns x
COLOUR = RNG.integers(0, 256, (12, 20, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (12, 20), dtype=np.uint16)


def save(path: Path, kind: str) -> np.ndarray:
    """Write a picture and return the expected (C, X, Y)."""
    if kind == "palette":
        picture = Image.fromarray(COLOUR[..., :3]).quantize(16)
        picture.save(path)
        return np.asarray(picture.convert("RGBA")).transpose(2, 1, 0)
    array = {"grey": GREY, "rgb": COLOUR[..., :3], "rgba": COLOUR, "deep": DEEP}[kind]
    Image.fromarray(array).save(path)
    return array.T[None] if array.ndim == 2 else array.transpose(2, 1, 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "deep", "palette"])
def test_pictures_load_as_channel_x_y(tmp_path: Path, kind: str, suffix: str) -> None:
    expected = save(tmp_path / f"a{suffix}", kind)
    image = LoadAnyImaged("image")({"image": str(tmp_path / f"a{suffix}")})["image"]
    assert image.shape[1:] == (20, 12) and image.dtype == torch.float32 and image.affine.shape == (4, 4)
    np.testing.assert_array_equal(image.numpy(), expected)


CORONAL = [[0.5, 0, 0, 3], [0, 0, 1, 4], [0, 0.25, 0, 5], [0, 0, 0, 1]]
TILTED = [[0.4, 0, 0.3, 3], [0, 0.25, 0, 4], [-0.3, 0, 0.4, 5], [0, 0, 0, 1]]


@pytest.mark.parametrize("shape", [(20, 12), (20, 12, 1)])
@pytest.mark.parametrize("affine", [CORONAL, TILTED])
def test_nifti_loads_flat_and_keeps_its_spacing(
    tmp_path: Path, shape: tuple[int, ...], affine: list[list[float]]
) -> None:
    nibabel.Nifti1Image(GREY.T.reshape(shape).astype(np.float32), np.array(affine)).to_filename(tmp_path / "a.nii.gz")
    image = LoadAnyImaged("image")({"image": tmp_path / "a.nii.gz"})["image"]
    np.testing.assert_array_equal(image.numpy(), GREY.T[None])
    assert_close(image.affine, torch.diag(torch.tensor([0.5, 0.25, 1, 1], dtype=torch.float64)))
    assert_close(torch.as_tensor(image.meta["original_affine"]), image.affine.as_subclass(torch.Tensor))


def write_dicom(path: Path, **tags: Any) -> Path:
    """GREY as a DICOM file of 0.3 mm x 0.1 mm pixels whose window keeps its values."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength, meta.FileMetaInformationVersion = 0, b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    order = {"is_implicit_VR": False, "is_little_endian": True}
    dataset = FileDataset("", {}, preamble=b"\x00" * 128, file_meta=meta, **order)
    form = {"Rows": 12, "Columns": 20, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    form |= {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "SOPInstanceUID": "1.2.3"}
    form |= {"WindowCenter": 128, "WindowWidth": 256, "PixelSpacing": [0.1, 0.3], "PatientName": "Doe^Jane"}
    for keyword, value in (form | tags).items():
        setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OB", GREY.tobytes())
    pydicom.dcmwrite(path, dataset)
    return path


@pytest.mark.parametrize("name", ["a.dcm", "a.DICOM", "a.ima", "IM0001", "1.2.840.3"])
def test_dicom_goes_to_the_xray_reader_whatever_its_name(tmp_path: Path, name: str) -> None:
    image = LoadAnyImaged("image")({"image": write_dicom(tmp_path / name)})["image"]
    assert image.shape == (1, 20, 12) and image.dtype == torch.float32
    np.testing.assert_allclose(image.numpy(), GREY.T[None] / 255, atol=1e-6)
    assert_close(image.affine.as_subclass(torch.Tensor), torch.tensor([-0.3, -0.1, 1, 1]).double().diag())
    assert image.meta["spacing_source"] == "PixelSpacing" and "Doe" not in repr(image.meta)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("slices", [False, True])
def test_metaimage_loads_flat_and_keeps_its_spacing(tmp_path: Path, slices: bool, suffix: str) -> None:
    picture = SimpleITK.GetImageFromArray(GREY[None] if slices else GREY)
    picture.SetSpacing([0.3, 0.1, 2.0][: picture.GetDimension()])
    SimpleITK.WriteImage(picture, str(tmp_path / f"a{suffix}"))
    image = LoadAnyImaged("image")({"image": tmp_path / f"a{suffix}"})["image"]
    np.testing.assert_array_equal(image.numpy(), GREY.T[None])
    assert_close(image.affine[:2, :2].as_subclass(torch.Tensor), torch.tensor([-0.3, -0.1]).double().diag())
    assert image.affine.shape == (4, 4)


def test_one_folder_may_mix_formats_in_one_batch(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm")
    write_dicom(tmp_path / "IM0001")
    for name in ("b.png", "c.jpg", "d.tif"):
        save(tmp_path / name, "grey")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(GREY), str(tmp_path / "e.mha"))
    nibabel.Nifti1Image(GREY.T.astype(np.float32), np.diag([0.5, 0.5, 1, 1])).to_filename(tmp_path / "f.nii.gz")
    chain = Compose([LoadAnyImaged("image"), ScaleModalityd("image"), FileGeometryd("image")])
    items = list_images(tmp_path, modality="xray")
    batch = next(iter(DataLoader(Dataset(items, chain), batch_size=7)))
    assert [Path(name).name[0] for name in batch["image"].meta["filename_or_obj"]] == list("Iabcdef")
    difference = (batch["image"].as_tensor() - torch.as_tensor(GREY.T / 255)).abs().amax((1, 2, 3))
    assert difference[3] < 0.3 and max(*difference[:3], *difference[4:]) < 1e-6  # c is a JPEG
    sources = ["PixelSpacing", "PixelSpacing", "", "", "", "", "affine"]
    assert batch["image"].meta["spacing_source"] == sources
    assert batch["spacing"].isnan().any(1).tolist() == [not source for source in sources]
    assert batch["image"].meta["sop_instance_uid"] == ["1.2.3", "1.2.3", *[""] * 5]


def test_the_reason_of_the_xray_reader_is_not_wrapped(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ValueError, match=r"^\S*a\.dcm is a colour image, .*leave this file out\.$"):
        LoadAnyImaged("image")({"image": path})
    with pytest.raises(ValueError, match=r"^\S*no\.dcm does not exist"):
        LoadAnyImaged("image")({"image": tmp_path / "no.dcm"})
    (tmp_path / "b.mha").write_text("ObjectType = Image")
    with pytest.raises(ValueError, match=r"Cannot read image .*b\.mha: \S"):
        LoadAnyImaged("image")({"image": tmp_path / "b.mha"})


def test_unreadable_files_end_in_one_message(tmp_path: Path) -> None:
    load = LoadAnyImaged("image")
    with pytest.raises(ValueError, match=r"Cannot read image .*no\.png.*Check that it exists"):
        load({"image": tmp_path / "no.png"})
    save(tmp_path / "cut.png", "grey")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:120])
    with pytest.raises(ValueError, match=r"Cannot read image .*cut\.png"):
        load({"image": tmp_path / "cut.png"})
    (tmp_path / "a.xyz").write_text("nothing")
    with pytest.raises(ValueError, match=r"Cannot read image .*a\.xyz"):
        load({"image": tmp_path / "a.xyz"})
    nibabel.Nifti1Image(np.zeros((4, 5, 6), np.float32), np.eye(4)).to_filename(tmp_path / "v.nii")
    with pytest.raises(ValueError, match=r"v\.nii holds an array of shape \(1, 4, 5, 6\); one 2-D image"):
        load({"image": tmp_path / "v.nii"})


@pytest.mark.parametrize("shape", [(2, 200), (200, 2)])
def test_a_strip_is_refused_before_it_is_resized_to_nothing(tmp_path: Path, shape: tuple[int, int]) -> None:
    rows, columns = shape
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "a.png")
    image = LoadAnyImaged("image")({"image": tmp_path / "a.png"})["image"]
    resized = Resized("image", 64, "longest", anti_aliasing=True)({"image": image})["image"]
    assert sorted(resized.shape[1:]) == [1, 64]
    Image.fromarray(np.zeros((rows + (rows > 2), columns + (columns > 2)), np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png has \d+ x \d+ pixels, a strip"):
        LoadAnyImaged("image")({"image": tmp_path / "b.png"})


def test_depth_becomes_brightness() -> None:
    depth = torch.full((1, 40, 40), 700.0)
    depth[0, 0] = torch.tensor([0.0, 750.0, 800.0, 900.0, 901.0, 5000.0] + [700.0] * 34)
    depth[0, 1, 0] = 300.0  # a stray pixel in front must not set the scale
    image = depth_to_image(depth, depth_range_mm=200, floor=0.2)
    assert_close(image[0, 0, :6], torch.tensor([0.0, 0.8, 0.6, 0.2, 0.0, 0.0]))
    assert image[0, 1, 0] == 1 and (image[0, 2:] == 1).all()


@pytest.mark.parametrize(
    ("depth", "options", "message"),
    [
        (torch.zeros(1, 4, 4), {}, "no measurement, all pixels are 0"),
        (torch.full((1, 4, 4), -1.0), {}, "at least 0 mm"),
        (torch.full((1, 4, 4), torch.nan), {}, "must be finite"),
        (torch.ones(1, 4, 4), {"depth_range_mm": 0}, "depth_range_mm > 0"),
        (torch.ones(1, 4, 4), {"floor": 1.0}, "floor < 1"),
    ],
)
def test_depth_errors(depth: torch.Tensor, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        depth_to_image(depth, **options)


def scale(values: Any, modality: str, mode: str = "") -> torch.Tensor:
    image = MetaTensor(torch.as_tensor(values, dtype=torch.float32)[None, None], meta={"mode": mode})
    return ScaleModalityd("image")({"image": image, "modality": modality})["image"].as_tensor()[0, 0]


def test_ranges_follow_the_values() -> None:
    for modality in ("photo", "xray"):
        assert_close(scale([0.0, 51.0, 255.0], modality), torch.tensor([0.0, 0.2, 1.0]))
        assert_close(scale([0.0, 0.3, 1.0], modality), torch.tensor([0.0, 0.3, 1.0]))
    assert_close(scale([0.0, 13107.0, 65535.0], "photo"), torch.tensor([0.0, 0.2, 1.0]))
    assert_close(scale([-1000.0, 0.0, 1000.0], "xray"), torch.tensor([0.0, 0.5, 1.0]))
    assert_close(scale([100.0, 150.0, 200.0], "xray", "I;16"), torch.tensor([0.0, 0.5, 1.0]))


@pytest.mark.parametrize("value", [0.0, 7.0, 255.0, 4000.0])
@pytest.mark.parametrize("modality", ["photo", "xray", "depth"])
def test_constant_images_stay_finite(value: float, modality: str) -> None:
    if modality == "depth" and value == 0:
        return
    out = scale([value] * 4, modality)
    assert torch.isfinite(out).all() and out.min() >= 0 and out.max() <= 1


def test_scaling_keeps_meta_data_and_names_the_file() -> None:
    meta = {"filename_or_obj": "/x/bad.png"}
    image = MetaTensor(torch.full((1, 2, 2), 9.0), affine=2 * torch.eye(4), meta=meta)
    out = ScaleModalityd("image")({"image": image, "modality": "photo"})["image"]
    assert out.meta["filename_or_obj"] == "/x/bad.png" and out.affine[0, 0] == 2 and image.max() == 9
    for value, modality, message in [
        (torch.nan, "xray", "4 pixels are NaN"),
        (9.0, "ct", "photo, depth or xray, got 'ct'"),
        (-9.0, "photo", r"values in \[-9, -9\]"),
        (0.0, "depth", "no measurement"),
    ]:
        bad = MetaTensor(torch.full((1, 2, 2), value), meta=meta)
        with pytest.raises(ValueError, match=f"^/x/bad.png: .*{message}"):
            ScaleModalityd("image")({"image": bad, "modality": modality})


@pytest.mark.parametrize("given", [1, 3, 4])
@pytest.mark.parametrize("wanted", [1, 3])
def test_channels_match(given: int, wanted: int) -> None:
    image = MetaTensor(torch.rand(given, 5, 6), affine=2 * torch.eye(4))
    out = MatchChannelsd("image", wanted)({"image": image})["image"]
    assert out.shape == (wanted, 5, 6) and out.affine[0, 0] == 2
    values, source = out.as_tensor(), image.as_tensor()
    if given == 1 or wanted == 3:
        assert_close(values, source[:3].expand(wanted, -1, -1))
    else:
        assert_close(values[0], 0.299 * source[0] + 0.587 * source[1] + 0.114 * source[2])


def test_channel_errors() -> None:
    with pytest.raises(ValueError, match="1 or 3, got 2"):
        MatchChannelsd("image", 2)
    with pytest.raises(ValueError, match=r"got shape \(2, 5, 6\)"):
        MatchChannelsd("image", 3)({"image": torch.zeros(2, 5, 6)})


@pytest.mark.parametrize(
    ("meta", "level", "modality"),
    [
        ({}, 51.0, "photo"),
        ({"mode": "I;16"}, 700.0, "depth"),
        ({"photometric_interpretation": "MONOCHROME2"}, 0.2, "xray"),
    ],
)
def test_the_modality_can_be_told_from_the_file(meta: dict[str, str], level: float, modality: str) -> None:
    image = MetaTensor(torch.full((1, 4, 4), level), meta=meta)
    out = ScaleModalityd("image")({"image": image, "modality": "auto"})
    assert out["modality"] == modality
    expected = ScaleModalityd("image")({"image": image, "modality": modality})["image"]
    assert torch.equal(out["image"], expected) and expected.max() == pytest.approx(1.0 if modality == "depth" else 0.2)


def photograph(path: Path, size: tuple[int, int], orientation: int = 1) -> tuple[float, float]:
    """A smooth picture with one bright blob; returns its place (x, y) in pixels of the file."""
    width, height = size
    place = (0.37 * width, 0.58 * height)
    y, x = np.mgrid[:height, :width]
    grey = 240 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (0.004 * width * width)) + 10
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.stack([grey] * 3, -1).round().astype(np.uint8)).save(path, quality=95, exif=exif)
    return place


@pytest.mark.parametrize("orientation", [1, 6, 3, 8])
@pytest.mark.parametrize("size", [(803, 600), (600, 803), (1601, 1203)])
def test_a_photograph_read_small_keeps_its_place(tmp_path: Path, size: tuple[int, int], orientation: int) -> None:
    place = photograph(tmp_path / "a.jpg", size, orientation)
    sample: dict[Any, Any] = {"image": str(tmp_path / "a.jpg"), "landmarks": torch.tensor([place])}
    for step in (
        LoadAnyImaged("image", min_side=200),
        LandmarksToWorldd("landmarks", of_file=True),
        TurnUprightd("image"),
        LandmarksToImaged("landmarks"),
    ):
        sample = step(sample)
    image = sample["image"]
    assert max(image.shape[1:]) < max(size) / 3, "vacuous: the whole file was decoded"
    assert tuple(image.meta["spatial_shape"]) == size
    grey = (image.as_tensor()[0] - image.min()).double()
    centre = [(grey.sum(1 - axis) * torch.arange(grey.shape[axis])).sum() / grey.sum() for axis in (0, 1)]
    # A shift by half a block would be 0.4 pixels.
    assert_close(torch.stack(centre).float(), sample["landmarks"][0], atol=0.12, rtol=0)


def test_what_counts_pixels_of_the_file_gets_them_all(tmp_path: Path) -> None:
    photograph(tmp_path / "a.jpg", (800, 600))
    loader = LoadAnyImaged("image", min_side=100)
    assert loader({"image": str(tmp_path / "a.jpg")})["image"].shape == (3, 100, 75)
    boxed = loader({"image": str(tmp_path / "a.jpg"), "crop_box": [0, 0, 50, 50]})
    assert boxed["image"].shape == (3, 800, 600)
    with pytest.raises(ValueError, match="min_side must be at least 1 pixel"):
        LoadAnyImaged("image", min_side=0)
