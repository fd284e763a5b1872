from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

try:
    from pydicom.pixels import apply_voi_lut, apply_windowing
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_voi_lut, apply_windowing

from monai_degia.reading.xray.pixels import apply_window
from monai_degia.reading.xray.reader import XRayReader

Write = Callable[..., Path]
Table = Callable[..., Dataset]
RNG = np.random.default_rng(1)
VALUES = RNG.integers(0, 4096, (30, 40), dtype=np.uint16)


def grey(path: Path, **options: Any) -> np.ndarray:
    """What the reader makes of a file, as (rows, columns)."""
    reader = XRayReader(**options)
    image = reader.get_data(reader.read(path))[0]
    assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
    return image.T


def linear(x: float, c: float, w: float) -> float:
    """PS3.3 C.11.2.1.2.1, output 0 to 1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    if x > c - 0.5 + (w - 1) / 2:
        return 1.0
    return (x - (c - 0.5)) / (w - 1) + 0.5


def exact(x: float, c: float, w: float) -> float:
    """PS3.3 C.11.2.1.3.2, output 0 to 1."""
    return 0.0 if x <= c - w / 2 else 1.0 if x > c + w / 2 else (x - c) / w + 0.5


FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": exact, "SIGMOID": lambda x, c, w: 1 / (1 + np.exp(-4 * (x - c) / w))}


@pytest.mark.parametrize("kind", [None, *FUNCTIONS])
def test_windows_are_those_of_the_standard(write_xray: Write, kind: str | None) -> None:
    for center, width in [(2000, 1500), (1000.5, 333.25), (5, 1), *RNG.uniform(2, 4000, (5, 2)).round(3)]:
        tags = {"BitsStored": 12, "WindowCenter": [center, 7], "WindowWidth": [width, 9], "VOILUTFunction": kind}
        expected = np.vectorize(FUNCTIONS[kind or "LINEAR"])(VALUES.astype(float), float(center), float(width))
        np.testing.assert_allclose(grey(write_xray(VALUES, **tags)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_windows_agree_with_pydicom(kind: str) -> None:
    header = Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 12, 0
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = 1800, 900, kind
    ours = apply_window(VALUES.astype(float), 1800, 900, kind)
    np.testing.assert_allclose(ours, apply_windowing(VALUES, header) / 4095, atol=1e-6)
    assert 0.2 < ours.mean() < 0.8, "vacuous: the window lets nothing through"


def test_window_counts_in_rescaled_units(write_xray: Write) -> None:
    tags = {"RescaleSlope": 2.5, "RescaleIntercept": -1000, "WindowCenter": 500, "WindowWidth": 4000}
    expected = apply_window(VALUES * 2.5 - 1000, 500, 4000)
    np.testing.assert_allclose(grey(write_xray(VALUES, **tags)), expected, atol=1e-6)
    assert expected.min() > 0.1 and expected.max() == 1


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_without_a_window_the_percentiles_make_one(write_xray: Write, width: float) -> None:
    values = RNG.normal(2000, 300, (50, 60)).round().astype(np.int16)
    values[0, 0], values[0, 1] = -30000, 30000
    low, high = np.percentile(values, (0.5, 99.5))
    expected = ((values - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(grey(write_xray(values)), expected, atol=1e-6)
    np.testing.assert_allclose(grey(write_xray(values, WindowCenter=9, WindowWidth=width)), expected, atol=1e-6)
    low, high = np.percentile(values, (10, 60))
    wide = grey(write_xray(values), percentiles=(10, 60))
    np.testing.assert_allclose(wide, ((values - low) / (high - low)).clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
def test_inversion_happens_once(write_xray: Write, photometric: str, shape: str | None) -> None:
    tags = {"WindowCenter": 2000, "WindowWidth": 3000, "PhotometricInterpretation": photometric}
    seen = grey(write_xray(VALUES, PresentationLUTShape=shape, **tags))
    plain = apply_window(VALUES.astype(float), 2000, 3000)
    turned = photometric == "MONOCHROME1" or shape == "INVERSE"
    np.testing.assert_allclose(seen, 1 - plain if turned else plain, atol=1e-6)


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("first", [0, 700, -3])
def test_voi_lut_goes_before_the_window(write_xray: Write, table: Table, first: int, bits: int, as_bytes: bool) -> None:
    entries = np.sort(RNG.integers(0, 2**bits, 2000)).astype(np.uint16)
    tags = {"VOILUTSequence": [table(entries, first, bits, as_bytes)], "WindowCenter": 5, "WindowWidth": 5}
    index = np.clip(VALUES.astype(int) - first, 0, 1999)
    np.testing.assert_allclose(grey(write_xray(VALUES, **tags)), entries[index] / (2**bits - 1), atol=1e-6)


def test_voi_lut_agrees_with_pydicom(write_xray: Write, table: Table) -> None:
    path = write_xray(VALUES, VOILUTSequence=[table(np.sort(VALUES.ravel()), 300, 12)])
    expected = apply_voi_lut(VALUES, XRayReader().read(path)) / 4095
    np.testing.assert_allclose(grey(path), expected, atol=1e-6)
    assert np.ptp(expected) > 0.5


@pytest.mark.parametrize(
    ("dtype", "intercept", "modality", "first"),
    [
        (np.uint16, -2048, False, -2048),  # pydicom takes the sign of the stored values, which is none
        (np.uint16, 0, False, 40000),
        (np.int16, 42048, False, 40000),
        (np.int16, 0, False, -2048),
        (np.int16, 0, True, 40000),
    ],
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], ids=["implicit", "explicit"])
def test_a_voi_lut_begins_at_the_sign_of_the_values_that_go_in(
    write_xray: Write, table: Table, dtype: type, intercept: int, modality: bool, first: int, syntax: str
) -> None:
    """PS3.3 C.11.2.1.1."""
    entries = np.sort(RNG.integers(0, 4096, 4096)).astype(np.uint16)
    values = VALUES.astype(int) + first
    tags: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": intercept}
    stored = (values - intercept).astype(dtype)
    if modality:
        stored = VALUES.astype(dtype)
        tags = {"ModalityLUTSequence": [table((np.arange(4096) + first).astype(np.uint16), 0, 16, signed=True)]}
    path = write_xray(stored, syntax=syntax, **tags, VOILUTSequence=[table(entries, first, 12)])
    np.testing.assert_allclose(grey(path), entries[VALUES] / 4095, atol=1e-6)


def test_the_twos_complement_of_a_negative_beginning(write_xray: Write, table: Table) -> None:
    entries = np.sort(RNG.integers(0, 4096, 4096)).astype(np.uint16)
    stored = (VALUES.astype(int) - 2048).astype(np.int16)
    path = write_xray(stored, VOILUTSequence=[table(entries, 65536 - 2048, 12)])
    np.testing.assert_allclose(grey(path), entries[VALUES] / 4095, atol=1e-6)


def test_packed_tables_have_a_byte_an_entry(write_xray: Write, table: Table) -> None:
    entries = RNG.integers(0, 256, 4096).astype(np.uint8)
    path = write_xray(VALUES, VOILUTSequence=[table(entries, 0, 8)])
    np.testing.assert_allclose(grey(path), entries[VALUES] / 255, atol=1e-6)


def test_modality_lut_goes_before_rescaling_and_feeds_the_window(write_xray: Write, table: Table) -> None:
    entries = np.sort(RNG.integers(0, 4096, 4096))[::-1].astype(np.uint16)
    window = {"WindowCenter": 2000, "WindowWidth": 2500}
    tags = {"ModalityLUTSequence": [table(entries, 0, 12)], "RescaleSlope": 9, "RescaleIntercept": 9, **window}
    expected = apply_window(entries[VALUES].astype(float), 2000, 2500)
    np.testing.assert_allclose(grey(write_xray(VALUES, **tags)), expected, atol=1e-6)


def test_a_full_table_has_65536_entries(write_xray: Write, table: Table) -> None:
    entries = np.arange(65536)[::-1].astype(np.uint16)
    path = write_xray(VALUES, VOILUTSequence=[table(entries, 0, 16)])
    np.testing.assert_allclose(grey(path), (65535 - VALUES.astype(float)) / 65535, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("start", "stop"), [(-2000, None), (-2000, -1990), (63536, None), (63546, 63536)])
def test_padding_is_black_and_does_not_move_the_window(
    write_xray: Write, photometric: str, start: int, stop: int | None
) -> None:
    values = RNG.integers(100, 900, (40, 50)).astype(np.int16)
    padded = values.copy()
    padded[:, :20] = -2000 if stop is None else RNG.integers(-2000, -1989, (40, 20))
    tags: dict[str, Any] = {"PhotometricInterpretation": photometric}
    path = write_xray(padded, **tags)
    # Written by hand, since writers refuse what a signed tag cannot hold, and real files have it nevertheless.
    dataset = XRayReader().read(path)
    dataset.add_new("PixelPaddingValue", "US" if start > 0 else "SS", start)
    if stop is not None:
        dataset.add_new("PixelPaddingRangeLimit", "US" if stop > 0 else "SS", stop)
    image = XRayReader().get_data(dataset)[0].T
    assert (image[:, :20] == 0).all()
    np.testing.assert_allclose(image[:, 20:], grey(write_xray(values[:, 20:], **tags)), atol=1e-6)


@pytest.mark.parametrize("tags", [{}, {"PixelPaddingValue": 7}, {"WindowCenter": 7, "WindowWidth": 1}])
def test_constant_images_stay_finite(write_xray: Write, tags: dict[str, Any]) -> None:
    assert len(np.unique(grey(write_xray(np.full((4, 5), 7, np.uint16), **tags)))) == 1


WINDOW = {"BitsStored": 12, "WindowCenter": 2000, "WindowWidth": 3000}


@pytest.mark.parametrize(("stated", "meant"), [("CUBIC", "LINEAR"), ("linear", "LINEAR"), ("sigmoid", "SIGMOID")])
def test_an_odd_window_function_is_told_and_replaced(
    write_xray: Write, caplog: pytest.LogCaptureFixture, stated: str, meant: str
) -> None:
    expected = grey(write_xray(VALUES, VOILUTFunction=meant, **WINDOW))
    assert not caplog.messages
    path = write_xray(VALUES, VOILUTFunction="AAAAAAA"[: len(stated)], **WINDOW)
    path.write_bytes(path.read_bytes().replace(b"A" * len(stated), stated.encode()))
    np.testing.assert_array_equal(grey(path), expected)
    assert f"{meant} is taken" in caplog.text and (stated == "linear" or stated not in caplog.text)


@pytest.mark.parametrize(
    "tags",
    [{"RescaleSlope": 0, "RescaleIntercept": 0}, {"RescaleSlope": "1e300", "RescaleIntercept": "1e300"}],
    ids=["zero", "too large"],
)
def test_a_rescaling_that_leaves_nothing_is_passed_over(
    write_xray: Write, caplog: pytest.LogCaptureFixture, tags: dict[str, Any]
) -> None:
    np.testing.assert_array_equal(grey(write_xray(VALUES, **WINDOW, **tags)), grey(write_xray(VALUES, **WINDOW)))
    (message,) = caplog.messages
    assert "a.dcm" in message and "escal" in message


def test_the_inversion_of_a_presentation_lut_can_be_switched_off(write_xray: Write) -> None:
    plain = grey(write_xray(VALUES, **WINDOW))
    path = write_xray(VALUES, PresentationLUTShape="INVERSE", **WINDOW)
    np.testing.assert_allclose(grey(path), 1 - plain, atol=1e-6)
    np.testing.assert_array_equal(grey(path, presentation_lut=False), plain)
    path = write_xray(VALUES, PhotometricInterpretation="MONOCHROME1", **WINDOW)
    np.testing.assert_allclose(grey(path, presentation_lut=False), 1 - plain, atol=1e-6)


@pytest.mark.parametrize("shape", [(300, 700), (3, 65_000)])
def test_images_larger_than_a_block_are_whole(write_xray: Write, shape: tuple[int, int]) -> None:
    values = RNG.integers(100, 4000, shape).astype(np.uint16)
    values[-1, -7:] = 3999
    low, high = np.percentile(values, (0.5, 99.5))
    np.testing.assert_allclose(grey(write_xray(values)), ((values - low) / (high - low)).clip(0, 1), atol=1e-6)
