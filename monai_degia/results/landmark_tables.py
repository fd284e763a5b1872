"""All records of a run in two files: CSV for spreadsheets and data lists, JSON for programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_degia.io.files import whole_file
from monai_degia.io.spreadsheets import plain_row
from monai_degia.results.prediction import LandmarkPrediction, Point

__all__ = ["landmark_entry", "write_csv", "write_failures", "write_json"]

_ABOUT_IMAGE = ("outside", "spacing_mm", "spacing_source")
_TRUST = ("confidence", "radius_px", "radius_mm", "domain_shift", "withheld")
_ORIGIN = ("modality", "mirrored", "thumb_side", "thumb_side_source", "sop_instance_uid", "model_version")
_FURTHER = (*_ABOUT_IMAGE, *_TRUST, *_ORIGIN)


def landmark_entry(record: LandmarkPrediction) -> dict[str, Any]:
    """A record as plain values.

    Args:
        record: of one image.

    Returns:
        What ``landmarks.json`` holds for the image: ``landmarks`` and ``landmarks_mm`` map a name to [x, y], of a
        volume to [x, y, z],
        ``landmark_confidence`` a name to a number in [0, 1], ``landmark_radius_px`` and ``landmark_radius_mm`` a name
        to a radius; ``confidence``, ``radius_px``, ``radius_mm`` and ``disagreement`` are means of the landmarks';
        None where unknown or withheld.

    """
    return {
        "image": record.image,
        "landmarks": _by_name(record.names, record.points_px, 2),
        "landmarks_mm": None if record.points_mm is None else _by_name(record.names, record.points_mm, 3),
        "landmark_confidence": _each(record.names, record.confidence, 4),
        "landmark_radius_px": _each(record.names, record.radius_px, 2),
        "landmark_radius_mm": _each(record.names, record.radius_mm, 3),
        "landmarks_outside": [n for n, out in zip(record.names, record.landmark_outside, strict=True) if out],
        "image_size": list(record.size_px),
        "outside": record.outside,
        "spacing_mm": None if record.spacing_mm is None else [round(side, 6) for side in record.spacing_mm],
        "spacing_source": record.spacing_source,
        "confidence": _mean(record.confidence, 4),
        "radius_px": _mean(record.radius_px, 2),
        "radius_mm": _mean(record.radius_mm, 3),
        "disagreement": _mean(record.disagreement, 6),
        "domain_shift": None if record.domain_shift is None else float(f"{record.domain_shift:.6g}"),
        "withheld": record.withheld,
        "modality": record.modality,
        "mirrored": record.mirrored,
        "thumb_side": record.thumb_side,
        "thumb_side_source": record.thumb_side_source,
        "sop_instance_uid": record.sop_instance_uid,
        "model_version": record.model_version,
    }


def write_json(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Write entries as a JSON list, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(entries, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, names: Sequence[str], entries: Sequence[dict[str, Any]]) -> None:
    """Write entries as a data list, a row an image, whole or not at all.

    Args:
        path: of the file.
        names: K landmark names, which give the columns ``<name>_x`` and ``<name>_y``, and of volumes ``<name>_z``, at
            the front and ``<name>_radius``, in pixels, at the end; of volumes then ``<name>_x_mm`` and so on, too.
        entries: from :func:`landmark_entry`.

    """
    axes = "xyz"[: max((len(entry["image_size"]) for entry in entries), default=2)]
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "image",
                *(f"{name}_{axis}" for name in names for axis in axes),
                *_FURTHER,
                *(f"{name}_radius" for name in names),
                *(f"{name}_{axis}_mm" for name in names for axis in axes if len(axes) > 2),
            ]
        )
        writer.writerows(plain_row(_csv_row(entry)) for entry in entries)


def write_failures(path: Path, failures: Sequence[tuple[str, str]]) -> None:
    """Write images without a complete result and the reasons; without any, remove the file of an earlier run."""
    if not failures:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "reason"])
        writer.writerows(plain_row(row) for row in failures)


def _by_name(names: Sequence[str], points: Sequence[Point], digits: int) -> dict[str, list[float]]:
    return {name: [round(value, digits) for value in point] for name, point in zip(names, points, strict=True)}


def _each(names: Sequence[str], values: Sequence[float] | None, digits: int) -> dict[str, float] | None:
    if values is None:
        return None
    return {name: round(value, digits) for name, value in zip(names, values, strict=True)}


def _mean(values: Sequence[float] | None, digits: int) -> float | None:
    return None if values is None else round(math.fsum(values) / len(values), digits)


def _csv_row(entry: dict[str, Any]) -> list[str]:
    coordinates = [f"{value:.2f}" for point in entry["landmarks"].values() for value in point]
    radii = entry["landmark_radius_px"] or dict.fromkeys(entry["landmarks"])
    further = (_cell(column, entry[column]) for column in _FURTHER)
    row = [entry["image"], *coordinates, *further, *(_cell("radius", value) for value in radii.values())]
    if len(entry["image_size"]) > 2:  # voxels are no cubes: their numbers do not show how far apart two points are
        unknown = dict.fromkeys(entry["landmarks"], [None] * 3)
        row += [_cell("mm", value) for point in (entry["landmarks_mm"] or unknown).values() for value in point]
    return row


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "spacing_mm":
        sides = [f"{side:g}" for side in value]
        return sides[0] if len(set(sides)) == 1 else " ".join(sides)
    return str(int(value)) if isinstance(value, bool) else str(value)
