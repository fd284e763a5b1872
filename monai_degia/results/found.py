"""Results of an earlier run, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError
from monai_degia.io.plain_json import parse_json

__all__ = ["FoundImage", "read_found"]


@dataclass(frozen=True)
class FoundImage:
    """What ``landmarks.json`` holds of one image, see :func:`monai_degia.results.landmark_tables.landmark_entry`.

    Args:
        image: path of the file relative to the folder that was given, with forward slashes.
        names: K names.
        points_px: K points (x, y), pixels of the file; (x, y, z) of a volume.
        size_px: (width, height) of the file, with a depth of a volume.
        confidence: K numbers in [0, 1], None if there are none.
        model_version: name and version of the model.

    """

    image: str
    names: tuple[str, ...]
    points_px: tuple[tuple[float, ...], ...]
    size_px: tuple[int, ...]
    confidence: tuple[float, ...] | None
    model_version: str


def read_found(path: str | Path) -> list[FoundImage]:
    """Read a ``landmarks.json``.

    Args:
        path: of the file.

    Raises:
        ValueError: if it is missing or holds something else.

    """
    try:
        return [_found(entry) for entry in parse_json(Path(path).read_bytes(), finite=False)]
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds no results of an inference ({type(error).__name__}: {error}).") from error


def _found(entry: dict[str, Any]) -> FoundImage:
    points, sure = entry["landmarks"], entry["landmark_confidence"]
    return FoundImage(
        image=entry["image"],
        names=tuple(points),
        points_px=tuple(tuple(map(float, point)) for point in points.values()),
        size_px=tuple(map(int, entry["image_size"])),
        confidence=None if sure is None else tuple(float(sure[name]) for name in points),
        model_version=entry["model_version"],
    )
