"""Plots of landmark errors behind a table: PCK curves, and the error of each landmark."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from monai_degia.experiments.tables import Result, domains_of, group_results
from monai_degia.io.files import whole_file

__all__ = ["plot_landmarks", "plot_pck"]

#: The label that has a row of panels of its own for each of its values.
_NETWORK = "network"
_DASHES = ("-", "--", ":", "-.")


def plot_pck(results: Sequence[Result], path: Path) -> Path | None:
    """Draw the share of landmarks within a distance over the distance, one panel a domain and one line a row.

    Several networks have a row of panels each.

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

    Several networks have a row of panels each.

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

    networks = list(dict.fromkeys(result["labels"].get(_NETWORK, "") for result in results))
    several = len(networks) > 1
    columns = len(domains) if several else min(3, len(domains))
    rows = -(-len(networks) * len(domains) // columns)
    # Panels of one domain share their axes only where they stand in one column.
    share: Literal["col", "none"] = "col" if several else "none"
    size = (1 + (2.8 if several else 3.6) * columns, 0.8 + (2.2 if several else 3.2) * rows)
    canvas, grid = plt.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, sharex=share, sharey=share
    )
    styles = _styles(results)
    lines: dict[str, Any] = {}
    for axes, (network, domain) in zip(grid.flat, itertools.product(networks, domains), strict=False):
        shown = [result for result in results if result["labels"].get(_NETWORK, "") == network]
        lines |= _draw_lines(axes, shown, domain, read, styles)
        axes.set_title(f"{network}: {domain}" if several else domain, fontsize=10)
        axes.set_xlabel(x_label if not several or axes in grid[-1] else "")
        axes.set_ylabel(y_label if not several or axes in grid[:, 0] else "")
        if not x_label:
            axes.tick_params(axis="x", rotation=90, labelsize=7)
    for axes in grid.flat:
        # Behind all lines: a limit ends the scaling of every panel that shares it.
        axes.set_ylim(bottom=0)
    for axes in list(grid.flat)[len(networks) * len(domains) :]:
        axes.set_axis_off()
    canvas.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=min(4, columns), frameon=False)
    with whole_file(path) as partial:
        canvas.savefig(partial, dpi=140, format="png")
    plt.close(canvas)
    return path


def _draw_lines(
    axes: Any,
    results: Sequence[Result],
    domain: str,
    read: Callable[[dict[str, Any]], dict[Any, float] | None],
    styles: dict[tuple[str, ...], tuple[str, str]],
) -> dict[str, Any]:
    """Draw a line for each row of one network, and give the lines by name."""
    lines = {}
    for group in group_results(results).values():
        seeds = [found for result in group if (found := read(result["metrics"].get(domain, {})))]
        if seeds:
            means = {key: statistics.mean(found[key] for found in seeds if key in found) for key in seeds[0]}
            color, dash = styles[_line(group[0])]
            (line,) = axes.plot(list(means), list(means.values()), dash, color=color, linewidth=1.2)
            lines[", ".join(_line(group[0]))] = line
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return lines


def _line(result: Result) -> tuple[str, ...]:
    """What a line is called: the labels of its row but for the network, which its panel names."""
    return tuple(label for column, label in result["labels"].items() if column != _NETWORK)


def _styles(results: Sequence[Result]) -> dict[tuple[str, ...], tuple[str, str]]:
    """A colour for each method and a dash for each way to ask it, the same in all panels."""
    names = list(dict.fromkeys(_line(result) for result in results))
    methods, ways = (list(dict.fromkeys(parts)) for parts in ((n[:1] for n in names), (n[1:] for n in names)))
    # "C0" to "C9" are matplotlib's names for the colours of its cycle, which starts again behind them.
    return {name: (f"C{methods.index(name[:1])}", _DASHES[ways.index(name[1:]) % len(_DASHES)]) for name in names}
