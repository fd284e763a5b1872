"""Look-up tables whose descriptors are wrong, against the same table with a right one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_degia.reading.xray.reader import XRayReader

Write = Callable[..., Path]
Table = Callable[..., Dataset]
VALUES = np.random.default_rng(4).integers(0, 4096, (30, 40), dtype=np.uint16)
RAMP = np.arange(4096)


def grey(path: Path) -> np.ndarray:
    reader = XRayReader()
    return reader.get_data(reader.read(path))[0].T


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize(
    ("says", "holds"), [(16, 12), (16, 8), (16, 14), (14, 10), (12, 8), (10, 12), (8, 12), (12, 16), (0, 12)]
)
def test_the_range_of_the_entries_decides(
    write_xray: Write, table: Table, caplog: pytest.LogCaptureFixture, says: int, holds: int, as_bytes: bool
) -> None:
    entries = (RAMP * (2**holds - 1) // 4095).astype(np.uint16)
    path = write_xray(VALUES, BitsStored=12, VOILUTSequence=[table(entries, 0, says, as_bytes)])
    np.testing.assert_allclose(grey(path), entries[VALUES] / (2**holds - 1), atol=1e-6)
    (message,) = caplog.messages
    assert "a.dcm" in message and f"uses {holds}" in message


@pytest.mark.parametrize(("bits", "top"), [(12, 2100), (12, 1200), (16, 20000), (8, 100), (10, 1023)])
def test_a_table_need_not_reach_the_top_of_its_range(
    write_xray: Write, table: Table, caplog: pytest.LogCaptureFixture, bits: int, top: int
) -> None:
    entries = (RAMP * top // 4095).astype(np.uint16)
    path = write_xray(VALUES, BitsStored=12, VOILUTSequence=[table(entries, 0, bits)])
    np.testing.assert_allclose(grey(path), entries[VALUES] / (2**bits - 1), atol=1e-6)
    assert not caplog.messages


def short(table: Table) -> Dataset:
    item = table(np.arange(50, dtype=np.uint16), 0, 12)
    item.LUTDescriptor = [90, 0, 12]
    return item


def without_data(table: Table) -> Dataset:
    item = table(np.arange(50, dtype=np.uint16), 0, 12)
    del item.LUTData
    return item


BROKEN: dict[str, Callable[[Table], Dataset]] = {"empty": lambda table: Dataset()}
BROKEN |= {"short": short, "without data": without_data}


@pytest.mark.parametrize("kind", ["ModalityLUTSequence", "VOILUTSequence"])
@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("window", [{"WindowCenter": 2000, "WindowWidth": 3000}, {}], ids=["window", "no window"])
def test_a_table_that_cannot_be_used_is_passed_over(
    write_xray: Write,
    table: Table,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Table], Dataset],
    kind: str,
    window: dict[str, Any],
) -> None:
    tags = {"BitsStored": 12, "RescaleSlope": 2, "RescaleIntercept": -100, **window}
    expected = grey(write_xray(VALUES, **tags))
    np.testing.assert_array_equal(grey(write_xray(VALUES, **tags, **{kind: [make(table)]})), expected)
    (message,) = caplog.messages
    assert "LUT has no usable" in message


def test_the_first_table_that_can_be_used_is(write_xray: Write, table: Table) -> None:
    good = table(RAMP[::-1].astype(np.uint16), 0, 12)
    expected = grey(write_xray(VALUES, BitsStored=12, VOILUTSequence=[good]))
    np.testing.assert_array_equal(grey(write_xray(VALUES, BitsStored=12, VOILUTSequence=[Dataset(), good])), expected)
