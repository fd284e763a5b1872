"""The page of a report: template, style and scripts put together into one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monai_degia.data.lists.landmark_sets import LandmarkSet
from monai_degia.io.files import whole_file
from monai_degia.reports.report_plots import report_plots
from monai_degia.results.overlay import FINGER_COLORS
from monai_degia.results.prediction import Point

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["SORTS", "image_entry", "write_page"]

_FOLDER = "report_page"
_SCRIPTS = ("cards.js", "grid.js", "detail.js", "page.js")
#: Key, name, and whether large numbers are the doubtful ones. The first that is known sorts the page at first.
SORTS = (
    ("confidence", "Confidence", False),
    ("radius", "Radius", True),
    ("shift", "Domain shift", True),
    ("error", "Error", True),
)


def image_entry(
    name: str,
    size: tuple[int, int],
    points: Sequence[Point],
    labels: Sequence[Point] | None,
    measured: Mapping[str, Any],
) -> str:
    """What the page knows of one image.

    Args:
        name: of the image.
        size: (X, Y) of the picture that the points refer to, in pixels.
        points: K predicted landmarks (x, y), pixels.
        labels: K references alike, if there are any; NaN where one is missing.
        measured: ``domain``, whether the confidence is ``withheld``, and ``confidence`` (K,), ``radius`` (K,),
            ``error`` (K,) and ``shift`` (1,), None where there are none.

    Returns:
        One line of JSON that may stand between any two tags. What is not finite is null; ``order`` holds the means by
        which the page sorts.

    """
    entry = {
        "name": name,
        "domain": measured["domain"],
        "size": size,
        "points": _rounded(points),
        "labels": None if labels is None else _rounded(labels),
        "confidence": _numbers(measured["confidence"]),
        "radius": _numbers(measured["radius"]),
        "withheld": measured["withheld"],
        "error": _numbers(measured["error"]),
        "order": {key: _order(key, measured[key]) for key, _, _ in SORTS},
    }
    from jinja2.utils import htmlsafe_json_dumps

    return str(htmlsafe_json_dumps(entry, json.dumps, allow_nan=False, separators=(",", ":")))


def write_page(
    path: Path,
    landmarks: LandmarkSet,
    rows: Sequence[Mapping[str, Any]],
    images: Iterable[tuple[str, str]],
    about: Mapping[str, Any],
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the file.
        landmarks: the K landmarks.
        rows: ``measured`` of :func:`image_entry`, an image each.
        images: for each image its entry and its WebP picture in base64, read one at a time.
        about: ``model_version``, ``unread`` (number of images without a result), ``from_network`` (whether pictures
            are those that the network saw) and ``doubtful_below`` (confidence).

    """
    from markupsafe import Markup

    domains = [row["domain"] for row in rows]
    columns = {key: [row[key] for row in rows] for key, _, _ in SORTS}
    told = {key for key, values in columns.items() if any(_order(key, value) is not None for value in values)}
    if any(row["withheld"] for row in rows):
        told.add("confidence")
    known = [key for key, _, _ in SORTS if key in told]
    script = "\n".join(_text(name) for name in _SCRIPTS)
    stream = _template().stream(
        **about,
        settings=_settings(landmarks, domains, known, about["doubtful_below"]),
        count=len(rows),
        known=known,
        plots=report_plots(landmarks, domains, columns),
        size_name=landmarks.size_name,
        images=((Markup(entry), Markup(picture)) for entry, picture in images),
        css=Markup(_text("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    stream.enable_buffering(64)
    with (
        whole_file(path) as partial,
        partial.open("w", encoding="utf-8", errors="xmlcharrefreplace", newline="\n") as file,
    ):
        file.writelines(stream)


def _settings(landmarks: LandmarkSet, domains: Sequence[str], known: Sequence[str], doubtful_below: float) -> Any:
    """What the page's scripts know of the run as a whole."""
    return {
        "names": landmarks.names,
        "colors": _colors(landmarks.names),
        "bones": landmarks.skeleton,
        "domains": list(dict.fromkeys(domains)),
        "sorts": [{"key": key, "label": label, "descending": down} for key, label, down in SORTS if key in known],
        "doubtfulBelow": doubtful_below,
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("monai_degia", f"reports/{_FOLDER}"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")


@cache
def _text(name: str) -> str:
    """A part of the page that comes with the package; a browser's hash of a script is that of its Unix lines."""
    text = (resources.files("monai_degia.reports") / _FOLDER / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _colors(names: Sequence[str]) -> list[str]:
    """CSS colours, those of the overlay pictures for hands."""
    fingers = [name.rpartition("_")[0] for name in names]
    if any(finger in FINGER_COLORS for finger in fingers):
        shades = [FINGER_COLORS.get(finger, (255, 255, 255)) for finger in fingers]
        return [f"rgb({r} {g} {b})" for r, g, b in shades]
    return [f"hsl({round(306 * index / len(names))} 80% 60%)" for index in range(len(names))]


def _rounded(points: Sequence[Point]) -> list[list[float] | None]:
    return [None if math.isnan(x + y) else [round(x, 2), round(y, 2)] for x, y in points]


def _numbers(values: NDArray[np.floating] | None) -> list[float | None] | None:
    if values is None or not np.isfinite(values).any():
        return None
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _order(key: str, values: NDArray[np.floating] | None) -> float | None:
    """What an image is sorted by: landmarks without a label have no error, and say nothing of the others."""
    if key == "error" and values is not None and not np.isnan(values).all():
        values = values[~np.isnan(values)]
    return _mean(values)


def _mean(values: NDArray[np.floating] | None) -> float | None:
    """Mean of all numbers of an image; None if one is unknown, for a mean of the others would mislead."""
    if values is None or not np.isfinite(values).all():
        return None
    return float(f"{float(np.mean(values, dtype=np.float64)):.6g}")
