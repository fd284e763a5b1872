"""Plots of a report, as SVG that takes the colours of the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monai_degia.data.lists.landmark_sets import LandmarkSet

__all__ = ["ReportPlot", "report_plots"]

# Colours that no plot would choose; each becomes a CSS variable, so that one drawing suits light and dark pages.
_INK, _GRID = "#010101", "#020202"
_SERIES = tuple(f"#03000{number}" for number in range(6))
_VARIABLES = {_INK: "var(--ink)", _GRID: "var(--line)"} | {c: f"var(--series-{i})" for i, c in enumerate(_SERIES)}
_MARKERS = "osD^vP"
_WIDTH = 4.6  # inches, of 72 CSS points
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a domain may be called "$x"
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "grid.color": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}

#: What is plotted, how its axis is called, and the factor from the stored number.
_MEASURES = {
    "confidence": ("confidence (%)", 100.0),
    "radius": ("radius (% of {size_name})", 100.0),
    "error": ("error (% of {size_name})", 100.0),
    "shift": ("domain shift (standard deviations)", 1.0),
}


@dataclass(frozen=True)
class ReportPlot:
    """A drawing and what it shows.

    Args:
        title: heading.
        note: how to read it.
        svg: the drawing, an ``<svg>`` element in which names are escaped.

    """

    title: str
    note: str
    svg: str


def report_plots(
    landmarks: LandmarkSet, domains: Sequence[str], measures: Mapping[str, Sequence[NDArray[np.floating] | None]]
) -> list[ReportPlot]:
    """Draw each measure over the landmarks and over the domains.

    Args:
        landmarks: the K landmarks.
        domains: domain of each of the N images.
        measures: ``confidence``, ``radius`` and ``error`` give each image K numbers, ``shift`` one; NaN or None where
            unknown. A measure that no image has is left out.

    Returns:
        The plots.

    """
    plots = []
    for key in ("confidence", "radius", "error"):
        groups = _by_domain(domains, measures.get(key, ()))
        if groups:
            # More series than colours would not be told apart.
            series = groups if len(groups) <= len(_SERIES) else {"all domains": np.concatenate(list(groups.values()))}
            note = "Marks are medians over the images, lines reach from the lower to the upper quartile."
            plots.append(ReportPlot(f"{key.capitalize()} of each landmark", note, _landmarks(landmarks, series, key)))
    for key in ("confidence", "radius", "shift", "error"):
        groups = _by_domain(domains, measures.get(key, ()))
        if groups:
            title = f"{'Domain shift' if key == 'shift' else key.capitalize()} in each domain"
            note = "Boxes span the middle half, lines 90 % of the " + ("images." if key == "shift" else "landmarks.")
            plots.append(ReportPlot(title, note, _domains(landmarks, groups, key)))
    return plots


def _by_domain(
    domains: Sequence[str], values: Sequence[NDArray[np.floating] | None]
) -> dict[str, NDArray[np.floating]]:
    """Rows of each domain, (n, K) or (n, 1), without images and domains of which nothing is known."""
    groups: dict[str, list[NDArray[np.floating]]] = {}
    for domain, row in zip(domains, values, strict=False):
        if row is not None and np.isfinite(row).any():
            groups.setdefault(domain, []).append(np.atleast_1d(row))
    return {domain: np.stack(rows) for domain, rows in groups.items()}


def _landmarks(landmarks: LandmarkSet, groups: Mapping[str, NDArray[np.floating]], key: str) -> str:
    (label, factor), names = _MEASURES[key], landmarks.names
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"landmarks {key}"}):
        figure, axes = _figure(0.9 + 0.2 * len(names) + 0.05 * len(names) * (len(groups) - 1))
        step = 0.75 / len(groups)
        for index, (domain, color, marker) in enumerate(zip(groups, cycle(_SERIES), cycle(_MARKERS), strict=False)):
            low, middle, high = factor * _quartiles(groups[domain])
            places = np.arange(len(names)) + (index - (len(groups) - 1) / 2) * step
            axes.hlines(places, low, high, color=color, linewidth=1.4, alpha=0.6, clip_on=False)
            axes.plot(middle, places, marker, color=color, markersize=4, label=_short(domain), clip_on=False)
        _finish(axes, [name.replace("_", " ") for name in names], label.format(size_name=landmarks.size_name), key)
        if len(groups) > 1:
            figure.legend(loc="outside upper center", ncols=3, fontsize=8, handletextpad=0.2)
        return _svg(figure)


def _domains(landmarks: LandmarkSet, groups: Mapping[str, NDArray[np.floating]], key: str) -> str:
    label, factor = _MEASURES[key]
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"domains {key}"}):
        figure, axes = _figure(0.8 + 0.36 * len(groups))
        for place, (values, color) in enumerate(zip(groups.values(), cycle(_SERIES), strict=False)):
            known = factor * values[np.isfinite(values)]
            lowest, low, middle, high, highest = np.percentile(known, (5, 25, 50, 75, 95))
            axes.hlines(place, lowest, highest, color=color, linewidth=1.4)
            axes.barh(place, high - low, 0.5, left=low, color=color, alpha=0.35)
            axes.vlines(middle, place - 0.25, place + 0.25, color=color, linewidth=2.5, clip_on=False)
        _finish(
            axes,
            [f"{_short(domain)} ({len(values)})" for domain, values in groups.items()],
            label.format(size_name=landmarks.size_name),
            key,
        )
        return _svg(figure)


def _quartiles(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Shape (3, K); NaN, which is not drawn, for a landmark of which nothing is known."""
    columns = [column[np.isfinite(column)] for column in values.T]
    unknown = np.full(3, np.nan)
    return np.stack([np.percentile(c, (25, 50, 75)) if len(c) else unknown for c in columns], axis=1)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def _finish(axes: Axes, rows: Sequence[str], label: str, key: str) -> None:
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.set_xlim(left=0, right=100 if key == "confidence" else None)
    axes.grid(axis="x", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_axisbelow(True)


def _short(domain: str, length: int = 22) -> str:
    # Half of a surrogate pair, from a file name in another encoding, cannot be drawn.
    clean = " ".join(domain.encode("utf-8", "replace").decode().split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    text = buffer.getvalue()
    drawing = text[text.index("<svg") :]
    # Names would come again in the next drawing of the page; those that are referred to are salted.
    drawing = re.sub(r' id="([^"]+)"', lambda found: found[0] if f"#{found[1]}" in text else "", drawing)
    # Matplotlib's style would hold for all that the page draws.
    drawing = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", drawing, count=1, flags=re.DOTALL)
    return re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], drawing)
