"""From stored values to grey in [0, 1], bone bright: modality LUT, VOI LUT or window, inversion, in that order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from monai_degia.reading.xray.files import XRayFileError, numbers

__all__ = ["apply_window", "grey_values"]

_MAX_LEVELS = 1 << 16


def grey_values(
    stored: np.ndarray, dataset: FileDataset, name: str, percentiles: tuple[float, float] = (0.5, 99.5)
) -> np.ndarray:
    """Bring stored values to the brightness that the file asks for.

    1. Modality: the look-up table if there is one, else ``RescaleSlope`` and ``RescaleIntercept``.
    2. Values of interest: the first VOI look-up table if there is one, else the first window, else a window between
       two percentiles of all pixels but padding. A window whose width the standard forbids counts as none.
    3. Inversion, once, if the file is MONOCHROME1 or its ``PresentationLUTShape`` is INVERSE. The standard wants the
       second wherever the first is, so that both together are still one inversion.

    Pixels of padding (``PixelPaddingValue``, ``PixelPaddingRangeLimit``) become 0.

    Args:
        stored: integers (rows, columns).
        dataset: their header.
        name: of the file, for the message.
        percentiles: of the window where the file gives none, in percent.

    Returns:
        Float32 array (rows, columns) in [0, 1].

    Raises:
        XRayFileError: if a look-up table is damaged or the kind of window is unknown.

    """
    levels, places = _levels(stored)
    table = _grey_levels(
        levels, partial(np.bincount, places.ravel(), minlength=len(levels)), dataset, name, percentiles
    )
    return table.take(places, mode="clip")  # no place lies outside; not to check it takes half of the time


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
) -> np.ndarray:
    """Grey in [0, 1] of each level, float32; ``count`` gives the number of pixels of each."""
    padding = _padding(levels, dataset)
    if tables := dataset.get("ModalityLUTSequence"):
        values = _look_up(levels, tables[0], dataset, f"{name}: the modality LUT")[0].astype(np.float64)
    else:
        slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
        values = levels * (slope[0] if slope else 1.0) + (intercept[0] if intercept else 0.0)
    if tables := dataset.get("VOILUTSequence"):
        signed = _may_be_negative(dataset)
        table, bits = _look_up(np.rint(values).astype(np.int64), tables[0], dataset, f"{name}: the VOI LUT", signed)
        grey = (table / (2.0**bits - 1)).clip(0, 1)
    else:
        window = _given_window(dataset) or _window_between(values, _but_padding(count(), padding), percentiles)
        grey = apply_window(values, *window, name)
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        grey = 1 - grey
    return np.where(padding, 0, grey).astype(np.float32)


def apply_window(values: np.ndarray, center: float, width: float, kind: str = "LINEAR", name: str = "") -> np.ndarray:
    """Window of the DICOM standard with outputs from 0 to 1 (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    LINEAR counts in whole grey levels: it reaches 0 at ``center - width / 2`` and 1 at ``center + width / 2 - 1``.
    LINEAR_EXACT has no such shift. SIGMOID is the logistic function of ``4 (value - center) / width``.

    Args:
        values: grey levels, any shape.
        center: ``WindowCenter``.
        width: ``WindowWidth``; at least 1 for LINEAR, above 0 otherwise.
        kind: ``VOILUTFunction``.
        name: of the file, for the message.

    Returns:
        Float64 array of the same shape.

    Raises:
        XRayFileError: if the kind of window is unknown.

    """
    if kind == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2 * (values - center) / width)  # the logistic function, without overflow
    if kind == "LINEAR":
        center, width = center - 0.5, width - 1
    elif kind != "LINEAR_EXACT":
        raise XRayFileError(
            f"{name}: VOILUTFunction {kind!r} is none of LINEAR, LINEAR_EXACT, SIGMOID. Correct or delete that tag."
        )
    if width == 0:
        return (values > center).astype(np.float64)
    return ((values - center) / width + 0.5).clip(0, 1)


def _given_window(dataset: Dataset) -> tuple[float, float, str] | None:
    kind = str(dataset.get("VOILUTFunction") or "LINEAR")
    center, width = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    narrowest = 1.0 if kind == "LINEAR" else np.nextafter(0.0, 1.0)
    if center and width and np.isfinite([center[0], width[0]]).all() and width[0] >= narrowest:
        return center[0], width[0], kind
    return None


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
    if not ends or dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    if dataset.PixelRepresentation:
        # Some writers give the two's complement of a negative padding value.
        half = 2 ** (int(dataset.BitsAllocated) - 1)
        ends = [end - 2 * half if end >= half else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))


def _may_be_negative(dataset: Dataset) -> bool:
    """Whether some stored value would be below 0 after rescaling; a modality LUT gives none that is."""
    if dataset.get("ModalityLUTSequence"):
        return False
    bits = int(dataset.BitsStored)
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if dataset.PixelRepresentation else [0, 2**bits - 1])
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    return bool((ends * (slope[0] if slope else 1.0) + (intercept[0] if intercept else 0.0)).min() < 0)


def _look_up(
    values: np.ndarray, item: Dataset, dataset: FileDataset, what: str, signed: bool | None = None
) -> tuple[np.ndarray, int]:
    # pydicom's functions index 8-bit tables modulo 256 and know no 12-bit modality table.
    try:
        entries, first, bits = (int(v) for v in item.LUTDescriptor)
        data = item.LUTData
    except (AttributeError, TypeError, ValueError) as error:
        raise XRayFileError(f"{what} has no valid descriptor or data. Repair or delete it.") from error
    entries = (entries & 0xFFFF) or 0x10000
    # Implicit VR does not tell the sign, which follows from the values that go in (PS3.3 C.11.2.1.1), and pydicom takes
    # that of the stored ones. Some writers give the two's complement of a negative value in explicit VR, too.
    if signed and first >= 0x8000:
        first -= 0x10000
    elif signed is False and first < 0 and dataset.file_meta.TransferSyntaxUID.is_implicit_VR:
        first += 0x10000
    if isinstance(data, bytes):
        packed = bits <= 8 and len(data) < 2 * entries
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        data = np.frombuffer(data, dtype=np.uint8 if packed else f"{order}u2")
    table = np.atleast_1d(np.asarray(data, dtype=np.int64))
    if not 1 <= bits <= 16 or len(table) < entries:
        raise XRayFileError(
            f"{what} has {len(table)} values of {bits} bits where its descriptor announces {entries}. "
            "Repair or delete it."
        )
    return table[(values - first).clip(0, entries - 1)], bits
