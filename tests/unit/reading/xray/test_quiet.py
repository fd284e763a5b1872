"""What pydicom stumbles over is a patient's own value, and stays in the file."""

import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_degia.io.discretion import discreet
from monai_degia.reading.xray.files import XRayFileError
from monai_degia.reading.xray.reader import XRayReader

Write = Callable[..., Path]
VALUES = np.random.default_rng(6).integers(0, 256, (9, 8), dtype=np.uint8)


def read(path: Path) -> np.ndarray:
    reader = XRayReader()
    return reader.get_data(reader.read(path))[0]


def test_no_value_is_quoted(write_xray: Write, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture) -> None:
    path = write_xray(VALUES, WindowCenter="128", WindowWidth="256", ImageLaterality="R", StudyDescription="x" * 20)
    whole = path.read_bytes()
    for old, new in [(b"128", b"Doe"), (b"R ", b"\xffD"), (b"x" * 20, b"Jane\xff\xfe" + b"D" * 14)]:
        assert old in whole
        whole = whole.replace(old, new)
    path.write_bytes(whole)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(path)
    told = caplog.text + "".join(capfd.readouterr()) + "".join(str(warning.message) for warning in caught)
    assert not any(word in told for word in ("Doe", "Jane"))


def test_any_value_of_any_tag_ends_in_the_documented_error(write_xray: Write) -> None:
    """An unknown representation, no value at all, or text in the place of each number."""
    path = write_xray(VALUES, WindowCenter="128", WindowWidth="256", PixelPaddingValue=3, PixelSpacing=[0.1, 0.1])
    whole = path.read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    seen = set()
    for place in range(start, len(whole) - VALUES.size - 12):
        if whole[place : place + 2] not in (b"US", b"DS", b"CS", b"UI", b"OB", b"IS"):
            continue
        for damage in (b"ZZ", b"UN", b"SQ", b"AT", b"FD"):
            path.write_bytes(whole[:place] + damage + whole[place + 2 :])
            try:
                image = read(path)
                seen.add("read")
                assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
            except XRayFileError as error:
                seen.add("refused")
                assert "a.dcm" in str(error) and "Doe" not in str(error)
    assert seen == {"read", "refused"}


def test_empty_pixels_are_refused(write_xray: Write) -> None:
    path = write_xray(VALUES)
    for rows, columns in [(0, 8), (9, 0), (0, 0)]:
        dataset = XRayReader().read(path)
        dataset.Rows, dataset.Columns = rows, columns
        with pytest.raises(XRayFileError, match=r"a\.dcm"):
            XRayReader().get_data(dataset)


def test_threads_share_the_silence_and_leave_it_as_it_was() -> None:
    before, found, log = list(warnings.filters), [], logging.getLogger("pydicom").warning

    def work() -> None:
        for _ in range(50):
            with discreet():
                log("a name")
        found.append(1)

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Kept()
    logging.getLogger("pydicom").addHandler(handler)
    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [1] * 8
        log("outside")
        assert found[8:] == ["outside"]
    finally:
        logging.getLogger("pydicom").removeHandler(handler)
    assert list(warnings.filters) == before
