"""Imports point backwards in reading order only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import monai_degia

PACKAGE = Path(monai_degia.__file__).parent
ORDER = ["errors", "io", "data", "augment", "shifts", "reading", "networks", "flows", "losses", "ascent", "metrics"]
ORDER += ["inferers", "results", "model", "engines", "reports", "experiments", "label_app", "cli"]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def forward_imports(source: str, layer: str) -> list[str]:
    allowed = ORDER[: ORDER.index(layer) + 1]
    # The outermost room may use the package as everybody does.
    whole = {"monai_degia"} if layer == ORDER[-1] else set()
    wrong = []
    for line, name in imported(ast.parse(source)):
        parts = name.split(".")
        if name in whole:
            continue
        if name.startswith(".") or (parts[0] == "monai_degia" and (len(parts) < 2 or parts[1] not in allowed)):
            wrong.append(f"line {line}: {layer} imports {name}")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_backwards(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0]
    assert layer in ORDER, f"{layer} has no place in the reading order: add it to ORDER"
    assert not forward_imports(path.read_text(encoding="utf-8"), layer)


@pytest.mark.parametrize(
    "source",
    [
        "from monai_degia.flows.prior import X",
        "import monai_degia.engines.trainer as t",
        "def f():\n    from monai_degia.reports.report import X",
        "from monai_degia import X",
        "from .parametrization import X",
        "import torch, monai_degia",
    ],
)
def test_the_guard_sees_a_forward_import(source: str) -> None:
    assert forward_imports(source, "reading")


@pytest.mark.parametrize("source", ["from monai_degia.io.files import X", "import monai", "import torch.nn as nn"])
def test_the_guard_lets_others_pass(source: str) -> None:
    assert not forward_imports(source, "reading")


def test_inner_packages_are_no_second_door() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), f"{path} holds more than its docstring"
