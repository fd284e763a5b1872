"""Options of the preprocessing that are none of those it has."""

from __future__ import annotations

from typing import Any

import pytest

from monai_degia import LandmarkPreprocessing


@pytest.mark.parametrize(("name", "value"), [("modality", "ct"), ("mirror", "maybe"), ("mirror", None)])
def test_an_unknown_value_is_refused_once_and_not_for_each_image(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"{name} must be .*, got {value!r}"):
        LandmarkPreprocessing((64, 64), **options)
