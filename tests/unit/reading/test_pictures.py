"""Pictures as they are stored: TIFF by bytes of our own, whatever Pillow makes of them."""

import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.data.formats.image_files import size_of_picture
from monai_degia.io.tiff import tiff_orientation
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.limits import TooLargeError
from monai_degia.reading.preprocessing import LandmarkPreprocessing

RNG = np.random.default_rng(7)


def write_tiff(
    path: Path, values: np.ndarray, bits: int, white_is_zero: bool = False, order: str = "<", **tags: int
) -> Path:
    """A grey TIFF of one strip (TIFF 6.0, section 2)."""
    rows, columns = values.shape
    if bits == 12:
        padded = np.pad(values, ((0, 0), (0, columns % 2))).astype(np.uint32)
        pairs = padded[:, ::2] << 12 | padded[:, 1::2]
        data = b"".join(int(pair).to_bytes(3, "big") for pair in pairs.ravel())
    else:
        data = values.astype(f"{order}u{bits // 8}").tobytes()
    entries = {256: columns, 257: rows, 258: bits, 259: 1, 262: int(not white_is_zero), 273: 0, 277: 1, 278: rows}
    entries |= {279: len(data), **({281: tags["max_sample"]} if "max_sample" in tags else {})}
    entries |= {274: tags["orientation"]} if "orientation" in tags else {}
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    body = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    path.write_bytes(head + struct.pack(f"{order}H", len(entries)) + body + bytes(4) + data)
    return path


def load(path: Path, **options: int) -> np.ndarray:
    return LoadAnyImaged("image", **options)({"image": str(path)})["image"].numpy()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_white_is_zero_has_the_polarity_of_black_is_zero(tmp_path: Path, bits: int, order: str) -> None:
    values = RNG.integers(0, 2**bits, (6, 8))
    top = 2**bits - 1
    if bits == 12 and order == ">":
        pytest.skip("Pillow reads 12 bits in little-endian files only")
    black = load(write_tiff(tmp_path / "black.tif", values, bits, order=order))
    white = load(write_tiff(tmp_path / "white.tif", top - values, bits, white_is_zero=True, order=order))
    np.testing.assert_array_equal(black[0].T, values)
    np.testing.assert_array_equal(white, black)


def test_white_is_zero_counts_from_the_stated_highest_sample(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (6, 8))
    path = write_tiff(tmp_path / "a.tif", 4095 - values, 16, white_is_zero=True, max_sample=4095)
    np.testing.assert_array_equal(load(path)[0].T, values)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_come_as_they_are_stored(tmp_path: Path, orientation: int, bits: int) -> None:
    values = RNG.integers(0, 2**bits, (6, 9))
    path = write_tiff(tmp_path / "a.tif", values, bits, orientation=orientation)
    assert tiff_orientation(path) == orientation and size_of_picture(path) == (9, 6)
    image = LoadAnyImaged("image")({"image": str(path)})["image"]
    np.testing.assert_array_equal(image.numpy()[0].T, values)
    assert image.meta["exif_orientation"] == orientation and list(image.meta["spatial_shape"][:2]) == [9, 6]


def test_a_damaged_tiff_is_refused_by_its_name(tmp_path: Path) -> None:
    whole = write_tiff(tmp_path / "a.tif", RNG.integers(0, 256, (6, 9)), 8, orientation=6).read_bytes()
    for length in (2, 8, 12, 40, 100):
        (tmp_path / "cut.tif").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"Cannot read image \S*cut\.tif"):
            load(tmp_path / "cut.tif")


def test_the_content_goes_before_the_name(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
    for name in ("a.dcm", "a.nii", "photo", "a.jpg"):
        Image.fromarray(values).save(tmp_path / name, "PNG")
        np.testing.assert_array_equal(load(tmp_path / name)[0].T, values, name)


def huge_png(path: Path, side: int) -> Path:
    """A small file of many pixels, none of which need be decoded to know."""
    rows = zlib.compress(bytes(1 + side) * side, 9)
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b"IDAT": rows, b"IEND": b""}
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_the_limit_is_an_option_and_not_that_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = huge_png(tmp_path / "a.png", 300)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert load(path, max_pixels=90_000).shape == (1, 300, 300)
    assert Image.MAX_IMAGE_PIXELS == 1000
    with pytest.raises(TooLargeError, match=r"a\.png has 300 x 300 pixels, more than the 89999 that max_pixels"):
        load(path, max_pixels=89_999)
    with pytest.raises(TooLargeError, match=r"takes 90000 bytes or more when it is unpacked.*max_inflated_bytes"):
        load(path, max_inflated_bytes=89_999)


def test_the_default_is_a_hundred_million_pixels(tmp_path: Path) -> None:
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 10_001, 10_000, 8, 0, 0, 0, 0), b"IDAT": b""}
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(TooLargeError, match="10001 x 10000 pixels, more than the 100000000"):
        load(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.mhd"])
def test_volumes_are_measured_by_their_headers(tmp_path: Path, name: str) -> None:
    values = np.zeros((30, 40), dtype=np.float32)
    if ".nii" in name:
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values.T), str(tmp_path / name))
    assert load(tmp_path / name, max_pixels=1200).shape == (1, 30, 40)
    with pytest.raises(TooLargeError, match="max_pixels"):
        load(tmp_path / name, max_pixels=1199)


def test_the_limits_reach_the_one_chain(tmp_path: Path) -> None:
    item = {"image": str(huge_png(tmp_path / "a.png", 300))}
    assert LandmarkPreprocessing((32, 32), max_pixels=90_000)(dict(item))["image"].shape == (3, 32, 32)
    with pytest.raises(RuntimeError) as raised:
        LandmarkPreprocessing((32, 32), max_pixels=89_999)(dict(item))
    assert isinstance(raised.value.__cause__, TooLargeError)
    done = LandmarkPreprocessing((32, 32), max_pixels=89_999, guarded=True)(dict(item))
    assert "max_pixels" in done["error"]
    with pytest.raises(ValueError, match="max_pixels must be at least 1, got 0"):
        LandmarkPreprocessing((32, 32), max_pixels=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_along_any_axis_is_read(tmp_path: Path, axis: int) -> None:
    values = RNG.random((20, 12)).astype(np.float32)
    steps = np.array([0.5, 0.25, 2.0])
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = (3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(np.expand_dims(values, axis), affine), tmp_path / "a.nii.gz")
    image = LoadAnyImaged("image")({"image": str(tmp_path / "a.nii.gz")})["image"]
    np.testing.assert_array_equal(image.numpy()[0], values)
    kept = [a for a in range(3) if a != axis]
    np.testing.assert_allclose(np.abs(np.diag(image.affine))[:2], steps[kept])
    place = image.meta["file_affine"].numpy() @ [7, 5, 0, 1]
    index = np.insert([7.0, 5.0], axis, 0)
    np.testing.assert_allclose(place[:3], index * steps + (3, 4, 5))
