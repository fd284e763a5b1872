"""Tables of finished runs: mean and standard deviation over seeds, as Markdown and CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_degia.data.files import whole_file

__all__ = ["FIGURES", "domains_of", "figures_of", "group_results", "markdown_table", "values_of", "write_tables"]

#: Heading, key in a run's metrics, and how a value reads.
FIGURES: dict[str, tuple[str, Callable[[float], float], str]] = {
    "NME (% of hand size)": ("nme", lambda value: 100 * value, ".2f"),
    "MSE (normalised)": ("mse", lambda value: value, ".5f"),
    "PCK AUC (0 to 0.2)": ("auc", lambda value: value, ".3f"),
    "Accuracy (%)": ("accuracy", lambda value: 100 * value, ".2f"),
}

Result = dict[str, Any]


def figures_of(results: Sequence[Result]) -> list[str]:
    """The keys of ``FIGURES`` that the results hold."""
    held = {key for result in results for values in result["metrics"].values() for key in values}
    return [figure for figure, (key, *_) in FIGURES.items() if key in held]


def domains_of(results: Sequence[Result]) -> list[str]:
    """Every domain that was evaluated, in order."""
    return list(dict.fromkeys(domain for result in results for domain in result["metrics"]))


def group_results(results: Sequence[Result]) -> dict[tuple[str, ...], list[Result]]:
    """Results by the labels of their row."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(result["labels"].values()), []).append(result)
    return groups


def values_of(group: Sequence[Result], domain: str, figure: str) -> list[float]:
    """One value a seed, in the unit of the figure."""
    key, scale, _ = FIGURES[figure]
    return [scale(result["metrics"][domain][key]) for result in group if domain in result["metrics"]]


def markdown_table(results: Sequence[Result], figure: str) -> str:
    """One line a row of the grid, one column a domain.

    Args:
        results: results of runs.
        figure: a key of ``FIGURES``.

    Returns:
        A Markdown table; with several seeds each cell is mean ± standard deviation (of the sample, n - 1).

    """
    domains = domains_of(results)
    header = [*results[0]["labels"], *domains, "seeds", "seconds"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for labels, group in group_results(results).items():
        cells = [_cell(values_of(group, domain, figure), FIGURES[figure][2]) for domain in domains]
        seconds = statistics.mean(result["train_seconds"] for result in group)
        lines.append("| " + " | ".join([*labels, *cells, str(len(group)), f"{seconds:.0f}"]) + " |")
    return "\n".join(lines)


def write_tables(results: Sequence[Result], folder: Path) -> None:
    """Write ``summary.md`` with a table a figure, and ``summary.csv`` with one row a run and domain."""
    figures = figures_of(results)
    with whole_file(folder / "summary.md") as partial:
        sections = [f"### {figure}\n\n{markdown_table(results, figure)}\n" for figure in figures]
        partial.write_text("\n".join(sections), encoding="utf-8")
    with whole_file(folder / "summary.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        keys = [FIGURES[figure][0] for figure in figures]
        writer.writerow([*results[0]["labels"], "seed", "domain", "count", *keys, "train_seconds"])
        for result in results:
            for domain, values in result["metrics"].items():
                row = [*result["labels"].values(), result["seed"], domain, values["count"]]
                writer.writerow([*row, *(values[key] for key in keys), result["train_seconds"]])


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return "-"
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):{form}}"
