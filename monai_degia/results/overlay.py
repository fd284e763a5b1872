"""Overlay pictures: landmarks drawn on an image, and labelled contact sheets of such pictures."""

import colorsys
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError
from monai_degia.io.files import whole_file

#: Okabe and Ito's colours, told apart with any kind of colour vision.
FINGER_COLORS = {
    "thumb": (230, 159, 0),
    "index": (86, 180, 233),
    "middle": (0, 158, 115),
    "ring": (240, 228, 66),
    "little": (204, 121, 167),
}
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
#: Shorter side of a picture in pixels; smaller images are enlarged by a whole factor.
MIN_SIDE = 256
#: Lines are drawn at twice the size and averaged down: PIL itself does not smooth edges.
SUPERSAMPLING = 2


def draw_landmarks(
    image: Tensor | NDArray[np.floating],
    landmarks: Tensor | NDArray[np.floating],
    names: Landmarks | None = None,
    skeleton: bool = True,
    target: Tensor | NDArray[np.floating] | None = None,
    doubtful: Sequence[bool] | None = None,
    mark_size: float = 1.0,
    radii: Sequence[float] | None = None,
) -> NDArray[np.uint8]:
    """Draw landmarks as dots, and reference landmarks as white rings joined to them by white lines.

    Args:
        image: shape (C, X, Y) with C = 1 or 3, values in [0, 1], x first.
        landmarks: shape (K, 2), pixels (x, y), pixel centres at integers. What lies outside the image is not seen.
        names: of the landmarks, or their set, see :func:`monai_degia.landmark_set`, which knows bones. Fingers have
            colours of their own, others a colour by position.
        skeleton: draw the bones, where they are known.
        target: the reference, shape (K, 2), pixels; NaN where a landmark has no label.
        doubtful: K flags; such a landmark is a ring that lets the image through, and its bones are thin.
        mark_size: how large dots and lines are against the picture; 1 suits small pictures.
        radii: K radii in pixels, each drawn as a thin circle about its landmark.

    Returns:
        RGB picture, shape (H, W, 3), uint8, rows from top to bottom (y, x): the image enlarged by a whole factor until
        its shorter side has at least 256 pixels.

    Raises:
        ValueError: if a shape does not fit, a value is not finite, or the image is not in [0, 1].
    """
    pixels, points = _checked_image(image), _checked_points(landmarks, "landmarks")
    known = None if names is None else landmark_set(names)
    if known is not None and len(known.names) != len(points):
        raise UserError(f"names must name each of the {len(points)} landmarks, got {len(known.names)} names.")
    hollow = [False] * len(points) if doubtful is None else [bool(flag) for flag in doubtful]
    if len(hollow) != len(points):
        raise UserError(f"doubtful must hold a flag for each of the {len(points)} landmarks, got {len(hollow)}.")
    if radii is not None and (len(radii) != len(points) or not all(0 <= radius < np.inf for radius in radii)):
        raise UserError(f"radii must hold a number >= 0 for each of the {len(points)} landmarks, got {radii}.")
    scale = max(1, -(-MIN_SIDE // min(pixels.shape[:2])))
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    large = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    canvas = Image.fromarray(pixels).resize(large, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    # The centre of pixel 0 is half a pixel from the edge of the picture.
    spots = (points + 0.5) * scale * SUPERSAMPLING
    unit = mark_size * max(large) / 256
    colors = _colors(known.names if known else None, len(points))
    for spot, radius, color in zip(spots, radii or (), colors, strict=False):
        # Beneath all else, and thin: twenty of them overlap.
        draw.ellipse(_box(spot, radius * scale * SUPERSAMPLING), outline=color, width=max(1, round(0.45 * unit)))
    if skeleton and known is not None:
        for start, end in known.skeleton:
            thickness = 0.6 if hollow[start] or hollow[end] else 1.4
            _line(draw, spots[start], spots[end], colors[end], thickness * unit)
    if target is not None:
        reference = _checked_points(target, "target", missing=True)
        if reference.shape != points.shape:
            raise UserError(f"target must have the shape of landmarks, {points.shape}, got {reference.shape}.")
        for spot, ring in zip(spots, (reference + 0.5) * scale * SUPERSAMPLING, strict=True):
            if np.isnan(ring).any():
                continue
            _line(draw, spot, ring, WHITE, 0.8 * unit)
            draw.ellipse(_box(ring, 3.6 * unit), outline=BLACK, width=round(2.0 * unit))
            draw.ellipse(_box(ring, 3.2 * unit), outline=WHITE, width=round(1.2 * unit))
    for spot, color, ring in zip(spots, colors, hollow, strict=True):
        _dot(draw, spot, color, unit, ring)
    return np.asarray(canvas.resize(size, Image.Resampling.BOX))


def save_overlay_grid(
    path: str | os.PathLike[str],
    rows: Mapping[str, Sequence[NDArray[np.uint8] | None]],
    column_titles: Sequence[str] | None = None,
    title: str | None = None,
) -> Path:
    """Write a labelled contact sheet of pictures; the file appears complete or not at all.

    Args:
        path: the file; its suffix (``.png``, ``.jpg``, ``.pdf``, ``.svg``) is the format. Folders are created.
        rows: label of each row (a domain) -> its pictures (H, W, 3), uint8; None leaves a cell empty.
        column_titles: one a column (a method).
        title: above the sheet; the place to say what dots and rings are.

    Returns:
        The path written.

    Raises:
        ValueError: if there are no pictures, rows differ in length, titles do not fit, or the suffix is unknown.
    """
    file = Path(path)
    lengths = {label: len(pictures) for label, pictures in rows.items()}
    columns = max(lengths.values(), default=0)
    if columns == 0 or len(set(lengths.values())) > 1:
        raise UserError(f"rows must all hold the same number of pictures, at least one, got {lengths}. Pad with None.")
    if column_titles is not None and len(column_titles) != columns:
        raise UserError(f"column_titles must hold {columns} titles, one a column, got {len(column_titles)}.")
    kind = file.suffix.lstrip(".").lower()
    figure = Figure(figsize=(2.6 * columns + 0.4, 2.6 * len(rows) + (0.6 if title else 0.3)), layout="constrained")
    if kind not in FigureCanvasAgg(figure).get_supported_filetypes():
        raise UserError(f"Cannot write {file.name!r}: use the suffix .png, .jpg, .pdf or .svg.")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, fontsize=11)
        for axis, picture in zip(line, pictures, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if picture is not None:
                axis.imshow(picture)
    for axis, text in zip(axes[0], column_titles or (), strict=False):
        axis.set_title(text, fontsize=11)
    figure.suptitle(title or "", fontsize=11)
    with whole_file(file) as partial:
        figure.savefig(partial, format=kind, dpi=110)
    return file


def _checked_image(image: Tensor | NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB bytes (H, W, 3) of an image (C, X, Y)."""
    values = _to_numpy(image)
    if values.ndim != 3 or values.shape[0] not in (1, 3) or 0 in values.shape:
        raise UserError(f"image must have shape (C, X, Y) with C = 1 or 3, got {values.shape}.")
    # A resampled image may overshoot by rounding; bytes 0..255 or Hounsfield units are another matter.
    if not (values.min() >= -1e-3 and values.max() <= 1 + 1e-3):
        raise UserError(
            f"image must be in [0, 1] and finite, got [{values.min():g}, {values.max():g}]. "
            "Scale it first, for example with ScaleIntensity."
        )
    rows = np.rint(values.clip(0, 1) * 255).astype(np.uint8).transpose(2, 1, 0)
    return np.ascontiguousarray(np.broadcast_to(rows, (*rows.shape[:2], 3)))


def _checked_points(points: Tensor | NDArray[np.floating], name: str, missing: bool = False) -> NDArray[np.float64]:
    values = _to_numpy(points)
    if values.ndim != 2 or values.shape[1] != 2 or len(values) == 0:
        raise UserError(f"{name} must have shape (K, 2) with K >= 1, got {values.shape}.")
    if not (np.isfinite(values) | (missing & np.isnan(values))).all():
        raise UserError(f"{name} must be finite, but some are NaN or infinite.")
    return values


def _to_numpy(values: Tensor | NDArray[np.floating]) -> NDArray[np.float64]:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.asarray(array, dtype=np.float64)


def _colors(names: Sequence[str] | None, count: int) -> list[tuple[int, int, int]]:
    fingers = [name.rpartition("_")[0] for name in names or ()]
    if any(finger in FINGER_COLORS for finger in fingers):
        return [FINGER_COLORS.get(finger, WHITE) for finger in fingers]
    hues = [colorsys.hsv_to_rgb(0.85 * index / count, 0.8, 1.0) for index in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]


def _line(
    draw: ImageDraw.ImageDraw,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    color: tuple[int, int, int],
    width: float,
) -> None:
    """A line with a dark rim, to be seen on bright and on dark ground."""
    ends = [(float(start[0]), float(start[1])), (float(end[0]), float(end[1]))]
    draw.line(ends, fill=BLACK, width=round(1.8 * width))
    draw.line(ends, fill=color, width=round(width))


def _dot(
    draw: ImageDraw.ImageDraw, spot: NDArray[np.float64], color: tuple[int, int, int], unit: float, hollow: bool
) -> None:
    if hollow:
        draw.ellipse(_box(spot, 3.0 * unit), outline=BLACK, width=round(1.6 * unit))
        draw.ellipse(_box(spot, 2.6 * unit), outline=color, width=round(0.9 * unit))
    else:
        draw.ellipse(_box(spot, 2.4 * unit), fill=BLACK)
        draw.ellipse(_box(spot, 1.8 * unit), fill=color)


def _box(spot: NDArray[np.float64], radius: float) -> tuple[float, float, float, float]:
    x, y = float(spot[0]), float(spot[1])
    # PIL counts pixel centres from 0, the picture's coordinates count from its edge.
    return x - radius - 0.5, y - radius - 0.5, x + radius - 0.5, y + radius - 0.5
