"""Whatever stands in a file: it is read, or refused with a message, and never ends in an error of Python's own."""

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.checks import find_faults
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations
from monai_degia.errors import UserError

ODD = (None, True, 0, -1, 3.5, float("nan"), "", "x", "9", [], [1], [[1, 2]], [None], {}, {"a": 1}, [{}])
WRITTEN = [name for name, form in ANNOTATION_FORMATS.items() if form.write]


def annotations(folder: Path) -> AnnotationSet:
    for name in "ab":
        Image.new("L", (64, 48)).save(folder / f"{name}.png")
    points = np.array([[1.0, 2.0], [30.0, 40.0]])
    images = [AnnotatedImage(f"{name}.png", points, [True, False], size=(64, 48)) for name in "ab"]
    return AnnotationSet(("head", "tail"), tuple(images), bones=(("head", "tail"),))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key of a parsed JSON file."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield value, key
        yield from places(entry)


def damaged_json(text: str, rng: random.Random) -> str:
    value = copy.deepcopy(json.loads(text))
    container, key = rng.choice(list(places(value)))
    if isinstance(container, dict) and rng.random() < 0.3:
        del container[key]
    else:
        container[key] = rng.choice(ODD)
    return json.dumps(value)


def damaged_text(text: str, rng: random.Random) -> str:
    words = list(re.finditer(r"[\w.]+", text))
    word = rng.choice(words)
    return text[: word.start()] + rng.choice(["", "x", "-1", "nan", "1e400", ",", '"', ";"]) + text[word.end() :]


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("seed", range(12))
def test_damage_is_told(form: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"{form} {seed}")
    path, *_ = write_annotations(annotations(tmp_path), tmp_path / "file", form, image_dir=tmp_path)
    text = path.read_text(encoding="utf-8")
    for _ in range(rng.randint(1, 2)):
        text = damaged_json(text, rng) if text.lstrip()[0] in "{[" else damaged_text(text, rng)
    path.write_text(text, encoding="utf-8")
    for forced in (None, form):
        try:
            found = read_annotations(path if path == tmp_path / "file" else tmp_path / "file", format=forced,
                                     image_dir=tmp_path)  # fmt: skip
        except UserError as error:
            assert str(error)
        else:
            find_faults(found)
            for image in found.images:
                assert np.isfinite(image.points).sum(axis=1).tolist().count(1) == 0, "x without y"
                assert not np.isinf(image.points).any()
