"""Any JSON, any table, any text: hypothesis looks for what no mutation of a good file would come to."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_degia.data.formats.read import read_annotations
from monai_degia.data.lists.landmark_sets import flip_permutation, landmark_set
from monai_degia.errors import UserError
from monai_degia.io.plain_json import parse_json
from monai_degia.label_app.store.markup_labels import read_markups
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.model.description import ModelDescription
from monai_degia.results.found import read_found

pytestmark = pytest.mark.trust

EXAMPLES = 2000 if os.environ.get("MONAI_DEGIA_SOAK", "") not in ("", "0") else 100
LIMITS = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    NUMBERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def with_keys(*names: str) -> st.SearchStrategy[Any]:
    """Objects with some of the entries that a reader looks at, of any type."""
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=6), VALUES, max_size=len(names) + 1)


def saved(path: Path, content: Any) -> Path:
    path.write_bytes(json.dumps(content).encode("utf-8", "surrogatepass"))
    return path


READERS: dict[str, tuple[Callable[[Path], Any], st.SearchStrategy[Any]]] = {
    "calibration": (
        ScoreCalibration.load,
        with_keys("refined", "tolerance", "one_look", "coverage", "bits_mean", "bits_range", "copies", "left_out"),
    ),
    "description": (
        ModelDescription.load,
        with_keys("name", "version", "landmarks", "network", "in_channels", "image_size", "weights", "flow", "format"),
    ),
    "landmark set": (
        lambda path: flip_permutation(landmark_set(path)),
        with_keys("names", "bones", "pairs", "size", "object", "sided", "fan"),
    ),
    "results": (
        read_found,
        st.lists(with_keys("image", "landmarks", "landmark_confidence", "image_size", "model_version"), max_size=2),
    ),
    "coco": (
        read_annotations,
        with_keys("images", "annotations", "categories") | st.fixed_dictionaries(
            {
                "images": st.lists(with_keys("id", "file_name", "width", "height"), max_size=2),
                "annotations": st.lists(with_keys("id", "image_id", "keypoints", "category_id"), max_size=2),
                "categories": st.lists(with_keys("id", "name", "keypoints", "skeleton"), max_size=2),
            }
        ),
    ),
    "labelme": (
        read_annotations,
        st.fixed_dictionaries(
            {"shapes": st.lists(with_keys("label", "points", "shape_type", "group_id", "flags"), max_size=3)},
            optional={"imagePath": VALUES, "imageWidth": VALUES, "imageHeight": VALUES, "version": VALUES},
        ),
    ),
    "label studio": (
        read_annotations,
        st.lists(with_keys("id", "data", "annotations", "predictions", "result"), min_size=1, max_size=2),
    ),
    "via": (
        read_annotations,
        st.fixed_dictionaries({"_via_img_metadata": st.dictionaries(
            st.text(max_size=4), with_keys("filename", "size", "regions", "file_attributes"), max_size=2
        )}),
    ),
    "slicer": (
        read_annotations,
        st.fixed_dictionaries(
            {"markups": st.lists(with_keys("type", "coordinateSystem", "controlPoints", "coordinateUnits"), max_size=2)}
        ),
    ),
    "own list": (
        read_annotations,
        st.lists(with_keys("image", "landmarks", "occluded", "size", "spacing", "class"), min_size=1, max_size=2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_json_of_any_form(name: str, tmp_path: Path) -> None:
    read, contents = READERS[name]

    @LIMITS
    @given(contents | VALUES)
    def check(content: Any) -> None:
        try:
            read(saved(tmp_path / "a.json", content))
        except UserError as error:
            assert str(error)

    check()


@LIMITS
@given(VALUES)
def test_markups_of_any_form(content: Any) -> None:
    with pytest.raises(UserError):
        read_markups(json.dumps(content).encode("utf-8", "surrogatepass"), ["a"])


@LIMITS
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_what_parses_can_be_saved_again(data: bytes) -> None:
    try:
        content = parse_json(data)
    except UserError:
        return
    json.dumps(content, allow_nan=False).encode("utf-8")


CELL = st.sampled_from(["", "1", "1,5", "-3.5", "nan", "inf", "1e999", "a.png", '"', "\n", ";", "\x00", "yes", "=1+1"])
COLUMN = st.sampled_from(["image", "a_x", "a_y", "b_x", "b_y", "a_occluded", "width", "height", "class", "scorer", ""])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_form(separator: str, tmp_path: Path) -> None:
    @LIMITS
    @given(st.lists(COLUMN, max_size=8), st.lists(st.lists(CELL | st.text(max_size=6), max_size=8), max_size=4))
    def check(header: list[str], rows: list[list[str]]) -> None:
        text = "\n".join(separator.join(row) for row in (header, *rows))
        (tmp_path / "a.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            read_annotations(tmp_path / "a.csv")
        except UserError as error:
            assert str(error)

    check()
