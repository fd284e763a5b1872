"""The tables on the page of volumes are what the example prints from the result files kept here."""

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_tables_are_those_of_the_result_files() -> None:
    page = (DOCS / "results_volumes.md").read_text(encoding="utf-8")
    compare = runpy.run_path(str(DOCS / "examples" / "segmentation" / "compare.py"))
    results = DOCS / "results" / "volumes"
    printed = {table for name in compare["TASKS"] for table in compare["tables"](results / name)}
    shown = {block.strip() for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)}
    assert len(printed) >= 3 and printed <= shown, [table for table in printed if table not in shown]
