"""Native and run-length coded pixels, unpacked by pydicom."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset

try:
    from pydicom import pixels
except ImportError:  # before pydicom 3
    from pydicom.pixel_data_handlers import util as pixels  # type: ignore[no-redef]

__all__ = ["look_up_colours", "unpack_frame"]


def unpack_frame(dataset: FileDataset, shape: tuple[int, int, int], frame: int) -> np.ndarray:
    """Unpack one frame.

    Args:
        dataset: header and pixels.
        shape: frames, rows and columns.
        frame: which, from 0.

    Returns:
        Integers (rows, columns), or (rows, columns, 3) in RGB.

    Raises:
        Exception: whatever pydicom raises.

    """
    colours = int(dataset.SamplesPerPixel)
    # Some versions of pydicom clear unused bits, which they count from bit 0 whatever HighBit says.
    bits, dataset.BitsStored = dataset.BitsStored, dataset.BitsAllocated
    try:
        if hasattr(pixels, "pixel_array"):
            values = pixels.pixel_array(dataset, index=frame, raw=True)
        else:
            values = dataset.pixel_array.reshape(*shape, *([colours] if colours > 1 else []))[frame]
    finally:
        dataset.BitsStored = bits
    values = values.reshape(*shape[1:], *([colours] if colours > 1 else []))
    photometric = str(dataset.PhotometricInterpretation)
    if colours > 1 and photometric.startswith("YBR_FULL"):
        values = pixels.convert_color_space(values, "YBR_FULL", "RGB")
    return values


def look_up_colours(values: np.ndarray, dataset: FileDataset) -> np.ndarray:
    """Colours (rows, columns, 3) of the indices (rows, columns) of a palette, by pydicom.

    Raises:
        Exception: whatever pydicom raises.

    """
    colours: np.ndarray = pixels.apply_color_lut(values, dataset)
    return colours
