"""All records of a run in two files: CSV for spreadsheets and data lists, JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_degia.io.files import whole_file
from monai_degia.io.spreadsheets import plain_row
from monai_degia.results.prediction import LandmarkPrediction, Point

__all__ = ["landmark_entry", "write_csv", "write_failures", "write_json"]

_ABOUT_IMAGE = ("outside", "spacing_mm", "spacing_source", "confidence", "domain_shift")
_FURTHER = (*_ABOUT_IMAGE, "modality", "mirrored", "sop_instance_uid", "model_version")


def landmark_entry(record: LandmarkPrediction) -> dict[str, Any]:
    """A record as plain values.

    Args:
        record: of one image.

    Returns:
        What ``landmarks.json`` holds for the image: ``landmarks`` and ``landmarks_mm`` map a name to [x, y],
        ``landmark_confidence`` a name to a number in [0, 1]; ``confidence`` is their mean, and ``disagreement`` the
        mean of the landmarks'; None where unknown.

    """
    confidence = record.confidence
    return {
        "image": record.image,
        "landmarks": _by_name(record.names, record.points_px, 2),
        "landmarks_mm": None if record.points_mm is None else _by_name(record.names, record.points_mm, 3),
        "landmark_confidence": confidence
        and {name: round(value, 4) for name, value in zip(record.names, confidence, strict=True)},
        "landmarks_outside": [n for n, out in zip(record.names, record.landmark_outside, strict=True) if out],
        "image_size": list(record.size_px),
        "outside": record.outside,
        "spacing_mm": None if record.spacing_mm is None else [round(side, 6) for side in record.spacing_mm],
        "spacing_source": record.spacing_source,
        "confidence": None if record.image_confidence is None else round(record.image_confidence, 4),
        "disagreement": None if record.disagreement is None else round(sum(record.disagreement) / len(record.names), 6),
        "domain_shift": None if record.domain_shift is None else float(f"{record.domain_shift:.6g}"),
        "modality": record.modality,
        "mirrored": record.mirrored,
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
        names: K landmark names, which give the columns ``<name>_x`` and ``<name>_y``.
        entries: from :func:`landmark_entry`.

    """
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", *(f"{name}_{axis}" for name in names for axis in "xy"), *_FURTHER])
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


def _csv_row(entry: dict[str, Any]) -> list[str]:
    coordinates = [f"{value:.2f}" for point in entry["landmarks"].values() for value in point]
    return [entry["image"], *coordinates, *(_cell(column, entry[column]) for column in _FURTHER)]


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "spacing_mm":
        return " ".join(dict.fromkeys(f"{side:g}" for side in value))  # one number where both are the same
    return str(int(value)) if isinstance(value, bool) else str(value)
