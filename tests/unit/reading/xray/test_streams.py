"""Streams whose bits or sizes differ from what the DICOM header says."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_degia.reading.limits import Limits, TooLargeError
from monai_degia.reading.xray.files import XRayFileError, open_xray
from monai_degia.reading.xray.reader import XRayReader
from monai_degia.reading.xray.stored import stored_values
from monai_degia.reading.xray.streams import stream_form

Write = Callable[..., Path]
Y, X = np.mgrid[:96, :64]
SMOOTH = (2000 + 1900 * np.sin(X / 9) * np.cos(Y / 7)).astype(np.uint16)  # 12 bits
JPEG_2000, JPEG_LS, JPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.50"


def jpeg_2000(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    return buffer.getvalue()  # of whole words, whatever the values


def jpeg_ls(values: np.ndarray, bits: int) -> bytes:
    codec = pytest.importorskip("jpeg_ls")
    form = {"rows": values.shape[0], "columns": values.shape[1], "samples_per_pixel": 1, "bits_stored": bits}
    return bytes(codec.encode_pixel_data(values.astype("<u2").tobytes(), **form))


def write(write_xray: Write, coded: bytes, syntax: str, bits: int, **tags: Any) -> Path:
    form = {"Rows": 96, "Columns": 64, "BitsAllocated": 16, "BitsStored": bits, "HighBit": bits - 1}
    return write_xray([coded], syntax=syntax, PixelRepresentation=0, **{**form, **tags})


def decoded(path: Path) -> np.ndarray:
    return stored_values(open_xray(path), path.name)[0]


@pytest.mark.parametrize("bits", [10, 8, 12])
def test_a_jpeg_2000_stream_keeps_its_bits(write_xray: Write, caplog: pytest.LogCaptureFixture, bits: int) -> None:
    path = write(write_xray, jpeg_2000(SMOOTH), JPEG_2000, bits)
    np.testing.assert_array_equal(decoded(path), SMOOTH)
    assert any("the stream is believed" in message for message in caplog.messages) is (bits < 12)


@pytest.mark.parametrize(("coded", "says"), [(12, 10), (12, 9), (16, 10), (12, 12), (12, 16)])
def test_a_jpeg_ls_stream_keeps_its_bits(write_xray: Write, coded: int, says: int) -> None:
    stream = jpeg_ls(SMOOTH, coded)
    form = stream_form(stream)
    assert form is not None and (form.bits, form.kind) == (coded, "JPEG-LS")
    np.testing.assert_array_equal(decoded(write(write_xray, stream, JPEG_LS, says)), SMOOTH)


def test_a_coarse_decoding_keeps_the_bits_of_the_stream(write_xray: Write) -> None:
    path = write(write_xray, jpeg_2000(SMOOTH), JPEG_2000, 10)
    values, step = stored_values(open_xray(path), "a.dcm", min_side=48)
    assert step == 2 and values.max() > 3000 and values.shape == (48, 32)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG 2000", "PNG"])
def test_streams_tell_their_form(kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(buffer, kind.replace(" ", ""))
    form = stream_form(buffer.getvalue())
    assert form == (None if kind == "PNG" else (30, 50, 3, 8, kind))
    assert stream_form(buffer.getvalue()[:12]) is None and stream_form(b"") is None


def test_colour_jpeg_of_grey_is_grey(write_xray: Write) -> None:
    grey = (SMOOTH >> 4).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.stack([grey] * 3, -1)).save(buffer, "JPEG", quality=95)
    form = {"BitsAllocated": 8, "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    path = write(write_xray, buffer.getvalue(), JPEG, 8, PhotometricInterpretation="YBR_FULL_422", **form)
    found = decoded(path)
    assert found.shape == grey.shape and np.abs(found.astype(int) - grey).max() <= 4
    colours = np.stack([grey, grey[::-1], grey], -1)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "JPEG", quality=95)
    path = write(write_xray, buffer.getvalue(), JPEG, 8, PhotometricInterpretation="YBR_FULL_422", **form)
    with pytest.raises(XRayFileError, match=r"is a colour image"):
        decoded(path)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
        ("1.2.840.10008.1.2.4.112", "JPEG XL"),
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("1.2.840.10008.5.1.4.1.1.7", "Secondary Capture Image Storage"),
    ],
)
def test_a_syntax_that_cannot_be_read_is_named_with_the_cure(write_xray: Write, syntax: str, name: str) -> None:
    path = write(write_xray, b"no stream", JPEG_2000, 12)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(XRayFileError, match=rf"{name}.*(onvert it to an uncompressed)"):
        stored_values(dataset, "a.dcm")


def test_jpeg_xl_is_read_where_a_decoder_is_installed(write_xray: Write) -> None:
    codecs = pytest.importorskip("imagecodecs")
    coded = codecs.jpegxl_encode(SMOOTH, lossless=True)
    dataset = pydicom.dcmread(write(write_xray, bytes(coded), JPEG_2000, 12))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.110"
    np.testing.assert_array_equal(stored_values(dataset, "a.dcm")[0], SMOOTH)
    assert np.ptp(XRayReader().get_data(dataset)[0]) == 1


def test_a_stream_is_measured_before_it_is_decoded(write_xray: Write) -> None:
    """Its own header, since a small DICOM header may stand before a large stream."""
    path = write(write_xray, jpeg_2000(SMOOTH), JPEG_2000, 12, Rows=48)
    with pytest.raises(XRayFileError, match=r"\(96, 64\) rows and columns where the header says \(48, 64\)"):
        decoded(path)


@pytest.mark.parametrize("options", [{"max_pixels": 96 * 64 - 1}, {"max_inflated_bytes": 96 * 64 * 2 - 1}])
def test_too_large_an_image_is_refused_by_its_header(write_xray: Write, options: dict[str, int]) -> None:
    path = write(write_xray, b"never decoded", JPEG_2000, 12)
    reader = XRayReader(**options)
    with pytest.raises(TooLargeError, match=rf"a\.dcm .*{next(iter(options))}"):
        reader.get_data(reader.read(path))


def test_a_deflated_file_is_measured_while_it_is_inflated(write_xray: Write) -> None:
    path = write_xray(np.zeros((1000, 1000), np.uint16), syntax="1.2.840.10008.1.2.1.99")
    assert path.stat().st_size < 10_000
    with pytest.raises(TooLargeError, match="max_inflated_bytes"):
        open_xray(path, Limits(inflated_bytes=1_500_000))
    assert open_xray(path, Limits(inflated_bytes=3_000_000)).Rows == 1000


def palette(dataset: pydicom.Dataset, colours: np.ndarray) -> None:
    for channel, name in enumerate(("Red", "Green", "Blue")):
        entries = colours[:, channel].astype("<u2")
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{name}PaletteColorLookupTableData", entries.tobytes())


def test_a_palette_of_greys_is_grey(write_xray: Write) -> None:
    indices = (SMOOTH >> 4).astype(np.uint8)
    ramp = np.repeat(np.arange(256)[:, None] * 257, 3, axis=1)
    dataset = pydicom.dcmread(write_xray(indices, PhotometricInterpretation="PALETTE COLOR"))
    dataset.filename = "a.dcm"
    palette(dataset, ramp)
    np.testing.assert_array_equal(stored_values(dataset, "a.dcm")[0], indices.astype(int) * 257)
    ramp[200, 0] += 3 * 257
    dataset = pydicom.dcmread(write_xray(indices, PhotometricInterpretation="PALETTE COLOR"))
    palette(dataset, ramp)
    with pytest.raises(XRayFileError, match="is a colour image"):
        stored_values(dataset, "a.dcm")


@pytest.mark.parametrize("photometric", ["YBR_RCT", "RGB"])
def test_jpeg_2000_of_three_equal_channels_is_grey(write_xray: Write, photometric: str) -> None:
    grey = (SMOOTH >> 4).astype(np.uint8)
    form = {
        "BitsAllocated": 8,
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": photometric,
    }
    path = write(write_xray, jpeg_2000(np.stack([grey] * 3, -1)), JPEG_2000, 8, **form)
    np.testing.assert_array_equal(decoded(path), grey)


def test_subsampled_colour_of_grey_is_grey(write_xray: Write) -> None:
    """Native YBR_FULL_422: two luminances and one pair of chroma for two pixels (PS3.3 C.7.6.3.1.2)."""
    grey = (SMOOTH >> 4).astype(np.uint8)
    chroma = np.full((96, 32), 128, np.uint8)
    packed = np.stack([grey[:, ::2], grey[:, 1::2], chroma, chroma], -1)
    form = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL_422"}
    path = write_xray(packed.reshape(96, 128), **form, Columns=64)
    np.testing.assert_array_equal(decoded(path), grey)
