"""Corrected Slicer markups back to pixels of the image file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_degia.errors import UserError
from monai_degia.io.plain_json import parse_json
from monai_degia.io.suffixes import PICTURE_SUFFIXES
from monai_degia.io.viewer_frame import viewer_frame
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["markup_pixels", "read_markups"]

_PROBE = 1000.0  # pixels; positions in the file are rounded, so the probes lie far apart
_PLANE_TOLERANCE = 1.0  # mm; a point that was dragged in a slice view keeps to the slice
_FARTHEST = 1e6  # mm; beyond, numbers lose the pixel
_LARGEST = 4 << 20  # bytes of a label


def markup_pixels(text: str | bytes, file: str | Path, names: Sequence[str], margin: float = 0.1) -> np.ndarray:
    """Landmarks of a label in pixels of its image; undoes :class:`monai_degia.MarkupsWriter`.

    Args:
        text: content of a ``.mrk.json`` file.
        file: the image that it belongs to.
        names: the K landmarks, each of which the label must hold once.
        margin: how far a landmark may lie beyond the image's edge, as a fraction of the side.

    Returns:
        Float64 pixel coordinates (K, 2), pixel centres at integers, in the order of the names; NaN where a landmark is
        not placed.

    Raises:
        RefusedRequest: if the label or the image cannot be used.

    """
    positions = read_markups(text, names)
    placed = ~np.isnan(positions).any(1)
    positions, known = positions[placed], [name for name, there in zip(names, placed, strict=True) if there]
    origin, axes, size = _frame(Path(file))
    points, *_ = np.linalg.lstsq(axes, (positions - origin).T, rcond=None)
    away = np.abs((positions - origin).T - axes @ points).max(0)
    if away.max() > _PLANE_TOLERANCE:
        raise RefusedRequest(
            f"{known[away.argmax()]} lies {away.max():.1f} mm off the image's plane. Move points in the slice view."
        )
    beyond = np.maximum(-0.5 - points.T, points.T - (size - 0.5)) / size
    if beyond.max() > margin:
        worst = int(beyond.max(1).argmax())
        x, y = points[:, worst]
        raise RefusedRequest(
            f"{int((beyond.max(1) > margin).sum())} landmarks lie outside the {size[0]} x {size[1]} image, "
            f"{known[worst]} farthest at ({x:.1f}, {y:.1f}) pixels. Check that the label belongs to this image."
        )
    found = np.full((len(names), 2), np.nan)
    found[placed] = points.T
    return found


def read_markups(text: str | bytes, names: Sequence[str]) -> np.ndarray:
    """Positions of the named points of a Slicer point list.

    Args:
        text: content of a ``.mrk.json`` file.
        names: the K landmarks.

    Returns:
        LPS positions (K, 3) in mm, in the order of the names; NaN for one that is not placed.

    Raises:
        RefusedRequest: if the text is no such file, a point is missing, unknown, repeated or not finite, or none is
            placed.

    """
    markup = _point_list(text)
    points = markup.get("controlPoints")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise RefusedRequest("The label's point list has no list of controlPoints.")
    given = [str(point.get("label")) for point in points]
    for problem, found in (
        ("lacks", [name for name in names if name not in given]),
        ("has unknown", sorted(set(given) - set(names))),
        ("repeats", sorted({name for name in given if given.count(name) > 1})),
    ):
        if found:
            raise RefusedRequest(
                f"The label {problem} {', '.join(found)}. It must hold each of {len(names)} landmarks."
            )
    by_name = dict(zip(given, points, strict=True))
    positions = np.array([_position(name, by_name[name]) for name in names])
    if np.isnan(positions).all():
        raise RefusedRequest("No landmark of the label is placed. Place those that can be seen.")
    return positions * (-1.0, -1.0, 1.0) if markup.get("coordinateSystem") == "RAS" else positions


def _point_list(text: str | bytes) -> dict[str, Any]:
    if len(text) > _LARGEST:
        raise RefusedRequest(f"A label has at most {_LARGEST} bytes, this one has {len(text)}.", 413)
    try:
        content = parse_json(text, finite=False)
    except UserError as error:
        raise RefusedRequest(f"The label is not valid JSON: {error}. Save it as .mrk.json.") from None
    markups = content.get("markups") if isinstance(content, dict) else None
    given = markups if isinstance(markups, list) else []
    lists = [markup for markup in given if isinstance(markup, dict) and markup.get("type") == "Fiducial"]
    if len(lists) != 1:
        raise RefusedRequest(
            f"A label is a .mrk.json file with one point list (a markup of type Fiducial), this one has {len(lists)}."
        )
    system, units = lists[0].get("coordinateSystem", "LPS"), lists[0].get("coordinateUnits", "mm")
    if system not in ("LPS", "RAS") or (isinstance(units, str) and units != "mm"):
        raise RefusedRequest(f"The label's points must be LPS or RAS in mm, they are {system!r} in {units!r}.")
    return lists[0]


def _position(name: str, point: dict[str, Any]) -> list[float]:
    position = point.get("position")
    if point.get("positionStatus", "defined") != "defined" or position is None:
        return [math.nan] * 3  # what cannot be seen has no label
    numbers = position if isinstance(position, list) and len(position) == 3 else []
    # A comparison, for integers that no float holds; nothing compares with NaN.
    good = [v for v in numbers if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= _FARTHEST]
    if len(good) != 3:
        raise RefusedRequest(
            f"The position of {name} must be three finite numbers of at most {_FARTHEST:.0e} mm, it is "
            f"{str(position)[:80]}."
        )
    return [float(value) for value in good]


def _frame(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LPS position (3,) of the first pixel, steps (3, 2) a pixel along x and y, image size (2,).

    That of the viewer, as the writer of markups takes it; where ITK does not read the file, from what the writer
    writes, so that both directions follow one map.
    """
    with suppress(UserError):
        shown = viewer_frame(file, spatial_dims=2)
        return shown.origin, shown.axes, np.array(shown.size)
    try:
        sample = FileGeometryd("image")(LoadAnyImaged("image")({"image": str(file)}))
    except ValueError as error:
        raise RefusedRequest(" ".join(str(error).replace(str(file), file.name).split())) from None
    meta, spacing = sample["image"].meta, sample["spacing"]
    affine = None if file.name.lower().endswith(PICTURE_SUFFIXES) else meta["file_affine"].tolist()
    record = LandmarkPrediction(
        image=file.name,
        file=file,
        output_name="probe",
        names=("origin", "x", "y"),
        points_px=((0.0, 0.0), (_PROBE, 0.0), (0.0, _PROBE)),
        size_px=(int(meta["spatial_shape"][0]), int(meta["spatial_shape"][1])),
        spacing_mm=(float(spacing[0]), float(spacing[1])) if torch.isfinite(spacing).all() else None,
        affine=affine and tuple(tuple(row) for row in affine),
    )
    with tempfile.TemporaryDirectory() as folder:
        origin, x, y = read_markups(MarkupsWriter(folder).write(record).read_bytes(), record.names)
    return origin, np.stack([x - origin, y - origin], 1) / _PROBE, np.array(record.size_px)
