"""Tables of finished runs: mean and standard deviation over seeds, as Markdown and CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_degia.experiments.figures import FIGURES
from monai_degia.io.files import whole_file

__all__ = [
    "domain_table",
    "domains_of",
    "figures_of",
    "group_results",
    "markdown",
    "markdown_table",
    "means_of",
    "values_of",
    "write_tables",
]

Result = dict[str, Any]
_PROCESSOR = "train_processor_seconds"


def figures_of(results: Sequence[Result]) -> list[str]:
    """The keys of ``FIGURES`` that the results hold."""
    held = [values for result in results for values in result["metrics"].values()]
    return [name for name, figure in FIGURES.items() if any(figure.read(values) is not None for values in held)]


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
    """One value a seed where it is known, in the unit of the figure."""
    found = [FIGURES[figure].read(result["metrics"].get(domain, {})) for result in group]
    return [FIGURES[figure].scale * value for value in found if value is not None]


def means_of(group: Sequence[Result], domains: Sequence[str], figure: str) -> list[float]:
    """One value a seed, the mean over domains, each with the same weight; of seeds that have them all."""
    known = [[values_of([result], domain, figure) for domain in domains] for result in group]
    return [statistics.mean(value for (value,) in values) for values in known if values and all(values)]


def markdown_table(results: Sequence[Result], figure: str, columns: Mapping[str, Sequence[str]] | None = None) -> str:
    """One line a row of the grid, one column a domain, or a mean over domains.

    Args:
        results: results of runs.
        figure: a key of ``FIGURES``.
        columns: heading to the domains whose mean stands under it, each with the same weight; default: every domain.

    Returns:
        A Markdown table; with several seeds each cell is mean ± standard deviation (of the sample, n - 1). Seconds are
        the processor's for training a run, by the wall clock where no result of the row holds them; runs that were
        stopped and went on are not counted there.

    """
    shown = columns or {domain: [domain] for domain in domains_of(results)}
    header = [*results[0]["labels"], *shown, "seeds", "seconds"]
    rows = []
    for labels, group in group_results(results).items():
        cells = [_cell(means_of(group, domains, figure), FIGURES[figure].form) for domains in shown.values()]
        rows.append([*labels, *cells, str(len(group)), _seconds(group)])
    return markdown(header, rows)


def domain_table(results: Sequence[Result], figure: str) -> str:
    """One line a domain, one column a row of the grid: for many domains; means over seeds."""
    groups = group_results(results)
    rows = []
    for domain in domains_of(results):
        values = [values_of(group, domain, figure) for group in groups.values()]
        rows.append([domain, *(format(statistics.mean(own), FIGURES[figure].form) if own else "-" for own in values)])
    return markdown(["domain", *(", ".join(labels) for labels in groups)], rows)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    line, *lines = ("| " + " | ".join(row) + " |" for row in (header, *rows))
    return "\n".join([line, "|" + "---|" * len(header), *lines])


def write_tables(results: Sequence[Result], folder: Path, columns: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write ``summary.md`` with a table a figure, and ``summary.csv`` with one row a run and domain."""
    figures = figures_of(results)
    with whole_file(folder / "summary.md") as partial:
        sections = [f"### {figure}\n\n{markdown_table(results, figure, columns)}\n" for figure in figures]
        sections += [f"{domain_table(results, figure)}\n" for figure in figures if columns]
        partial.write_text("\n".join(sections), encoding="utf-8")
    with whole_file(folder / "summary.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        headings = [FIGURES[figure].column for figure in figures]
        writer.writerow([*results[0]["labels"], "seed", "domain", "count", *headings, "train_seconds", _PROCESSOR])
        for result in results:
            for domain, values in result["metrics"].items():
                row = [*result["labels"].values(), result["seed"], domain, values["count"]]
                shown = [FIGURES[figure].read(values) for figure in figures]
                shown += [result["train_seconds"], result.get(_PROCESSOR)]
                writer.writerow([*row, *("" if value is None else value for value in shown)])


def _seconds(group: Sequence[Result]) -> str:
    measured = [result[_PROCESSOR] for result in group if _PROCESSOR in result]
    timed = measured or [result["train_seconds"] for result in group if result["train_seconds"] is not None]
    return f"{statistics.mean(timed):.0f}" if timed else "-"


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return "-"
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):{form}}"
