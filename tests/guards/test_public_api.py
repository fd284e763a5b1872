"""The public names, written down: a change of them must be deliberate."""

import json
import re
from pathlib import Path

import pytest

import monai_degia

SNAPSHOT = Path(__file__).parent / "public_api.json"


def test_public_names_are_those_written_down() -> None:
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert expected == sorted(set(expected)), f"{SNAPSHOT.name} is not sorted, or names something twice"
    added, gone = set(monai_degia.__all__) - set(expected), set(expected) - set(monai_degia.__all__)
    assert not added and not gone, f"edit {SNAPSHOT.name} if this is meant: added {added}, gone {gone}"


def test_public_names_exist_once() -> None:
    assert len(monai_degia.__all__) == len(set(monai_degia.__all__))
    for name in monai_degia.__all__:
        assert hasattr(monai_degia, name), name


def test_the_api_page_has_each_name_once() -> None:
    page = (SNAPSHOT.parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^   (\w+)$|^```\{registry\} (\w+)$", page, re.MULTILINE)
    assert sorted(name or constant for name, constant in shown) == sorted(monai_degia.__all__)


def test_a_name_of_the_past_is_found_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="SinglePassInferer"):
        assert monai_degia.OneLookInferer is monai_degia.SinglePassInferer
    with pytest.raises(AttributeError, match="TwoLookInferer"):
        _ = monai_degia.TwoLookInferer


def test_nothing_else_is_offered() -> None:
    """A name imported into the root and left out of ``__all__`` works until somebody tidies up."""
    package = Path(monai_degia.__file__).parent
    layers = {path.parent.name for path in package.glob("*/__init__.py")} | {path.stem for path in package.glob("*.py")}
    offered = {name for name in vars(monai_degia) if not name.startswith("_")} - layers
    assert offered == set(monai_degia.__all__)
