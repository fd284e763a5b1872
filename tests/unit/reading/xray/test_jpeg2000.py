"""JPEG 2000 streams decoded at a fraction of their size."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless
from scipy.ndimage import gaussian_filter

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd
from monai_degia.reading.xray.jpeg2000 import decode_reduced, read_header
from monai_degia.reading.xray.reader import XRayReader
from tests.unit.reading.xray.conftest import Write

ROWS, COLUMNS = 512, 384


def blob(row: float, column: float) -> np.ndarray:
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return (3800 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 1800) + 100).round().astype(np.uint16)


def stream(values: np.ndarray, **options: object) -> bytes:
    """A code stream of 16 bits, as Pillow writes them."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG2000", no_jp2=True, num_resolutions=6, **options)
    return buffer.getvalue()


def test_the_header_is_read() -> None:
    header = read_header(stream(blob(200, 100)))
    assert header is not None
    assert (header.size, header.components, header.bits, header.signed) == ((ROWS, COLUMNS), 1, 16, False)
    assert header.levels == 5
    assert read_header(b"\xff\xd8\xff\xe0" + bytes(100)) is None and read_header(stream(blob(1, 1))[:30]) is None


@pytest.mark.parametrize(("min_side", "step"), [(256, 2), (255, 2), (128, 4), (100, 4), (16, 32), (1, 32)])
def test_coarse_values_are_those_of_blocks(min_side: int, step: int) -> None:
    """Which the wavelet's own places, half a block off, fail: the slope is steep."""
    whole = blob(203, 141)
    found = decode_reduced(stream(whole), min_side)
    assert found is not None and found[1] == step
    values = found[0].astype(float)
    assert values.shape == (-(-ROWS // step), -(-COLUMNS // step))
    if step <= 4:
        expected = whole.reshape(ROWS // step, step, COLUMNS // step, step).mean((1, 3))
        first = gaussian_filter(whole.astype(float), step / 3)[::step, ::step]
        off, off_first = (np.abs(values - wanted).mean() for wanted in (expected, first))
        assert off < 4 and off_first > 2 * off


@pytest.mark.parametrize("min_side", [ROWS, 300, 10_000])
def test_nothing_is_left_out_of_a_small_image(min_side: int) -> None:
    assert decode_reduced(stream(blob(200, 100)), min_side) is None


def test_a_radiograph_read_small_keeps_its_place_and_its_file_its_size(write_xray: Write, tmp_path: Path) -> None:
    row, column = 203.0, 141.0
    path = write_xray(
        [stream(blob(row, column))],
        syntax=JPEG2000Lossless,
        Rows=ROWS,
        Columns=COLUMNS,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        PixelSpacing=[0.2, 0.2],
        WindowCenter=2048,
        WindowWidth=4096,
    )
    whole, small = (XRayReader(min_side=side).get_data(XRayReader().read(path)) for side in (None, 100))
    assert whole[0].shape == (COLUMNS, ROWS) and small[0].shape == (COLUMNS // 4, ROWS // 4)
    assert list(small[1]["spatial_shape"]) == [COLUMNS, ROWS]
    np.testing.assert_allclose(small[1]["original_affine"], whole[1]["affine"])
    assert abs(small[0].max() - whole[0].max()) < 0.02
    sample = {"image": str(path), "landmarks": np.array([[column, row]], dtype=np.float32)}
    for step in (
        LoadAnyImaged("image", min_side=100),
        LandmarksToWorldd("landmarks", of_file=True),
        LandmarksToImaged("landmarks"),
    ):
        sample = step(sample)
    grey = sample["image"].as_tensor()[0].numpy() - sample["image"].min().item()  # type: ignore[attr-defined]
    centre = [float((grey.sum(1 - axis) * np.arange(grey.shape[axis])).sum() / grey.sum()) for axis in (0, 1)]
    np.testing.assert_allclose(centre, np.asarray(sample["landmarks"])[0], atol=0.1)


def test_overshoot_is_clipped_and_not_wrapped(write_xray: Write) -> None:
    """The wavelet overshoots at edges: a mask of the stored bits would turn the brightest pixels black."""
    values = np.full((ROWS, COLUMNS), 50, dtype=np.uint16)
    values[100:300, 100:300] = 4095
    tags = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
    path = write_xray(
        [stream(values)],
        syntax=JPEG2000Lossless,
        Rows=ROWS,
        Columns=COLUMNS,
        WindowCenter=2048,
        WindowWidth=4096,
        **tags,
    )
    small = XRayReader(min_side=128).get_data(XRayReader().read(path))[0]
    assert small[30:70, 30:70].min() > 0.9
