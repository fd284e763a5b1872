"""A table as a picture: one bar a row and domain, with the standard deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_degia.experiments.figures import FIGURES
from monai_degia.experiments.tables import Result, domains_of, group_results, means_of
from monai_degia.io.files import whole_file

__all__ = ["plot_results"]


def plot_results(
    results: Sequence[Result], figure: str, path: Path, columns: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """Draw means over seeds as horizontal bars, standard deviations as error bars.

    Args:
        results: results of runs.
        figure: a key of ``figures.FIGURES``.
        path: the PNG file to write.
        columns: heading to the domains whose mean is one bar, as in the table; default: every domain.

    Returns:
        ``path``.

    """
    # Imported here: a worker that trains needs no drawing library.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown, groups = columns or {domain: [domain] for domain in domains_of(results)}, group_results(results)
    height = 0.8 / len(shown)
    figure_size = (8, 1.2 + (0.18 + 0.16 * len(shown)) * len(groups))
    canvas, axes = plt.subplots(figsize=figure_size, layout="constrained")
    for index, (heading, domains) in enumerate(shown.items()):
        values = [means_of(group, domains, figure) for group in groups.values()]
        positions = [row + index * height for row, seeds in enumerate(values) if seeds]
        means = [statistics.mean(seeds) for seeds in values if seeds]
        spread = [statistics.stdev(seeds) if len(seeds) > 1 else 0.0 for seeds in values if seeds]
        bars = axes.barh(positions, means, height * 0.92, xerr=spread, label=heading, error_kw={"linewidth": 0.8})
        axes.bar_label(bars, fmt=f"{{:{FIGURES[figure].form}}}", padding=3, fontsize=7)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(groups))], [", ".join(key) for key in groups])
    axes.set_ylim(len(groups) - 0.1, -0.3)
    axes.set_xlabel(figure)
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.legend(loc="outside upper center", ncols=len(shown), frameon=False)
    with whole_file(path) as partial:
        canvas.savefig(partial, dpi=140, format="png")
    plt.close(canvas)
    return path
