"""One hand of a published set, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage
from monai_degia.errors import UserError

__all__ = ["Record", "annotated"]


@dataclass(frozen=True)
class Record:
    """One annotated image as its file states it.

    Args:
        where: place in the file for messages, such as ``line 7``.
        image: image path as written.
        points: K entries, each a pair of coordinates; or whatever stands in their place.
        fields: all other columns.
        problem: why the row cannot be read, empty if it can.
        partial: points may be missing, NaN.

    """

    where: str
    image: str
    points: Any
    fields: dict[str, Any]
    problem: str = ""
    partial: bool = False


def annotated(record: Record) -> AnnotatedImage:
    """The record in the form of all annotation files; points that are no numbers become its problem."""
    problem, points = record.problem, np.zeros((0, 2))
    try:
        points = points if problem else _numbers(record.points, record.partial)
    except ValueError as error:
        problem = str(error)
    return AnnotatedImage(record.image, points, where=record.where, fields=record.fields, problem=problem)


def _numbers(raw: Any, partial: bool) -> np.ndarray:
    try:
        points = np.array(raw, dtype=np.float64)
    except (ValueError, TypeError):
        raise UserError(f"coordinate {_first_odd(raw)} is not a number, or not in a pair [x, y]") from None
    if points.shape != (len(raw), 2):
        raise UserError(f"landmarks have shape {points.shape}, expected ({len(raw)}, 2), pairs [x, y]")
    missing = np.isnan(points).all(axis=1, keepdims=True) & partial
    if not (np.isfinite(points) | missing).all():
        raise UserError(f"{(~np.isfinite(points)).sum()} coordinates are NaN or infinite")
    return points


def _first_odd(raw: list[Any]) -> str:
    for point in raw:
        try:
            if np.array(point, dtype=np.float64).shape != (2,):
                return repr(point)
        except (ValueError, TypeError):
            return repr(point)
    return repr(raw)
