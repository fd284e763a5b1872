"""From stored values to grey in [0, 1], bone bright: modality LUT, VOI LUT or window, inversion, in that order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from monai_degia.reading.xray.files import XRayFileError
from monai_degia.reading.xray.lut import usable_table
from monai_degia.reading.xray.values import numbers

__all__ = ["apply_window", "grey_values"]

_logger = logging.getLogger(__name__)
_MAX_LEVELS = 1 << 16
_BLOCK = 1 << 16  # pixels
_LARGEST = 1e30  # of a rescaled value; beyond, differences overflow
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def grey_values(
    stored: np.ndarray,
    dataset: FileDataset,
    name: str,
    percentiles: tuple[float, float] = (0.5, 99.5),
    shown: np.ndarray | None = None,
    presentation_lut: bool = True,
) -> np.ndarray:
    """Bring stored values to the brightness that the file asks for.

    1. Modality: the look-up table if there is one, else ``RescaleSlope`` and ``RescaleIntercept``. A slope of 0 counts
       as 1.
    2. Values of interest: the first VOI look-up table if there is one, else the first window, else a window between
       two percentiles of all pixels that are shown, but padding. A window whose width the standard forbids counts as
       none, an unknown function as LINEAR.
    3. Inversion, once, if the file is MONOCHROME1 or its ``PresentationLUTShape`` is INVERSE. The standard wants the
       second wherever the first is, so that both together are still one inversion.

    Tables that cannot be used are passed over with a warning, see :mod:`monai_degia.reading.xray.lut`. Pixels of
    padding (``PixelPaddingValue``, ``PixelPaddingRangeLimit``) and those that are not shown become 0.

    Args:
        stored: integers of any 2-D shape.
        dataset: their header.
        name: of the file, for the log and messages.
        percentiles: of the window where the file gives none, in percent.
        shown: boolean of the same shape; None shows all.
        presentation_lut: heed ``PresentationLUTShape``, which some makers write wrongly.

    Returns:
        Float32 array of the same shape in [0, 1].

    Raises:
        XRayFileError: if no finite grey values come out.

    """
    levels, places = _levels(stored)
    count = partial(_count, places, len(levels), shown)
    with np.errstate(over="ignore", invalid="ignore"):
        table = _grey_levels(levels, count, dataset, name, percentiles, presentation_lut)
    if not np.isfinite(table).all():
        raise XRayFileError(
            f"{name}: its window or rescaling makes no finite grey values. Correct or delete those tags."
        )
    grey = np.empty(places.shape, table.dtype)
    for part, found in zip(_blocks(places), _blocks(grey), strict=True):
        table.take(part, mode="clip", out=found)  # no place lies outside; not to check it takes half of the time
    if shown is not None:
        grey[~shown] = 0
    return grey


def _blocks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Rows at a time: NumPy widens indices to 64 bits, and those of a whole radiograph would leave the cache."""
    step = max(1, _BLOCK // max(1, pixels.shape[-1]))
    return (pixels[start : start + step] for start in range(0, len(pixels), step))


def _count(places: np.ndarray, levels: int, shown: np.ndarray | None) -> np.ndarray:
    if shown is not None:
        return np.bincount(places[shown], minlength=levels)
    found = np.zeros(levels, np.int64)
    for part in _blocks(places):
        found += np.bincount(part.ravel(), minlength=levels)
    return found


def _levels(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels that an image may hold, ascending, and each pixel's place among them.

    A radiograph has millions of pixels and at most 65,536 levels: what depends on the level alone is worked out once
    for each of those.
    """
    low, high = min(int(stored.min()), 0), int(stored.max())
    if high - low < _MAX_LEVELS:
        return np.arange(low, high + 1), stored if low == 0 else np.subtract(stored, low, dtype=np.int64)
    levels, places = np.unique(stored, return_inverse=True)
    return levels.astype(np.int64), places.reshape(stored.shape)


def _grey_levels(
    levels: np.ndarray,
    count: Callable[[], np.ndarray],
    dataset: FileDataset,
    name: str,
    percentiles: tuple[float, float],
    presentation_lut: bool,
) -> np.ndarray:
    """Grey in [0, 1] of each level, float32; ``count`` gives the number of shown pixels of each."""
    padding = _padding(levels, dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    # What is compressed is in explicit VR, little-endian, and pydicom does not know all of its syntaxes.
    form = {"little_endian": syntax != ExplicitVRBigEndian, "implicit": syntax == ImplicitVRLittleEndian}
    modality = usable_table(
        dataset.get("ModalityLUTSequence") or [], what=f"{name}: the modality LUT", has_range=False, **form
    )
    values = modality.look_up(levels).astype(np.float64) if modality else _rescaled(levels, dataset, name)
    # A modality LUT gives no value below 0.
    signed = modality is None and bool(_rescaled(_ends(dataset), dataset).min() < 0)
    voi = usable_table(dataset.get("VOILUTSequence") or [], what=f"{name}: the VOI LUT", signed=signed, **form)
    if voi is not None:
        grey = (voi.look_up(np.rint(values).astype(np.int64)) / (2.0**voi.bits - 1)).clip(0, 1)
    else:
        window = _given_window(dataset, name) or _window_between(values, _but_padding(count(), padding), percentiles)
        grey = apply_window(values, *window)
    inverse = presentation_lut and str(dataset.get("PresentationLUTShape") or "").strip().upper() == "INVERSE"
    if dataset.PhotometricInterpretation == "MONOCHROME1" or inverse:
        grey = 1 - grey
    return np.where(padding, 0, grey).astype(np.float32)


def apply_window(values: np.ndarray, center: float, width: float, kind: str = "LINEAR") -> np.ndarray:
    """Window of the DICOM standard with outputs from 0 to 1 (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    LINEAR counts in whole grey levels: it reaches 0 at ``center - width / 2`` and 1 at ``center + width / 2 - 1``.
    LINEAR_EXACT has no such shift. SIGMOID is the logistic function of ``4 (value - center) / width``.

    Args:
        values: grey levels, any shape.
        center: ``WindowCenter``.
        width: ``WindowWidth``; at least 1 for LINEAR, above 0 otherwise.
        kind: ``VOILUTFunction``: LINEAR, LINEAR_EXACT or SIGMOID.

    Returns:
        Float64 array of the same shape.

    """
    if kind == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2 * (values - center) / width)  # the logistic function, without overflow
    if kind == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return (values > center).astype(np.float64)
    return ((values - center) / width + 0.5).clip(0, 1)


def _given_window(dataset: Dataset, name: str) -> tuple[float, float, str] | None:
    center, width = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not (center and width and np.isfinite([center[0], width[0]]).all()):
        return None
    stated = str(dataset.get("VOILUTFunction") or "LINEAR").strip()
    kind = stated.upper() if stated.upper() in _FUNCTIONS else "LINEAR"
    if stated != kind:
        _logger.warning("%s: its VOILUTFunction is none of %s: %s is taken.", name, ", ".join(_FUNCTIONS), kind)
    narrowest = 1.0 if kind == "LINEAR" else np.nextafter(0.0, 1.0)
    return (center[0], width[0], kind) if width[0] >= narrowest else None


def _rescaled(levels: np.ndarray, dataset: Dataset, name: str | None = None) -> np.ndarray:
    """Levels times slope plus intercept; without a name, what is passed over is not told again."""
    slope, intercept = (
        (numbers(dataset, f"Rescale{what}") or [no])[0] for what, no in (("Slope", 1), ("Intercept", 0))
    )
    if slope == 0:
        slope = 1.0
        if name is not None:
            _logger.warning("%s: its RescaleSlope is 0, which would blacken all: it is taken for 1.", name)
    values = levels * float(slope) + float(intercept)
    if np.isfinite(values).all() and np.abs(values).max() < _LARGEST:
        return values
    if name is not None:
        _logger.warning("%s: its rescaling gives no numbers that can be used: it is passed over.", name)
    return levels.astype(np.float64)


def _but_padding(counts: np.ndarray, padding: np.ndarray) -> np.ndarray:
    seen = np.where(padding, 0, counts)
    return seen if seen.any() else counts


def _window_between(
    values: np.ndarray, counts: np.ndarray, percentiles: tuple[float, float]
) -> tuple[float, float, str]:
    """The window between two percentiles of all pixels, from how many have each value; as ``np.percentile``."""
    order = np.argsort(values, kind="stable")
    ends, last = counts[order].cumsum(), counts.sum() - 1
    places = np.array(percentiles) / 100 * last
    below, above = (values[order[np.searchsorted(ends, end(places), "right")]] for end in (np.floor, np.ceil))
    low, high = below + (above - below) * (places % 1)
    return float(low + high) / 2, float(high - low), "LINEAR_EXACT"


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    ends = [*numbers(dataset, "PixelPaddingValue")[:1], *numbers(dataset, "PixelPaddingRangeLimit")[:1]]
    if not numbers(dataset, "PixelPaddingValue"):
        return np.zeros(stored.shape, dtype=bool)
    if dataset.PixelRepresentation:
        # Some writers give the two's complement of a negative padding value.
        half = 2 ** (int(dataset.BitsAllocated) - 1)
        ends = [end - 2 * half if end >= half else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))


def _ends(dataset: Dataset) -> np.ndarray:
    """Lowest and highest value that the file can store."""
    bits = int(dataset.BitsStored)
    return np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if dataset.PixelRepresentation else [0, 2**bits - 1])
