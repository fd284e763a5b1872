"""JSON from elsewhere: what Python's own reader takes and nobody can answer with."""

import json
from typing import Any

import pytest

from monai_degia.io.plain_json import parse_json


@pytest.mark.parametrize(
    "value", [None, 1, -1.5, 2**63 - 1, -(2**63), "\u624b", [], {}, [[1, {"a": [True, None]}]], {"a": {"b": "c"}}]
)
def test_plain_values_pass(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value == parse_json(json.dumps(value).encode())


DEEP = "[" * 70 + "]" * 70
BAD = [
    ("", "Expecting value"),
    ("{", "Expecting property name"),
    (b"\xff", "can't decode"),
    ("NaN", "NaN is no number"),
    ('{"a": [1, -Infinity]}', "-Infinity is no number"),
    ('{"a": [{"b": 1e999}]}', r"a number that is too large at a\[0\]\.b"),
    (f"[{2**63}]", r"a number that is too large at \[0\]"),
    ("9" * 5000, "digits"),
    (DEEP, "more than 64 levels of nesting"),
    ("[" * 1_000_000, "nested more than 64 levels"),
    ('{"a": "\\ud800"}', "half of a character .* at a"),
    ('{"\\ud800": 1}', "half of a character"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_is_refused_says_where(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        parse_json(text)
    assert len(str(error.value)) < 500
