"""Files are judged by their headers."""

import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.image_files import check_image_file, file_patterns, single_file
from monai_degia.label_app.store.sample_images import write_sample_images


def status(file: Path, max_pixels: int = 1000) -> int:
    with pytest.raises(RefusedRequest) as error:
        check_image_file(file, max_pixels)
    assert str(file.parent) not in str(error.value)
    return error.value.status


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.dcm", "a.nii.gz"])
def test_as_many_pixels_as_allowed_and_no_more(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    pixels = np.random.default_rng(0).integers(0, 255, (25, 40), dtype=np.uint8)
    if name.endswith(".dcm"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(file))
    elif name.endswith(".nii.gz"):
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), file)
    else:
        Image.fromarray(pixels).save(file)
    check_image_file(file, 1000)
    with pytest.raises(RefusedRequest, match=r"(40 x 25|25 x 40).* more than the 999") as error:
        check_image_file(file, 999)
    assert error.value.status == 413


def test_a_picture_that_only_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    """A PNG header of 4 x 10^10 pixels, and none of them."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0), b"IDAT": b""}
    texts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(texts))
    assert status(tmp_path / "bomb.png") == 413


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    for name in ("text.dcm", "text.png", "text.nii", "text.nii.gz"):
        (tmp_path / name).write_text("this is a text\n" * 50)
        assert status(tmp_path / name) == 422, name
    for name in ("text.txt", "text", "pixels_elsewhere.mhd"):
        (tmp_path / name).write_text("this is a text\n" * 50)
        assert status(tmp_path / name) == 415, name
    assert status(tmp_path / "absent.png") == 404
    with pytest.raises(RefusedRequest, match=r"^text\.dcm is not a DICOM file"):
        check_image_file(tmp_path / "text.dcm", 10)


def test_patterns_have_both_cases_and_dicom() -> None:
    assert {"*.dcm", "*.DCM", "*.png", "*.nii.gz"} <= set(file_patterns())
    assert not any("mh" in pattern for pattern in file_patterns())


def test_the_image_of_a_series_must_be_clear(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    assert single_file(file) == file
    with pytest.raises(RefusedRequest, match="has 0 instances"):
        single_file(tmp_path)
    one = tmp_path / "1.2.3.dcm"
    one.write_bytes(b"")
    assert single_file(tmp_path) == one and single_file(str(tmp_path), "1.2.3") == one
    two = tmp_path / "1.2.4.dcm"
    two.write_bytes(b"")
    with pytest.raises(RefusedRequest, match=r"has 2 instances.*1\.2\.3, 1\.2\.4"):
        single_file(tmp_path)
    assert single_file(tmp_path, "1.2.4") == two
    with pytest.raises(RefusedRequest, match=r"no instance \.\./a"):
        single_file(tmp_path, "../a")


def test_sample_images_are_pictures_and_dicom_that_are_served(tmp_path: Path) -> None:
    files = write_sample_images(tmp_path / "new", count=3, image_size=64)
    assert [file.suffix for file in files] == [".png", ".png", ".dcm"]
    for file in files:
        check_image_file(file, 64 * 64)
    before = files[0].read_bytes()
    files[1].write_bytes(b"mine")
    write_sample_images(tmp_path / "new", count=3, image_size=64)
    assert files[0].read_bytes() == before and files[1].read_bytes() == b"mine"
