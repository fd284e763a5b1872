import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.published.dha import load_dha

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[4].parent / "shared" / "data")) / "hand_xray_dha"
HEADER = ["image", "width", "spacing_mm", *(f"{axis}{i}" for i in range(37) for axis in "xy")]
Make = Callable[..., Path]


def all_points(joints: dict[str, np.ndarray]) -> np.ndarray:
    """37 points: 10 and 15 on both sides of the wrist's middle, 17 to 36 the joints, 1 and 5 apart by 30, 40 pixels."""
    points = np.tile([[20.0, 60.0]], (37, 1))
    points[[10, 15]] = joints["wrist"] + [[-3, -2], [3, 2]]
    points[17:] = [joints[name] for name in HAND21[1:]]
    points[[0, 1, 4, 5]] = [[70, 110], [60, 70], [70, 10], [90, 110]]
    return points


@pytest.fixture
def make(joints: dict[str, np.ndarray], paint: Any) -> Make:
    """``all.csv`` as published: no header; the second hand lies elsewhere."""

    def write(folder: Path, extra: tuple[str, ...] = (), suffix: str = ".jpg", images: str = "jpg") -> Path:
        rows = []
        for number, shift in (("3128", 0), ("7044", 2)):
            rows.append([number, *map(str, (all_points(joints) + shift).ravel()), *extra])
            paint(folder / images / f"{number}{suffix}", {name: joints[name] + shift for name in HAND21})
        with (folder / "all.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        return folder

    return write


@pytest.mark.parametrize(("suffix", "images"), [(".jpg", "jpg"), (".png", "images"), (".PNG", ".")])
def test_each_landmark_lies_on_its_joint(tmp_path: Path, make: Make, seen: Any, suffix: str, images: str) -> None:
    items = load_dha(make(tmp_path, suffix=suffix, images=images))
    assert [Path(item["image"]).stem for item in items] == ["3128", "7044"]
    for item in items:
        assert seen(item) == [5 * (i + 1) for i in range(21)]
        assert (item["modality"], item["domain"], item["class"], item["mirror"]) == ("xray", "dha", 0, False)
    assert seen(load_dha(tmp_path, landmarks=["little_tip", "thumb_cmc"])[1]) == [105, 10]


def test_millimetres_by_wrist_width(tmp_path: Path, make: Make) -> None:
    make(tmp_path)
    np.testing.assert_allclose(load_dha(tmp_path)[0]["spacing"], [1.0, 1.0])  # 30, 40: 50 pixels
    np.testing.assert_allclose(load_dha(tmp_path, wrist_points=(0, 4))[0]["spacing"], [0.5, 0.5])
    np.testing.assert_allclose(load_dha(tmp_path, wrist_width_mm=60)[1]["spacing"], [1.2, 1.2])
    assert "spacing" not in load_dha(tmp_path, wrist_width_mm=None)[0]


@pytest.mark.parametrize(("extra", "spacing"), [(("0.17",), [0.17, 0.17]), (("0.1", "0.2"), [0.1, 0.2])])
def test_spacing_of_the_file_goes_before(
    tmp_path: Path, make: Make, extra: tuple[str, ...], spacing: list[float]
) -> None:
    np.testing.assert_allclose(load_dha(make(tmp_path, extra))[0]["spacing"], spacing, rtol=1e-6)


def test_columns_of_a_header_are_taken_by_name(tmp_path: Path, make: Make, joints: dict[str, np.ndarray]) -> None:
    make(tmp_path)
    expected = load_dha(tmp_path)
    points = all_points(joints)
    cells = dict(zip(HEADER, ["03128", "150", "", *map(str, points.ravel())], strict=True))
    header = sorted(HEADER[1:])
    with (tmp_path / "other.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", *header], [cells["image"], *(cells[name] for name in header)]])
    (item,) = load_dha(tmp_path, annotations="other.csv")
    np.testing.assert_array_equal(item["landmarks"], expected[0]["landmarks"])
    assert item["image"] == expected[0]["image"] and item["spacing"] == pytest.approx(1.0)


ROWS: dict[str, tuple[Callable[[list[str]], Any], str]] = {
    "too few": (lambda row: row.pop(), r"1 of 2 rows(.|\n)*line 2 .*74 cells; expected the image, 37 times x, y"),
    "too many": (lambda row: row.extend("123"), "78 cells; expected"),
    "text": (lambda row: row.__setitem__(40, "x"), "a coordinate or pixel size is not a number"),
    "nan": (lambda row: row.__setitem__(40, "nan"), "1 coordinates are NaN"),
    "wrist": (lambda row: row.__setitem__(slice(3, 5), row[11:13]), "points 1 and 5 of the wrist coincide"),
    "wrist nan": (lambda row: row.__setitem__(3, "nan"), "points 1 and 5 of the wrist coincide or are NaN"),
    "spacing": (lambda row: row.append("-1"), "must be positive, in mm"),
    "image": (lambda row: row.__setitem__(0, "9"), r"line 2 \(9\): image file not found"),
}


@pytest.mark.parametrize(("change", "message"), ROWS.values(), ids=ROWS.keys())
def test_bad_rows(tmp_path: Path, make: Make, change: Callable[[list[str]], Any], message: str) -> None:
    lines = (make(tmp_path) / "all.csv").read_text().split()
    row = lines[1].split(",")
    change(row)
    (tmp_path / "all.csv").write_text(f"{lines[0]}\n{','.join(row)}\n")
    with pytest.raises(ValueError, match=message):
        load_dha(tmp_path)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "width": ({"wrist_width_mm": 0}, "wrist_width_mm must be a positive length in mm, or None, got 0"),
    "points": ({"wrist_points": (1, 37)}, r"wrist_points must be two different points from 0 to 36, got \[1, 37\]"),
    "same point": ({"wrist_points": (1, 1)}, "two different points"),
    "file": ({"annotations": "no.csv"}, r"Found none of .*no\.csv.* annotations="),
    "images": ({"image_dir": "all.csv"}, "is not a folder. Pass image_dir="),
    "header": ({"annotations": "head.csv"}, "lacks 73 of the columns x0, y0 to x36, y36, the first is y0"),
    "cells": ({"annotations": "short.csv"}, r"1 of 1 rows(.|\n)*2 cells where the header has 75"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_bad_options(tmp_path: Path, make: Make, options: dict[str, Any], message: str) -> None:
    (make(tmp_path) / "head.csv").write_text("image,x0\n3128,5\n")
    (tmp_path / "short.csv").write_text(f"image,{','.join(HEADER[3:])}\n3128,5\n")
    with pytest.raises(ValueError, match=message):
        load_dha(tmp_path, **options)


def test_a_folder_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Found none of .*all\.csv, .*landmarks37\.csv"):
        load_dha(tmp_path)
    with pytest.raises(ValueError, match=r"is not a folder\. Pass the folder into which the Digital Hand Atlas"):
        load_dha(tmp_path / "no")


@pytest.mark.skipif(not DATA.is_dir(), reason="shared hand data are not there")
def test_real_hands(tmp_path: Path) -> None:
    """With its own pixel sizes, and as the published file without header and sizes, from the same points."""
    items = load_dha(DATA)
    expected = load_datalist(DATA / "landmarks.csv", modality="xray")
    rows = list(csv.DictReader((DATA / "landmarks37.csv").open()))
    lines = [",".join([Path(row["image"]).stem, *list(row.values())[4:]]) for row in rows]
    (tmp_path / "all.csv").write_text("\n".join(lines))
    bare = load_dha(tmp_path, image_dir=DATA / "images")
    assert len(items) == len(expected) == len(bare) == 5
    for item, same, other, row in zip(items, expected, bare, rows, strict=True):
        assert item["image"] == same["image"] == other["image"]
        np.testing.assert_allclose(item["landmarks"], same["landmarks"], atol=0.51)  # wrist: rounded there
        np.testing.assert_array_equal(other["landmarks"], item["landmarks"])
        np.testing.assert_allclose(item["spacing"], float(row["spacing_mm"]), rtol=1e-6)
        np.testing.assert_allclose(other["spacing"], item["spacing"], rtol=1e-4)
