import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.lists.same_picture import joined_groups, same_pictures
from monai_degia.data.lists.splits import SPLITS, checked_splits, merge_datalists, split_datalist

THIRDS = [0.5, 0.25, 0.25]


def items_of(count: int, **columns: Any) -> list[dict[str, Any]]:
    return [{"image": f"/x/{i}.png", **{key: values[i] for key, values in columns.items()}} for i in range(count)]


def sides(parts: list[list[dict[str, Any]]], key: str) -> list[set[Any]]:
    return [{item[key] for item in part} for part in parts]


def test_a_person_is_on_one_side_and_what_names_nobody_is_alone() -> None:
    items = items_of(60, group=[f"p{i % 12}" if i < 48 else "" for i in range(60)])
    parts = split_datalist(items, THIRDS, seed=1)
    people = [persons - {""} for persons in sides(parts, "group")]
    assert sum(map(len, people)) == 12 and len(set.union(*people)) == 12
    assert [len(part) for part in parts] == pytest.approx([30, 15, 15], abs=4)


def test_groups_of_persons_and_of_file_names_are_joined() -> None:
    # Persons a and b are on pictures of one study, so the study and both of them stay together.
    items = [
        {"image": "s1_0.png", "group": "a"},
        {"image": "s1_1.png", "group": "b"},
        {"image": "s2_0.png", "group": "b"},
    ]
    items += [{"image": f"s{i}_0.png", "group": f"c{i}"} for i in range(3, 9)]
    parts = split_datalist(items, THIRDS, group=r"^(s\d)_")
    assert any({"s1_0.png", "s1_1.png", "s2_0.png"} <= names for names in sides(parts, "image"))


def test_the_same_picture_is_on_one_side_whatever_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / f"{i}.bmp")
    shutil.copy(tmp_path / "0.bmp", tmp_path / "copy.bmp")
    monkeypatch.chdir(tmp_path)
    images = [f"{tmp_path}/{i}.bmp" for i in range(6)] + ["copy.bmp", "./1.bmp", "gone.bmp"]
    assert sorted(same_pictures(images)) == [[0, 6], [1, 7]]
    assert joined_groups([{"image": image} for image in images])[:2] == [[0, 6], [1, 7]]
    for seed in range(5):
        parts = split_datalist([{"image": image} for image in images], THIRDS, seed=seed)
        assert sum({images[0], "copy.bmp"} <= names for names in sides(parts, "image")) == 1


def test_a_list_that_says_its_split_is_divided_so() -> None:
    items = items_of(6, split=["test", "training", "validation", "training", "test", "training"])
    assert [[item["image"][3] for item in part] for part in split_datalist(items, THIRDS)] == [
        ["1", "3", "5"],
        ["2"],
        ["0", "4"],
    ]


def test_validation_that_is_missing_comes_from_training_by_whole_persons(caplog: pytest.LogCaptureFixture) -> None:
    split = ["training"] * 20 + ["test"] * 5
    items = items_of(25, split=split, group=[f"p{i // 4}" for i in range(20)] + [f"t{i}" for i in range(5)])
    with caplog.at_level("INFO"):
        parts = split_datalist(items, [0.6, 0.2, 0.2])
    assert "taken from those for training" in caplog.text
    assert [len(part) for part in parts] == [16, 4, 5] and {i["split"] for i in parts[2]} == {"test"}
    people = sides(parts, "group")
    assert not people[0] & people[1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"split": ["training", "test", None, "training"]},
            "1 of 4 items have no split .* first is /x/2.png with None",
        ),
        ({"split": ["training", "tset", "test", "training"]}, "/x/1.png with 'tset'"),
        ({"split": ["training", "training", "validation", "training"]}, "No item of the list is for test"),
        (
            {"split": ["training", "test", "validation", "test"], "group": ["ann", "bob", "cy", "ann"]},
            r"/x/0.png is in training, /x/3.png in test \(group 'ann'\)",
        ),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_datalist(items_of(4, **columns), THIRDS)


def test_lists_of_several_files_may_share_nobody() -> None:
    lists = [items_of(3, group=["a", "b", "c"]), [{"image": "/y/0.png", "group": "d"}]]
    assert checked_splits(lists) == lists
    with pytest.raises(ValueError, match=r"/x/1.png is in list 1, /y/1.png in list 2 \(group 'b'\)"):
        checked_splits([lists[0], [{"image": "/y/1.png", "group": "b"}]])
    with pytest.raises(ValueError, match=r"1 pictures or persons .*\n *\S*0.png is in list 1, \S*0.png in list 2"):
        checked_splits([items_of(2), items_of(1)])


def test_parts_have_the_names_that_messages_use() -> None:
    assert SPLITS == ("training", "validation", "test")
    with pytest.raises(ValueError, match="cannot be divided into 2 parts"):
        split_datalist(items_of(2, split=["training", "test"]), [0.5, 0.5])


def test_volumes_join_with_as_many_unknown_millimetres_and_never_with_images() -> None:
    known, other = {"landmarks": np.zeros((4, 3)), "spacing": np.ones(3, np.float32)}, {"landmarks": np.zeros((4, 3))}
    merged = merge_datalists([{**known, "domain": "a"}], [{**other, "domain": "b"}])
    assert merged[1]["spacing"].shape == (3,) and np.isnan(merged[1]["spacing"]).all()
    with pytest.raises(ValueError, match="differ in the number of axes: 'a' 3; 'flat' 2"):
        merge_datalists([{**known, "domain": "a"}], [{"landmarks": np.zeros((4, 2)), "domain": "flat"}])
