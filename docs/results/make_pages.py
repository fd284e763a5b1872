"""Fill the tables of the pages of results from the files that are kept beside them.

    python docs/results/make_pages.py [--check]

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; page_tables.py makes it by its name. What is written
around it stays as it is. With --check nothing is written, and a page with other tables than the files give is an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from page_tables import TABLES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: What is looked for tables: the front page, and every page of the documentation beside or below that of the results.
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "results").glob("*.md"))]
BLOCK = re.compile(r"<!-- table: (?P<name>.+?) -->\n.*?<!-- end -->", re.DOTALL)


def filled(page: str) -> str:
    """The text of a page with every table made anew.

    Raises:
        KeyError: if a table has a name that page_tables.py does not know.

    """
    return BLOCK.sub(lambda block: _block(block["name"]), page)


def names_of(page: str) -> list[str]:
    """The names of the tables of a page, in order."""
    return [block["name"] for block in BLOCK.finditer(page)]


def _block(name: str) -> str:
    table = TABLES[name]().replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")  # a cell stays on one line
    return f"<!-- table: {name} -->\n\n{table}\n\n<!-- end -->"


def main() -> None:
    """Fill all pages, or check them."""
    stale = []
    for path in PAGES:
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv[1:]:
                path.write_text(after, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        raise SystemExit(f"Not what the result files give: {', '.join(stale)}. Run python docs/results/make_pages.py.")
    print(f"{len(PAGES)} pages, changed: {', '.join(stale) or 'none'}")


if __name__ == "__main__":
    main()
