"""The table of modules and their tests for mutation testing, and the figures on the page of quality."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def runner() -> Any:
    spec = importlib.util.spec_from_file_location("mutation", ROOT / "tests" / "mutation" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("module", "tests"), runner().TESTS.items(), ids=runner().TESTS.keys())
def test_a_module_and_its_tests_are_there(module: str, tests: list[str]) -> None:
    missing = [path for path in (module, *tests) if not (ROOT / path).is_file()]
    assert tests and not missing


def test_the_page_shows_the_figures_that_were_kept() -> None:
    results = json.loads((ROOT / "docs" / "results" / "mutation.json").read_text(encoding="utf-8"))
    assert set(results) <= set(runner().TESTS)
    table = runner().table(results)
    assert table in (ROOT / "docs" / "quality.md").read_text(encoding="utf-8"), table
