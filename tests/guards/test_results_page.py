"""The tables on the page of results are what the commands beside them print from the result files kept here."""

import re
from pathlib import Path
from typing import Any

import pytest

from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.comparison import comparison_table
from monai_degia.experiments.runner import read_results
from monai_degia.experiments.tables import domain_table, figures_of, markdown_table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "results.md").read_text(encoding="utf-8")
SEVERAL = "run/self_consistent"
#: Grid to the overlay of a second evaluation if there is one. The rows of ``hands`` are among those of ``table2``.
KEPT = {"hands": SEVERAL, "table2": SEVERAL, "peers_short": ""}


def folder_of(grid: str) -> Path:
    return DOCS / "results" / {"table2": "hands"}.get(grid, grid)


def kept_results(grid: str) -> list[dict[str, Any]]:
    runs, folder, overlay = GRIDS[grid].runs(), folder_of(grid), KEPT[grid]
    results = read_results(runs, folder)
    if overlay:
        results = [{**result, "labels": {**result["labels"], "inference": "one look"}} for result in results]
        results += read_results(runs, folder, overlay)
    return results


@pytest.mark.parametrize("grid", KEPT)
def test_the_table_of_every_grid_is_shown(grid: str) -> None:
    tables = [markdown_table(kept_results(grid), GRIDS[grid].figure, GRIDS[grid].columns)]
    if GRIDS[grid].columns:
        tables.append(domain_table(kept_results(grid), GRIDS[grid].figure))
    for table in tables:
        assert table in PAGE, f"docs/results.md lacks this table:\n{table}"


@pytest.mark.parametrize("overlay", ["", SEVERAL])
def test_the_ratios_beside_the_papers_are_shown(overlay: str) -> None:
    grid = GRIDS["table2"]
    table = comparison_table(read_results(grid.runs(), folder_of("table2"), overlay), grid.figure, grid.published)
    assert table in PAGE, f"docs/results.md lacks this table:\n{table}"


def test_every_table_of_runs_is_of_result_files() -> None:
    shown = [block.strip() for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)]
    shown = [table for table in shown if table.splitlines()[0].endswith("| seeds | seconds |")]
    kept = [(kept_results(grid), GRIDS[grid].columns) for grid in KEPT]
    printed = {markdown_table(results, figure, columns) for results, columns in kept for figure in figures_of(results)}
    assert len(shown) >= len(KEPT) and set(shown) <= printed, [table for table in shown if table not in printed]
