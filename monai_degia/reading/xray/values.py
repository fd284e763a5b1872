"""Numeric values of tags, whatever a file has in their place."""

from __future__ import annotations

from pydicom.dataset import Dataset

__all__ = ["numbers"]


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Values of a numeric tag; an empty list if it is missing, empty or not a number.

    Args:
        dataset: the tag's owner.
        keyword: DICOM keyword of the tag.

    Returns:
        The values in the file's order.

    """
    try:
        value = dataset.get(keyword)
        values = [] if value is None or value == "" else list(value) if hasattr(value, "__iter__") else [value]
        return [float(v) for v in values]
    except Exception:  # text, a value representation that nobody knows, a number that no type holds
        return []
