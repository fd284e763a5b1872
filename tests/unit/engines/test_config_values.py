"""Values of entries that the command line set, against what the bundle's configs have there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_degia.engines.config_values import unfit_values

REPO = Path(__file__).parents[3]
SHIPPED = [json.loads(path.read_text()) for path in sorted((REPO / "bundle" / "configs").glob("*.json"))]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_epochs", 5),
        ("learning_rate", 1),
        ("image_size", (96, 64)),
        ("image_size", ["@side", 64]),
        ("refine", 0),
        ("batch_size", "$2 * 8"),
        ("scores", True),  # computed in the bundle
        ("num_workers", 2),  # likewise
        ("autocast_dtype", "auto"),  # null in one config, a text in another
        ("unheard_of", "x"),
        ("device", "cpu"),
        ("device", "$torch.device('cuda')"),
    ],
)
def test_what_an_entry_takes(name: str, value: Any) -> None:
    assert not list(unfit_values({name: value}, SHIPPED))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_epochs", 2.5),
        ("max_epochs", True),
        ("learning_rate", "fast"),
        ("image_size", [64, "x"]),
        ("refine", 2),
        ("refine", "yes"),
        ("device", "abacus"),
    ],
)
def test_what_it_does_not_take_is_named_with_its_value(name: str, value: Any) -> None:
    (problem,) = unfit_values({name: value}, SHIPPED)
    assert name in problem and repr(value) in problem


def test_overlays_that_come_with_the_package_are_fit() -> None:
    for path in sorted((REPO / "configs").rglob("*.yaml")):
        entries = yaml.safe_load(path.read_text()) or {}
        assert not list(unfit_values(entries, SHIPPED)), path
