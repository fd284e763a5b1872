"""Tables of finished runs: mean and standard deviation over seeds, as Markdown and CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_degia.data.files import whole_file

__all__ = ["FIGURES", "markdown_table", "write_tables"]

#: Heading, key in a run's metrics, and how a value reads.
FIGURES: dict[str, tuple[str, Callable[[float], float], str]] = {
    "NME (% of hand size)": ("nme", lambda value: 100 * value, ".2f"),
    "MSE (normalised)": ("mse", lambda value: value, ".5f"),
    "PCK AUC (0 to 0.2)": ("auc", lambda value: value, ".3f"),
}

Result = dict[str, Any]


def markdown_table(results: Sequence[Result], figure: str = "NME (% of hand size)") -> str:
    """One row a network and method, one column a domain.

    Args:
        results: results of runs.
        figure: a key of ``FIGURES``.

    Returns:
        A Markdown table; with several seeds each cell is mean ± standard deviation (of the sample, n - 1).

    """
    domains = list(dict.fromkeys(domain for result in results for domain in result["metrics"]))
    header = ["network", "method", *domains, "seeds", "seconds"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for (backbone, method), group in _groups(results).items():
        cells = [_cell([r["metrics"][d] for r in group if d in r["metrics"]], figure) for d in domains]
        seconds = statistics.mean(result["train_seconds"] for result in group)
        lines.append(f"| {backbone} | {method} | " + " | ".join(cells) + f" | {len(group)} | {seconds:.0f} |")
    return "\n".join(lines)


def write_tables(results: Sequence[Result], folder: Path) -> None:
    """Write ``summary.md`` with a table a figure, and ``summary.csv`` with one row a run and domain."""
    with whole_file(folder / "summary.md") as partial:
        sections = [f"### {figure}\n\n{markdown_table(results, figure)}\n" for figure in FIGURES]
        partial.write_text("\n".join(sections), encoding="utf-8")
    with whole_file(folder / "summary.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        keys = [key for key, *_ in FIGURES.values()]
        writer.writerow(["network", "method", "seed", "domain", "count", *keys])
        for result in results:
            for domain, values in result["metrics"].items():
                row = [result["backbone"], result["method"], result["seed"], domain, values["count"]]
                writer.writerow([*row, *(values[key] for key in keys)])


def _groups(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result["backbone"], result["method"]), []).append(result)
    return groups


def _cell(metrics: Sequence[dict[str, Any]], figure: str) -> str:
    key, scale, form = FIGURES[figure]
    values = [scale(entry[key]) for entry in metrics]
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):{form}}"
