"""What the documentation makes of the package: each transform that changes an image has a picture, each name a row."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monai.transforms import Transform

import monai_degia

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def made() -> Iterator[Any]:
    """The scripts of the pictures; they find each other as scripts do."""
    sys.path.insert(0, str(DOCS / "pictures"))
    import transforms

    yield transforms
    sys.path.remove(str(DOCS / "pictures"))


def test_every_transform_is_pictured_or_said_to_need_none(made: Any) -> None:
    names = {
        name
        for name, value in ((name, getattr(monai_degia, name)) for name in monai_degia.__all__)
        if isinstance(value, type) and issubclass(value, Transform) and "Preprocessing" not in name
    } - {"GuardedCompose"}
    assert {"RandConv", "FitToSized", "DigitShiftd"} <= names, "vacuous"
    assert names - set(made.EXAMPLES) == made.WITHOUT | made.ASCENTS
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    lacking = [name for name in names & set(made.EXAMPLES) if name not in page and name != "RandConv"]
    assert not lacking, f"docs/gallery.md does not show {lacking}"


@pytest.mark.docs
def test_pictures_show_a_difference(made: Any) -> None:
    for name in made.EXAMPLES:
        first, *others = made.strip(name)
        assert others and all(tile[1].shape != first[1].shape or (tile[1] != first[1]).any() for tile in others), name


def test_parametrisations_are_pictured() -> None:
    page = (DOCS / "concepts" / "parametrizations.md").read_text(encoding="utf-8")
    for name in monai_degia.PARAMETRIZATIONS:
        assert f"```{{picture}} {name}\n" in page, name


@pytest.mark.parametrize("name", ["BACKBONES", "PARAMETRIZATIONS", "STEP_RULES", "TONE_CURVES", "PREDICTION_FORMATS"])
def test_each_entry_says_what_it_is(name: str) -> None:
    """The tables of names on the pages are these docstrings."""
    for key, entry in getattr(monai_degia, name).items():
        text = (entry.__doc__ or "").split("\n\n")[0]
        assert 10 < len(text) < 160 and text.rstrip().endswith("."), f"{name}[{key!r}]"
