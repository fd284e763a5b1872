"""The project's own CSV and JSON, as people and spreadsheets save them."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from monai_degia.data.formats.read import read_annotations

HEADER = "image,patient,head_x,head_y,tail_x,tail_y"
POINTS = [[1.5, 2.0], [30.25, 40.0]]


def saved(folder: Path, text: str, encoding: str = "utf-8", name: str = "landmarks.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def saved_json(folder: Path, content: object) -> Path:
    return saved(folder, json.dumps(content), name="landmarks.json")


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\na.png,p1,1.5,2,30.25,40\n",
        f"{HEADER},,\r\na.png,p1,1.5,2,30.25,40,,\r\n\r\n,,,,,,,\r\n",
        f"sep=,\n{HEADER}\na.png,p1,1.5,2,30.25,40\n",
        f"\r\n\r\nsep=,\n\r\n{HEADER}\na.png,p1,1.5,2,30.25,40\n",
        f"{HEADER}\na.png,p1,1.5,2,30.25,40\n".replace(",", ";"),
        f"SEP=;\r\n{HEADER}\r\na.png,p1,1.5,2,30.25,40\r\n".replace(",", ";"),
        f"{HEADER}\na.png,p1,1.5,2,30.25,40\n".replace(",", ";").replace(".5", ",5").replace(".25", ",25"),
        f"{HEADER}\na.png,p1,1.5,2,30.25,40\n".replace(",", "\t"),
        'image,patient,"head_x","head_y",tail_x,tail_y\n"a.png","p1",1.5,2,30.25,40',
    ],
    ids=[
        "plain",
        "blank ends",
        "sep line",
        "blank lines",
        "semicolons",
        "sep semicolons",
        "decimal commas",
        "tabs",
        "quoted",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_separator_and_ending(text: str, encoding: str, tmp_path: Path) -> None:
    found = read_annotations(saved(tmp_path, text, encoding))
    assert found.names == ("head", "tail") and found.format == "csv"
    (image,) = found.images
    assert image.image == "a.png" and dict(image.fields) == {"patient": "p1"} and not image.problem
    np.testing.assert_array_equal(image.points, POINTS)


def test_format_is_told_by_content(tmp_path: Path) -> None:
    assert read_annotations(saved(tmp_path, f"{HEADER}\na.png,p,1,2,3,4", name="points.json")).format == "csv"


def test_windows_paths_become_paths(tmp_path: Path) -> None:
    found = read_annotations(saved(tmp_path, f"{HEADER}\nimages\\sub\\a.png,p,1,2,3,4"))
    assert found.images[0].image == "images/sub/a.png"


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "NA", "n/a", "#N/A", "None"])
def test_empty_cells_are_missing_landmarks(word: str, tmp_path: Path) -> None:
    found = read_annotations(saved(tmp_path, f"{HEADER}\na.png,p,{word},{word},3,4"))
    assert found.images[0].labelled.tolist() == [False, True] and not found.images[0].problem


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("p,1,,3,4", "head has only one of x and y"),
        ("p,1,2,3,inf", "coordinate of tail is infinite"),
        ("p,1,2,3,four", "coordinate 'four' is not a number"),
        ('p,"1,5",2,3,4', "'1,5' is not a number: write a point, or separate the cells by semicolons"),
        ("p,1,5,2,3,4", "7 cells where the header has 6 .*decimal comma"),
        ("p,1,2,3", "5 cells where the header has 6"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(cells: str, problem: str, tmp_path: Path) -> None:
    found = read_annotations(saved(tmp_path, f"{HEADER}\nok.png,p,1,2,3,4\na.png,{cells}\n"))
    assert re.search(problem, found.images[1].problem) and found.images[1].where == "line 3"
    assert not found.images[0].problem and not found.images[1].labelled.any()


def test_columns_without_a_name_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read_annotations(saved(tmp_path, "," + HEADER + "\n0,a.png,p,1,2,3,4\n1,b.png,p,1,2,3,4\n"))
    assert [image.image for image in found.images] == ["a.png", "b.png"]
    assert "Without a name in the header, and left out: 1 column" in caplog.text


def test_hidden_landmarks_and_size_have_columns(tmp_path: Path) -> None:
    text = "image,a_x,a_y,b_x,b_y,b_occluded,width,height\nx.png,1,2,3,4,1,640,480\ny.png,1,2,3,4,0,640,480\n"
    found = read_annotations(saved(tmp_path, text))
    assert [image.occluded.tolist() for image in found.images] == [[False, True], [False, False]]
    assert found.images[0].size == (640, 480) and not found.images[0].fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,head_x,head_x\na,1,2", "column 'head_x' more than once"),
        ("image,x,y\na,1,2", "lacks 2 column.*<landmark>_x"),
        ("picture,head_x,head_y\na,1,2", "no annotation file that is known(.|\n)*column 'image'"),
        (f"{HEADER}\n", "no labelled image"),
    ],
)
def test_tables_of_another_form_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotations(saved(tmp_path, text))


def test_wanted_landmarks_are_chosen_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, f"{HEADER},spacing_x,spacing_y\na.png,p,1,2,3,4,5,6\n")
    found = read_annotations(path, names=["tail", "head"])
    assert found.names == ("tail", "head") and found.images[0].points.tolist() == [[3, 4], [1, 2]]
    with pytest.raises(ValueError, match=r"lacks 2 column.*: heat_x, heat_y.*Did you mean 'head_x'"):
        read_annotations(path, names=["heat"])


JSON_FORMS = {
    "list": {"landmark_names": ["head", "tail"], "images": [{"image": "a.png", "landmarks": POINTS}]},
    "by name": {"images": [{"image": "a.png", "landmarks": {"head": POINTS[0], "tail": POINTS[1]}}]},
    "bare": [{"image": "a.png", "landmarks": {"head": POINTS[0], "tail": POINTS[1]}}],
}


@pytest.mark.parametrize("content", JSON_FORMS.values(), ids=JSON_FORMS.keys())
def test_json_forms(content: object, tmp_path: Path) -> None:
    found = read_annotations(saved_json(tmp_path, content))
    assert found.names == ("head", "tail") and found.format == "json"
    np.testing.assert_array_equal(found.images[0].points, POINTS)


def test_json_says_bones_missing_and_hidden_ones(tmp_path: Path) -> None:
    item = {"image": "a.png", "landmarks": [[1, 2], None], "occluded": ["head"], "size": [64, 48], "class": 3}
    path = saved_json(tmp_path, {"landmark_names": ["head", "tail"], "bones": [["head", "tail"]], "images": [item]})
    found = read_annotations(path)
    (image,) = found.images
    assert found.bones == (("head", "tail"),) and image.size == (64, 48) and image.fields["class"] == 3
    assert image.labelled.tolist() == [True, False] and image.occluded.tolist() == [True, False]
    assert found.select(["tail"]).bones == ()


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (5, "5 where an object"),
        ({"image": 5, "landmarks": POINTS}, "image is 5, not a path"),
        ({"image": "a", "landmarks": POINTS[:1]}, "1 landmarks where 2"),
        ({"image": "a", "landmarks": [[1, 2], [3, None]]}, r"coordinate \[3, None\] is not a number"),
        ({"image": "a", "landmarks": [[1, 2], [3, True]]}, r"coordinate \[3, True\]"),
        ({"image": "a", "landmarks": [[1, 2], 3]}, "coordinate 3 "),
        ({"image": "a"}, "landmarks None"),
    ],
)
def test_json_items_that_cannot_be_used_say_why(item: object, problem: str, tmp_path: Path) -> None:
    good = {"image": "ok.png", "landmarks": POINTS}
    path = saved_json(tmp_path, {"landmark_names": ["head", "tail"], "training": [good, item]})
    found = read_annotations(path)
    assert re.search(problem, found.images[1].problem) and found.images[1].where == "training[1]"


def test_json_sections(tmp_path: Path) -> None:
    parts = {part: [{"image": f"{part}.png", "landmarks": POINTS}] for part in ("training", "validation")}
    path = saved_json(tmp_path, {"landmark_names": ["head", "tail"], **parts})
    assert read_annotations(path, section="validation").images[0].image == "validation.png"
    with pytest.raises(ValueError, match=r"several lists of images.*training, validation.*section="):
        read_annotations(path)
    with pytest.raises(ValueError, match=r"no section 'trainings'. Did you mean 'training'"):
        read_annotations(path, section="trainings")


def test_json_without_names_needs_them(tmp_path: Path) -> None:
    path = saved_json(tmp_path, {"training": [{"image": "a.png", "landmarks": POINTS}]})
    with pytest.raises(ValueError, match=r"does not say what its landmarks are called"):
        read_annotations(path)
    assert read_annotations(path, names=["head", "tail"]).images[0].points.tolist() == POINTS


def test_arguments_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, f"{HEADER}\na.png,p,1,2,3,4\n")
    with pytest.raises(ValueError, match=r"CSV, which has no category"):
        read_annotations(path, category="hand")
    with pytest.raises(ValueError, match=r"Unknown annotation format 'cvs'. Did you mean 'csv'"):
        read_annotations(path, format="cvs")
    with pytest.raises(ValueError, match=r"origin must be centre or corner, got 'centr'. Did you mean 'centre'"):
        read_annotations(path, origin="centr")
    with pytest.raises(ValueError, match=r"several must be one of"):
        read_annotations(path, several="all")


def test_origin_can_be_overruled(tmp_path: Path) -> None:
    path = saved(tmp_path, f"{HEADER}\na.png,p,1,2,3,4\n")
    assert read_annotations(path, origin="corner").images[0].points.tolist() == [[0.5, 1.5], [2.5, 3.5]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{oh no", "not valid JSON"),
        (b"<a><b></a>", "not valid XML"),
        ("image\nä".encode("latin-1"), "no text in UTF-8"),
        (b"\x00\x01\x02", "a binary file.*is no annotation file(.|\n)*csv: (.|\n)*json: "),
        (b'{"a": 1}', "a JSON object with a"),
    ],
)
def test_what_is_no_annotation_file_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_annotations(path)


def test_a_folder_that_holds_an_export_names_it(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "notes.csv").write_text("a,b\n")
    saved(tmp_path, '{"images": [], "annotations": []}', name="annotations/points.json")
    with pytest.raises(ValueError, match=r"is no annotation file(.|\n)*It holds annotations/points.json: pass that"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("annotations.xml", r"a ZIP archive: unpack it, and pass what is in it \(annotations.xml\)"),
        ("a.png", r"\(no annotation file\)"),
        ("xl/workbook.xml", r"a workbook: save its sheet as CSV"),
    ],
)
def test_archives_are_named(inside: str, message: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export", "w") as archive:
        archive.writestr(inside, "text")
    with pytest.raises(ValueError, match=message):
        read_annotations(tmp_path / "export")
    (tmp_path / "half").write_bytes((tmp_path / "export").read_bytes()[:20])
    with pytest.raises(ValueError, match=r"a damaged ZIP archive"):
        read_annotations(tmp_path / "half")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no annotation file or folder .*gone"):
        read_annotations(tmp_path / "gone")
