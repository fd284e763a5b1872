"""Plots of landmark errors behind a table: PCK curves, and the error of each landmark."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_degia.data.files import whole_file
from monai_degia.experiments.tables import Result, domains_of, group_results

__all__ = ["plot_landmarks", "plot_pck"]


def plot_pck(results: Sequence[Result], path: Path) -> Path | None:
    """Draw the share of landmarks within a distance over the distance, one panel a domain and one line a row.

    Args:
        results: results of runs; lines are means over seeds.
        path: the PNG file to write.

    Returns:
        ``path``, or ``None`` if the results hold no PCK.

    """

    def curve(values: dict[str, Any]) -> dict[Any, float] | None:
        pck = values.get("pck")
        return None if not pck else dict(zip(pck["thresholds"], (100 * rate for rate in pck["rates"]), strict=True))

    return _panels(results, path, curve, "distance as a share of the hand size", "landmarks within it (%)")


def plot_landmarks(results: Sequence[Result], path: Path) -> Path | None:
    """Draw the error of each landmark, one panel a domain and one line a row.

    Args:
        results: results of runs; lines are means over seeds.
        path: the PNG file to write.

    Returns:
        ``path``, or ``None`` if the results hold no errors by landmark.

    """

    def errors(values: dict[str, Any]) -> dict[Any, float] | None:
        each = values.get("nme_per_landmark")
        return None if not each else {name: 100 * error for name, error in each.items() if error is not None}

    return _panels(results, path, errors, "", "error (% of hand size)")


def _panels(
    results: Sequence[Result],
    path: Path,
    read: Callable[[dict[str, Any]], dict[Any, float] | None],
    x_label: str,
    y_label: str,
) -> Path | None:
    domains = [name for name in domains_of(results) if any(read(r["metrics"].get(name, {})) for r in results)]
    if not domains:
        return None
    # Imported here: a worker that trains needs no drawing library.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(3, len(domains))
    rows = -(-len(domains) // columns)
    canvas, grid = plt.subplots(
        rows, columns, figsize=(1 + 3.6 * columns, 0.8 + 3.2 * rows), layout="constrained", squeeze=False
    )
    styles = [(color, dash) for dash in ("-", "--", ":") for color in plt.get_cmap("tab10")(range(10))]
    lines: dict[str, Any] = {}
    for axes, domain in zip(grid.flat, domains, strict=False):
        for (labels, group), (color, dash) in zip(group_results(results).items(), styles * len(results), strict=False):
            seeds = [found for result in group if (found := read(result["metrics"].get(domain, {})))]
            if seeds:
                means = {key: statistics.mean(found[key] for found in seeds if key in found) for key in seeds[0]}
                (line,) = axes.plot(list(means), list(means.values()), dash, color=color, linewidth=1.2)
                lines.setdefault(", ".join(labels), line)
        axes.set_title(domain, fontsize=10)
        axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if not x_label:
            axes.tick_params(axis="x", rotation=90, labelsize=7)
    for axes in list(grid.flat)[len(domains) :]:
        axes.set_axis_off()
    canvas.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    with whole_file(path) as partial:
        canvas.savefig(partial, dpi=140, format="png")
    plt.close(canvas)
    return path
