import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

try:
    from pydicom.encaps import generate_frames as _frames
except ImportError:  # pydicom 2
    from pydicom.encaps import generate_pixel_data_frame as _frames

from monai_degia.reading.xray.files import XRayFileError, open_xray
from monai_degia.reading.xray.stored import stored_values

Write = Callable[..., Path]
RNG = np.random.default_rng(0)
JPEG_2000, JPEG_BASELINE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"


def decode(path: Path | str, frame: int = 0) -> np.ndarray:
    values, step = stored_values(open_xray(path), str(path), frame)
    assert step == 1
    return values


def bundled(name: str) -> str:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom comes without {name}")
    return str(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"], ids=["little", "big"])
def test_native_values_are_those_written(write_xray: Write, dtype: type, syntax: str) -> None:
    limits = np.iinfo(dtype)
    values = RNG.integers(limits.min, limits.max, (5, 8), dtype=dtype, endpoint=True)
    np.testing.assert_array_equal(decode(write_xray(values, syntax=syntax)), values)


@pytest.mark.parametrize("bits", [10, 12, 15])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_cut_off_and_the_sign_kept(write_xray: Write, bits: int, shift: int, signed: bool) -> None:
    low = -(2 ** (bits - 1)) if signed else 0
    values = RNG.integers(low, low + 2**bits, (6, 7))
    overlay = RNG.integers(0, 2**16, values.shape)
    used = ((1 << bits) - 1) << shift
    words = (((values << shift) & used) | (overlay & ~used)).astype(np.uint16)
    path = write_xray(words, BitsStored=bits, HighBit=bits - 1 + shift, PixelRepresentation=int(signed))
    assert not np.array_equal(words, values), "vacuous: nothing was in the unused bits"
    np.testing.assert_array_equal(decode(path), values)


@pytest.mark.parametrize("kind", ["bigendian", "implicit", "RLE", "jp2klossless", "jpeg_ls_lossless"])
def test_lossless_transfer_syntaxes_give_the_same_values(kind: str) -> None:
    expected = pydicom.dcmread(bundled("MR_small.dcm")).pixel_array
    assert np.ptp(expected) > 1000
    np.testing.assert_array_equal(decode(bundled(f"MR_small_{kind}.dcm")), expected)


def test_deflated_files_are_read() -> None:
    path = bundled("image_dfl.dcm")
    np.testing.assert_array_equal(decode(path), pydicom.dcmread(path).pixel_array)


def test_the_header_of_compressed_files_does_not_change_what_is_stored(tmp_path: Path) -> None:
    """GDCM would invert and rescale."""
    source = bundled("MR_small_jp2klossless.dcm")
    dataset = pydicom.dcmread(source)
    dataset.PhotometricInterpretation, dataset.RescaleSlope, dataset.RescaleIntercept = "MONOCHROME1", 3, -7
    pydicom.dcmwrite(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(decode(tmp_path / "a.dcm"), decode(source))


def test_each_frame_can_be_had(write_xray: Write) -> None:
    values = RNG.integers(0, 4096, (3, 5, 4), dtype=np.uint16)
    path = write_xray(values)
    for frame in range(3):
        np.testing.assert_array_equal(decode(path, frame), values[frame])
    with pytest.raises(XRayFileError, match=r"a\.dcm has 3 frame\(s\), frame 3 was asked for"):
        decode(path, 3)


def test_each_frame_of_a_compressed_file_can_be_had(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (2, 32, 48), dtype=np.uint8)
    streams = []
    for frame in values:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
        streams.append(buffer.getvalue())
    dataset = pydicom.dcmread(bundled("MR_small_jp2klossless.dcm"))
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns, dataset.PixelRepresentation = 2, 32, 48, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = encapsulate(streams)
    pydicom.dcmwrite(tmp_path / "a.dcm", dataset)
    for frame in range(2):
        np.testing.assert_array_equal(decode(tmp_path / "a.dcm", frame), values[frame])


def test_frames_in_fragments_are_put_together(tmp_path: Path) -> None:
    source = bundled("MR_small_jp2klossless.dcm")
    dataset, whole = pydicom.dcmread(source), decode(source)
    stream = next(iter(_frames(dataset.PixelData)))
    dataset.NumberOfFrames = 2
    for has_table in (True, False):
        dataset.PixelData = encapsulate([stream, stream], fragments_per_frame=3, has_bot=has_table)
        pydicom.dcmwrite(tmp_path / "a.dcm", dataset)
        for frame in range(2):
            np.testing.assert_array_equal(decode(tmp_path / "a.dcm", frame), whole)


@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_of_a_compressed_file_are_cut_off(tmp_path: Path, signed: bool) -> None:
    values = RNG.integers(-2048 if signed else 0, 2048 if signed else 4096, (32, 48))
    coded = ((values & 0xFFF) | (RNG.integers(0, 16, values.shape) << 12)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(coded).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    dataset = pydicom.dcmread(bundled("MR_small_jp2klossless.dcm"))
    dataset.Rows, dataset.Columns, dataset.PixelRepresentation = 32, 48, int(signed)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = encapsulate([buffer.getvalue()])
    pydicom.dcmwrite(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(decode(tmp_path / "a.dcm"), values)


def test_a_stream_of_another_shape_than_the_header_says_is_refused(write_xray: Write) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(buffer, "JPEG")
    form = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    for rows, columns, fits in [(32, 48, True), (48, 32, False)]:
        path = write_xray([buffer.getvalue()], syntax=JPEG_BASELINE, Rows=rows, Columns=columns, **form)
        if fits:
            assert decode(path).shape == (rows, columns)
        else:
            with pytest.raises(XRayFileError, match=r"\(32, 48\) rows and columns where the header says \(48, 32\)"):
                decode(path)


@pytest.mark.parametrize("shape", [(1, 48), (32, 1)])
def test_a_strip_keeps_both_its_sides(write_xray: Write, shape: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full(shape, 99, np.uint8)).save(buffer, "JPEG")
    form = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    path = write_xray([buffer.getvalue()], syntax=JPEG_BASELINE, Rows=shape[0], Columns=shape[1], **form)
    np.testing.assert_allclose(decode(path), np.full(shape, 99), atol=1)


def test_pixels_that_cannot_be_decoded_are_named(write_xray: Write) -> None:
    values = RNG.integers(0, 4096, (50, 40), dtype=np.uint16)
    whole = write_xray(values)
    whole.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(XRayFileError, match=r"a\.dcm: the pixels \(Explicit VR Little Endian, .*\) cannot.*cut short"):
        decode(whole)
    form = {"Rows": 8, "Columns": 8, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    for syntax, name in [(JPEG_2000, "JPEG 2000"), ("1.2.840.10008.1.2.5", "RLE"), ("1.2.840.10008.1.2.4.102", "MPEG")]:
        path = write_xray([b"no stream" * 7], "b.dcm", syntax=syntax, **form)
        with pytest.raises(XRayFileError, match=rf"b\.dcm: the pixels \(.*{name}.*cannot be decoded: \S"):
            decode(path)
    with pytest.raises(XRayFileError) as error:
        decode(write_xray([b"no stream" * 7], "b.dcm", syntax=JPEG_2000, **form))
    assert "0x" not in str(error.value), "an address in memory differs in every run"


def test_a_file_without_transfer_syntax_is_refused(write_xray: Write) -> None:
    dataset = open_xray(write_xray(np.zeros((2, 2), np.uint8)))
    del dataset.file_meta.TransferSyntaxUID
    with pytest.raises(XRayFileError, match=r"a\.dcm does not say its transfer syntax"):
        stored_values(dataset, "a.dcm")
