"""The part of a radiograph that its display shutter leaves open."""

from __future__ import annotations

import logging

import numpy as np
from pydicom.dataset import Dataset

from monai_degia.reading.xray.values import numbers

__all__ = ["SHUTTER_TAGS", "open_area"]

SHUTTER_TAGS = (
    *("ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge"),
    *("ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter"),
    "VerticesOfThePolygonalShutter",
)

_logger = logging.getLogger(__name__)


def open_area(dataset: Dataset, name: str, step: int = 1) -> np.ndarray | None:
    """Pixels that the display shutter leaves open (PS3.3 C.7.6.11): those inside of all shapes.

    Shapes are RECTANGULAR, CIRCULAR and POLYGONAL; edges, centres and corners count columns and rows from 1. A shape
    without usable numbers, or that leaves nothing open, is passed over with a warning.

    Args:
        dataset: header of the image.
        name: of the file, for the log.
        step: pixels of the file along one pixel of what was decoded.

    Returns:
        Boolean array (X, Y) of what was decoded; None if there is no shutter.

    """
    shapes = dataset.get("ShutterShape") or []
    shapes = [shapes] if isinstance(shapes, str) else list(shapes)
    size = -(-int(dataset.Columns) // step), -(-int(dataset.Rows) // step)
    # Places in the file, counted from 1.
    x, y = ((np.arange(count) + 0.5) * step + 0.5 for count in size)
    found = None
    for shape in shapes:
        kind = str(shape).strip().upper()
        area = _SHAPES[kind](dataset, x, y, step) if kind in _SHAPES else None
        if area is None or not area.any():
            _logger.warning("%s: its display shutter has no usable shape and is passed over.", name)
            continue
        found = area if found is None else found & area
    if found is not None and not found.any():
        _logger.warning("%s: its display shutters leave nothing open and are passed over.", name)
        return None
    return found


def _rectangle(dataset: Dataset, x: np.ndarray, y: np.ndarray, step: int) -> np.ndarray | None:
    edges = [numbers(dataset, f"Shutter{edge}Edge") for edge in _EDGES]
    if not all(edges):
        return None
    left, right, upper, lower = (edge[0] for edge in edges)
    return np.outer((x >= left) & (x <= right), (y >= upper) & (y <= lower))


_EDGES = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")


def _circle(dataset: Dataset, x: np.ndarray, y: np.ndarray, step: int) -> np.ndarray | None:
    center, radius = numbers(dataset, "CenterOfCircularShutter"), numbers(dataset, "RadiusOfCircularShutter")
    if len(center) != 2 or not radius:
        return None
    row, column = center
    inside: np.ndarray = np.hypot(*np.ix_(x - column, y - row)) <= radius[0]
    return inside


def _polygon(dataset: Dataset, x: np.ndarray, y: np.ndarray, step: int) -> np.ndarray | None:
    values = numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(values) < 6 or len(values) % 2 or not np.isfinite(values).all() or np.abs(values).max() > 1e6:
        return None
    corners = np.reshape(values, (-1, 2))
    # A pixel is inside if an odd number of edges crosses its row beyond it. Pillow's polygon would take all that an
    # edge touches, white pixels of the outside too.
    crossings = np.zeros((len(y), len(x) + 1), dtype=np.int64)
    for (row, column), (next_row, next_column) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        lines = np.flatnonzero((y >= min(row, next_row)) & (y < max(row, next_row)))
        places = column + (y[lines] - row) * (next_column - column) / (next_row - row) if len(lines) else y[lines]
        np.add.at(crossings, (lines, np.searchsorted(x, places, "right")), 1)
    beyond = crossings[:, :0:-1].cumsum(1)[:, ::-1]
    return (beyond % 2 == 1).T


_SHAPES = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
