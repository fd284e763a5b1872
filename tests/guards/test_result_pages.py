"""Pages of results show what the result files hold, and the short pages say nothing that the long ones do not."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"
SHORT = ["README.md", "docs/results.md"]
#: A number with decimals that is a figure: neither a version nor part of a name.
FIGURE = re.compile(r"(?<![\w./-])\d{1,3}\.\d+(?![\w./])")


@pytest.fixture(scope="module")
def make_pages() -> Iterator[Any]:
    """The script that fills the pages, imported as it would be run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "results"))
        yield importlib.import_module("make_pages")
        for name in ("make_pages", "page_tables", "overview_tables", "volume_tables"):
            sys.modules.pop(name, None)


def test_tables_are_those_of_the_result_files(make_pages: Any) -> None:
    for path in make_pages.PAGES:
        text = path.read_text(encoding="utf-8")
        assert make_pages.filled(text) == text, f"{path.name} is stale: run python docs/results/make_pages.py"


def test_every_table_is_shown_once_on_the_long_pages_and_none_is_typed(make_pages: Any) -> None:
    shown = [name for path in make_pages.PAGES for name in make_pages.names_of(path.read_text(encoding="utf-8"))]
    assert sorted(shown) == sorted(make_pages.TABLES)
    for path in make_pages.PAGES:
        typed = make_pages.BLOCK.sub("", path.read_text(encoding="utf-8"))
        assert "| seeds | seconds |" not in typed, f"{path.name}: a table of runs outside of what the script fills"


def test_a_figure_that_was_changed_by_hand_is_noticed(make_pages: Any) -> None:
    text = (DOCS / "results" / "weights.md").read_text(encoding="utf-8")
    assert make_pages.filled(text.replace("| 17.36 |", "| 13.36 |")) == text


@pytest.mark.parametrize("page", SHORT)
def test_figures_of_the_short_pages_are_those_of_the_long_ones(page: str, make_pages: Any) -> None:
    prose = make_pages.BLOCK.sub("", (REPO / page).read_text(encoding="utf-8"))
    known = set(FIGURE.findall(" ".join(path.read_text("utf-8") for path in (DOCS / "results").glob("*.md"))))
    rounded = {f"{float(figure):.1f}" for figure in known}
    figures = [figure for figure in FIGURE.findall(prose) if figure not in ("3.10",)]
    assert len(figures) >= 2
    assert not [figure for figure in figures if figure not in known | rounded]


def test_the_front_page_is_short_and_its_links_lead_somewhere() -> None:
    text = (REPO / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if "://" not in link]
    assert len(text.splitlines()) <= 90 and len(local) > 10
    assert not [link for link in local if not (REPO / link).exists()]
