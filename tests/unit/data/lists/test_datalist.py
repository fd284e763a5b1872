import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.image_folders import list_images
from monai_degia.data.lists.landmark_sets import HAND17, HAND21
from monai_degia.data.lists.splits import merge_datalists, split_datalist

NAMES = ["a", "b"]
HEADER = ["image", "good", "kind", "b_x", "b_y", "a_x", "a_y"]
ROWS = [["p1_0.png", "1", "0", "5", "6", "1", "2"], ["p1_1.png", "0", "2", "7", "8", "3", "4"]]


def write_csv(folder: Path, rows: list[list[str]], header: list[str] = HEADER, images: str = "images") -> Path:
    (folder / images).mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row[0]:
            Image.new("L", (20, 10)).save(folder / images / row[0])
    with (folder / "landmarks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder / "landmarks.csv"


def write_json(folder: Path, content: Any) -> Path:
    Image.new("L", (20, 10)).save(folder / "p.png")
    (folder / "list.json").write_text(json.dumps(content))
    return folder / "list.json"


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    item = load_datalist(write_csv(tmp_path / "clinic", ROWS), landmarks=NAMES)[0]
    np.testing.assert_array_equal(item["landmarks"], [[1, 2], [5, 6]])
    assert item["landmarks"].dtype == np.float32 and "spacing" not in item
    assert Path(item["image"]) == tmp_path / "clinic" / "images" / "p1_0.png"
    assert {k: item[k] for k in ("class", "domain", "modality", "mirror")} == {
        "class": 0,
        "domain": "clinic",
        "modality": "photo",
        "mirror": False,
    }


def test_hand17_is_read_from_a_file_of_21(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(0, 9, (21, 2)).round(2)
    header = ["image", *(f"{name}_{axis}" for name in HAND21 for axis in "xy")]
    path = write_csv(tmp_path, [["a.png", *map(str, points.flatten())]], header)
    expected = points[[HAND21.index(name) for name in HAND17]]
    np.testing.assert_allclose(load_datalist(path, landmarks="hand17")[0]["landmarks"], expected, rtol=1e-6)


@pytest.mark.parametrize("images", ["images", ".", "elsewhere"])
def test_images_are_found_beside_the_file_or_where_told(tmp_path: Path, images: str) -> None:
    path = write_csv(tmp_path, ROWS, images=images)
    items = load_datalist(path, landmarks=NAMES, image_dir=tmp_path / images if images == "elsewhere" else None)
    assert all(Path(item["image"]).is_file() for item in items) and len(items) == 2


def test_rows_are_kept_marked_and_classed(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ROWS)
    options: dict[str, Any] = {"landmarks": NAMES, "class_column": "kind", "mirror_where": {"good": "0"}}
    assert [(i["class"], i["mirror"]) for i in load_datalist(path, **options)] == [(0, False), (2, True)]
    assert [Path(i["image"]).name for i in load_datalist(path, where={"good": 1}, **options)] == ["p1_0.png"]
    assert len(load_datalist(path, where={"good": ["0", "1"]}, **options)) == 2


def test_a_list_without_further_columns_is_chosen_from_by_image(tmp_path: Path) -> None:
    bare = [[row[0], *row[3:]] for row in (HEADER, *ROWS)]
    path, first = write_csv(tmp_path, bare[1:], bare[0]), ROWS[0][0]
    items = load_datalist(path, landmarks=NAMES, mirror_where={"image": first})
    assert [item["mirror"] for item in items] == [True, False]
    assert len(load_datalist(path, landmarks=NAMES, where={"image": first})) == 1
    with pytest.raises(ValueError, match=r"has no column 'imag'\..*image"):
        load_datalist(path, landmarks=NAMES, where={"imag": first})


def test_spacing_of_a_row_goes_before_the_argument(tmp_path: Path) -> None:
    rows = [[*ROWS[0], "0.25"], [*ROWS[1], ""]]
    items = load_datalist(write_csv(tmp_path, rows, [*HEADER, "spacing_mm"]), landmarks=NAMES, spacing=[0.5, 0.1])
    np.testing.assert_allclose([item["spacing"] for item in items], [[0.25, 0.25], [0.5, 0.1]], rtol=1e-6)


def test_json_sections_names_and_fields(tmp_path: Path) -> None:
    item = {"image": "p.png", "landmarks": [[1, 2], [3, 4], [5, 6]], "class": 3, "modality": "xray", "mirror": True}
    content = {"landmark_names": ["a", "c", "b"], "training": [item], "validation": [{**item, "domain": "x"}]}
    path = write_json(tmp_path, content)
    loaded = load_datalist(path, landmarks=NAMES, section="training")[0]
    np.testing.assert_array_equal(loaded["landmarks"], [[1, 2], [5, 6]])
    assert (loaded["class"], loaded["modality"], loaded["mirror"]) == (3, "xray", True)
    assert load_datalist(path, landmarks=NAMES, section="validation")[0]["domain"] == "x"
    with pytest.raises(ValueError, match=r"no section 'test'\. The file has: training, validation"):
        load_datalist(path, landmarks=NAMES, section="test")
    with pytest.raises(ValueError, match="several lists of images"):
        load_datalist(path, landmarks=NAMES)
    with pytest.raises(ValueError, match=r"no landmark z in this file\. It has: a, c, b"):
        load_datalist(path, landmarks=["a", "z"], section="training")


CELLS = {
    "cells missing": (["p.png", "1", "0", "5"], "line 3 .*4 cells where the header has 7"),
    "cells too many": (["p.png", *ROWS[0][1:], "9"], "8 cells where the header has 7"),
    "half": (["p.png", "1", "0", "5", "", "1", "2"], "b has only one of x and y(.|\n)*where="),
    "text": (["p.png", "1", "0", "5", "six", "1", "2"], "coordinate 'six' is not a number"),
    "infinite": (["p.png", "1", "0", "3", "inf", "1", "2"], "coordinate of b is infinite"),
    "placeholder": (
        ["p.png", "1", "0", "-1", "-1", "1", "2"],
        r"stands for a missing one: b at -1/-1(.|\n)*'placeholder'",
    ),
    "equal": (["p.png", "1", "0", "4", "4.5", "4", "4.5"], "all points are the same"),
    "swapped": (["p.png", "1", "0", "5", "17", "3", "19"], "x and y are exchanged"),
    "outside": (["p.png", "1", "0", "5", "11", "1", "-30"], r"2 landmarks lie outside the 20 x 10 image.*\(1, -30\)"),
    "class text": (["p.png", "1", "x", "5", "6", "1", "2"], "class 'x' in 'kind' is not an integer"),
    "class fraction": (["p.png", "1", "1.5", "5", "6", "1", "2"], "class '1.5' in 'kind' is not an integer"),
    "class negative": (["p.png", "1", "-1", "5", "6", "1", "2"], "class '-1' in 'kind' is not an integer"),
    "class large": (["p.png", "1", "3", "5", "6", "1", "2"], "class 3 in 'kind' is not below num_classes=3"),
    "no name": (["", "1", "0", "5", "6", "1", "2"], "image is not named"),
}


@pytest.mark.parametrize(("row", "message"), CELLS.values(), ids=CELLS.keys())
def test_a_bad_row_is_named(tmp_path: Path, row: list[str], message: str) -> None:
    path = write_csv(tmp_path, [ROWS[0], row])
    with pytest.raises(ValueError, match=message) as caught:
        load_datalist(path, landmarks=NAMES, class_column="kind", num_classes=3)
    assert "1 of 2 rows" in str(caught.value) and str(path) in str(caught.value)


def test_all_bad_rows_end_in_one_message(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [[f"{i}.png", "1", "0", "5", "6", "1", "2"] for i in range(9)])
    for i in range(1, 9):
        (tmp_path / "images" / f"{i}.png").unlink()
    with pytest.raises(ValueError, match=r"8 of 9 rows(.|\n)*1.png.*not found(.|\n)*and 3 more"):
        load_datalist(path, landmarks=NAMES)


def test_damaged_image_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ROWS)
    (tmp_path / "images" / "p1_1.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"p1_1.png.*cannot be opened"):
        load_datalist(path, landmarks=NAMES)


def test_margin_counts_from_the_edge_of_the_outer_pixel(tmp_path: Path) -> None:
    rows = [["p.png", "1", "0", "19.5", "9.5", "-0.5", "-0.4"], ["q.png", "1", "0", "21.4", "10.4", "1", "2"]]
    path = write_csv(tmp_path, rows)
    assert len(load_datalist(path, landmarks=NAMES)) == 2
    with pytest.raises(ValueError, match=r"1 of 2 rows(.|\n)*q.png"):
        load_datalist(path, landmarks=NAMES, outside_margin=0)
    assert len(load_datalist(path, landmarks=NAMES, outside_margin=0, allow_outside=True)) == 2


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda d: load_datalist(d / "no.csv"), "no annotation file"),
    "no list": (lambda d: load_datalist(write_text(d / "a.csv", "%PDF-1.4")), "is no annotation file that is known"),
    "columns": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=["a", "bb"]), r"lacks 2.*bb_x.*mean 'b_x'"),
    "empty": (lambda d: load_datalist(write_csv(d, []), landmarks=NAMES), "has no labelled image"),
    "column twice": (lambda d: load_datalist(write_csv(d, ROWS, [*HEADER[:-1], "a_x"])), "'a_x' more than once"),
    "where": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, where={"god": 1}), "'god'.*mean 'good'"),
    "filtered": (
        lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, where={"kind": ["0", "2"], "good": True}),
        "no row is left after where good=True; before it, good held '0', '1'",
    ),
    "class column": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, class_column="knd"), "'knd'.*'kind'"),
    "csv section": (
        lambda d: load_datalist(write_csv(d, ROWS), section="training"),
        "which has no section. Leave section out",
    ),
    "image_dir": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, image_dir=d / "no"), "not a folder"),
    "modality": (lambda d: load_datalist(write_csv(d, ROWS), modality="ct"), "photo, depth, xray, or auto, got 'ct'"),
    "spacing": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, spacing=-1), "must be positive"),
    "json": (lambda d: load_datalist(write_text(d / "a.json", '{"a": [1,')), "is not valid JSON"),
    "accept": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, accept=["twise"]), "mean 'twice'"),
    "on_error": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, on_error="ignore"), "fail, skip, got"),
    "group": (lambda d: load_datalist(write_csv(d, ROWS), landmarks=NAMES, group_column="kin"), "mean 'kind'"),
    "nobody": (
        lambda d: load_datalist(write_csv(d, [[*r[:5], "", ""] for r in ROWS]), landmarks=NAMES),
        r"no image has a label of a \(1 of 2 landmarks\)",
    ),
    "json count": (
        lambda d: load_datalist(write_json(d, {"t": [{"image": "p.png", "landmarks": [[1, 2]]}]}), landmarks=NAMES),
        r"t\[0\] \(p.png\): 1 landmarks where 2 are expected",
    ),
    "json pair": (
        lambda d: load_datalist(
            write_json(d, {"t": [{"image": "p.png", "landmarks": [[1, 2], [3]]}]}), landmarks=NAMES
        ),
        r"\[3\] is not a number, or not in a pair",
    ),
    "json item": (
        lambda d: load_datalist(
            write_json(d, {"t": [{"image": "p.png", "landmarks": [[1, 2], [3, 4]]}, 7]}), landmarks=NAMES
        ),
        "7 where an object",
    ),
    "no images": (lambda d: list_images(d), "holds no image"),
    "no folder": (lambda d: list_images(d / "no"), "not a folder"),
}


@pytest.mark.parametrize(("act", "message"), FILES.values(), ids=FILES.keys())
def test_what_is_wrong_is_said(tmp_path: Path, act: Callable[[Path], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act(tmp_path)


def test_a_label_that_is_missing_is_nan_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [["p.png", "1", "0", "", "", "1", "2"], ["q.png", "1", "0", "5", "6", "nan", "NaN"]]
    with caplog.at_level("INFO"):
        items = load_datalist(write_csv(tmp_path, rows), landmarks=NAMES)
    np.testing.assert_array_equal(items[0]["landmarks"], [[1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(items[1]["landmarks"], [[np.nan, np.nan], [5, 6]])
    assert "2 of 4 labels are missing, in 2 of 2 images" in caplog.text


def test_rows_that_cannot_be_used_may_be_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*ROWS, ["p.png", "1", "0", "5", "600", "1", "2"]]
    items = load_datalist(write_csv(tmp_path, rows), landmarks=NAMES, on_error="skip")
    assert [Path(item["image"]).name for item in items] == ["p1_0.png", "p1_1.png"]
    assert "1 of 3 rows cannot be used" in caplog.text and "p.png" in caplog.text and "left out" in caplog.text
    with pytest.raises(ValueError, match="1 of 1 rows"):
        load_datalist(write_csv(tmp_path / "all", rows[2:]), landmarks=NAMES, on_error="skip")


def test_persons_and_split_are_carried_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [[*ROWS[0], "ann", "Train"], [*ROWS[1], "", "val"]]
    path = write_csv(tmp_path, rows, [*HEADER, "Patient_ID", "split"])
    with caplog.at_level("INFO"):
        items = load_datalist(path, landmarks=NAMES)
    assert [item.get("group") for item in items] == ["ann", None]
    assert [item["split"] for item in items] == ["training", "validation"]
    assert "'Patient_ID' says what to keep together" in caplog.text and "'split' says what to divide" in caplog.text
    by_kind = load_datalist(path, landmarks=NAMES, group_column="kind", split_column=None)
    assert [(item["group"], "split" in item) for item in by_kind] == [("0", False), ("2", False)]


def test_an_image_that_is_listed_twice_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [ROWS[0], ["./p1_0.png", *ROWS[1][1:]]])
    with pytest.raises(ValueError, match="listed 2 times, in line 2, line 3"):
        load_datalist(path, landmarks=NAMES)
    assert len(load_datalist(path, landmarks=NAMES, accept=["twice"])) == 2


def test_points_on_the_upright_view_are_named_and_read_if_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Shown upright, this picture has 10 x 20 pixels, and its pixel (2, 17) there is (17, 7) in the file."""
    path = write_csv(tmp_path, [["p.jpg", "1", "0", "5", "18", "2", "17"]])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (20, 10)).save(tmp_path / "images" / "p.jpg", exif=exif)
    inside = write_csv(tmp_path / "inside", [["q.jpg", "1", "0", "5", "6", "2", "7"]])
    shutil.copy(tmp_path / "images" / "p.jpg", tmp_path / "inside" / "images" / "q.jpg")
    load_datalist(inside, landmarks=NAMES)
    assert "1 of 1 photographs have an Exif orientation: points are taken for pixels of them as they are" in caplog.text
    with pytest.raises(ValueError, match=r"upright view \(10 x 20; Exif orientation 6"):
        load_datalist(path, landmarks=NAMES)
    np.testing.assert_allclose(load_datalist(path, landmarks=NAMES, upright=True)[0]["landmarks"], [[17, 7], [18, 4]])


def test_the_list_of_a_tool_gives_the_same_items(tmp_path: Path) -> None:
    """Key points of COCO are places of pixels, as ours are."""
    own = load_datalist(write_csv(tmp_path, ROWS), landmarks=NAMES)
    coco = {
        "images": [{"id": i, "file_name": row[0], "width": 20, "height": 10} for i, row in enumerate(ROWS)],
        "categories": [{"id": 1, "name": "hand", "keypoints": ["b", "c", "a"]}],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 1,
                "keypoints": [
                    float(row[3]),
                    float(row[4]),
                    2,
                    0,
                    0,
                    0,
                    float(row[5]),
                    float(row[6]),
                    1,
                ],
            }
            for i, row in enumerate(ROWS)
        ],
    }
    path = write_text(tmp_path / "coco.json", json.dumps(coco))
    items = load_datalist(path, landmarks=NAMES)
    for item, other in zip(items, own, strict=True):
        np.testing.assert_allclose(item["landmarks"], other["landmarks"])
        assert item["image"] == other["image"]
    hidden = load_datalist(path, landmarks=NAMES, occluded="drop", accept=["unlabelled"])
    assert np.isnan(hidden[0]["landmarks"][0]).all() and not np.isnan(hidden[0]["landmarks"][1]).any()
    with pytest.raises(ValueError, match="no image has a label of c"):
        load_datalist(path, landmarks=["a", "b", "c"])


def test_list_images_is_sorted_and_takes_images_only(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.dcm", "c.txt"):
        (tmp_path / name).touch()
    items = list_images(tmp_path, modality="xray")
    assert [Path(i["image"]).name for i in items] == ["a.dcm", "b.PNG"]
    assert items[0]["modality"] == "xray" and items[0]["domain"] == tmp_path.name and "landmarks" not in items[0]


def test_list_images_takes_medical_formats_and_dicom_without_an_ending(tmp_path: Path) -> None:
    dicom = b"\0" * 128 + b"DICM"
    taken = ["IM0001", "a.mha", "b.MHD", "c.dicom", "d.ima", "e.nii.gz", "f.123", "g.tiff"]
    for name in (*taken, "DICOMDIR", "b.raw", "notes"):
        (tmp_path / name).write_bytes(dicom if name in ("IM0001", "f.123", "DICOMDIR") else b"DICM")
    (tmp_path / "folder").mkdir()
    assert [Path(i["image"]).name for i in list_images(tmp_path)] == taken
    assert [Path(i["image"]).name for i in list_images(tmp_path, [".DCM"])] == ["IM0001", "f.123"]
    assert [Path(i["image"]).name for i in list_images(tmp_path, [".mha"])] == ["a.mha"]


def make_items(count: int) -> list[dict[str, Any]]:
    return [{"image": f"/x/p{i % 10}_{i}.png"} for i in range(count)]


@pytest.mark.parametrize("group", [None, r"^(p\d)_", lambda item: item["image"][4]])
def test_split_is_disjoint_exhaustive_seeded_and_keeps_groups(group: Any) -> None:
    items = make_items(200)
    parts = split_datalist(items, [0.6, 0.3, 0.1], seed=3, group=group)
    names = [[item["image"] for item in part] for part in parts]
    assert [len(part) for part in parts] == [120, 60, 20]
    assert sorted(name for part in names for name in part) == sorted(item["image"] for item in items)
    assert parts == split_datalist(items, [0.6, 0.3, 0.1], seed=3, group=group)
    assert parts != split_datalist(items, [0.6, 0.3, 0.1], seed=4, group=group)
    if group is not None:
        people = [{name[4] for name in part} for part in names]
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])


def test_split_leaves_no_part_empty() -> None:
    assert min(len(part) for part in split_datalist(make_items(3), [0.98, 0.01, 0.01])) == 1


@pytest.mark.parametrize(
    ("items", "fractions", "group", "message"),
    [
        (5, [0.5, 0.4], None, "sum 1"),
        (5, [1.5, -0.5], None, "positive"),
        (1, [0.5, 0.5], None, "divided into 2 parts, each of which needs an image, and has 1 different"),
        (9, [0.5, 0.5], r"(\.png)$", "and has 1 groups of images that stay together"),
        (9, [0.5, 0.5], r"^(q)", "does not match.*'p0_0.png'"),
        (9, [0.5, 0.5], r"p", "exactly one group"),
        (9, [0.5, 0.5], r"(", "no regular expression"),
    ],
)
def test_split_says_what_is_wrong(items: int, fractions: list[float], group: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_datalist(make_items(items), fractions, group=group)


def test_merged_domains_must_agree_on_the_number_of_landmarks() -> None:
    first = [{"landmarks": np.zeros((21, 2)), "domain": "photo", "spacing": np.ones(2)}]
    second = [{"landmarks": np.zeros((17, 2)), "domain": "xray"}]
    with pytest.raises(ValueError, match="'photo' 21; 'xray' 17"):
        merge_datalists(first, second)
    merged = merge_datalists(first, [{**second[0], "landmarks": np.ones((21, 2))}])
    assert len(merged) == 2 and np.isnan(merged[1]["spacing"]).all() and "spacing" not in second[0]
    with pytest.raises(ValueError, match="at least one item"):
        merge_datalists([], [])


def test_list_images_leaves_results_and_keeps_broken_links(tmp_path: Path) -> None:
    for name in ("a.png", "a.overlay.png", "B.OVERLAY.PNG", "a.sr.dcm", "sr.dcm"):
        (tmp_path / name).touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "folder.png")
    assert [Path(item["image"]).name for item in list_images(tmp_path)] == ["a.png", "gone.png", "sr.dcm"]
