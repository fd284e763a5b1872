"""The table of modules and their tests for mutation testing names files that are there."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def table() -> dict[str, list[str]]:
    spec = importlib.util.spec_from_file_location("mutation", ROOT / "tests" / "mutation" / "run.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TESTS


@pytest.mark.parametrize(("module", "tests"), table().items(), ids=table().keys())
def test_a_module_and_its_tests_are_there(module: str, tests: list[str]) -> None:
    missing = [path for path in (module, *tests) if not (ROOT / path).is_file()]
    assert tests and not missing


def test_the_page_names_every_module_of_the_table() -> None:
    page = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert [module for module in table() if f"`{module.removeprefix('monai_degia/')}`" not in page] == []
