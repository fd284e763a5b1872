"""JPEG 2000 decoded for threads that read ahead."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from monai_degia.reading.xray import jpeg2000_process
from monai_degia.reading.xray.jpeg2000_process import decode_levels


@pytest.fixture
def stream() -> bytes:
    values = np.random.default_rng(0).integers(0, 1 << 16, (96, 64)).astype(np.uint16)
    written = io.BytesIO()
    Image.fromarray(values).save(written, "JPEG2000", irreversible=False, no_jp2=True)
    return written.getvalue()


def test_a_thread_gets_what_the_main_thread_gets(stream: bytes) -> None:
    expected = [decode_levels(stream, halvings) for halvings in (0, 1, 2)]
    assert [values.shape for values in expected] == [(96, 64), (48, 32), (24, 16)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(decode_levels, [stream] * 9, [0, 1, 2] * 3))
    for values, wanted in zip(found, expected * 3, strict=True):
        assert values.dtype == np.uint16
        np.testing.assert_array_equal(values, wanted)
    assert 1 <= len(jpeg2000_process._idle) <= 3, "no process for each stream"


def test_after_a_damaged_stream_or_a_killed_process_the_next_stream_is_decoded(stream: bytes) -> None:
    expected = decode_levels(stream, 1)
    with ThreadPoolExecutor(1) as thread:
        for damaged in (b"", b"no stream", stream[:60]):
            with pytest.raises(RuntimeError, match="JPEG 2000"):
                thread.submit(decode_levels, damaged, 1).result()
        np.testing.assert_array_equal(thread.submit(decode_levels, stream, 1).result(), expected)
        for process in jpeg2000_process._idle:
            process.kill()
            process.wait()
        np.testing.assert_array_equal(thread.submit(decode_levels, stream, 1).result(), expected)
