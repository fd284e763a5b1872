"""DeepLabCut's CollectedData files."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from monai_degia.data.formats.image_files import find_image
from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]
SINGLE = """scorer,me,me,me,me
bodyparts,wrist,wrist,tip,tip
coords,x,y,x,y
labeled-data/vid/a.png,1.5,2,3,4
labeled-data/vid/b.png,,,5,6
labeled-data/vid/c.png,,,,
"""
THREE = """scorer,,,me,me,me,me
bodyparts,,,wrist,wrist,tip,tip
coords,,,x,y,x,y
labeled-data,vid,a.png,1.5,2,3,4
labeled-data,vid,b.png,,,5,6
"""
MULTI = """scorer,,,me,me,me,me,me,me
individuals,,,mouse1,mouse1,mouse2,mouse2,single,single
bodyparts,,,nose,nose,nose,nose,lever,lever
coords,,,x,y,x,y,x,y
labeled-data,vid,a.png,1,2,3,4,5,6
labeled-data,vid,b.png,7,8,,,9,9
"""


@pytest.mark.parametrize("text", [SINGLE, THREE, SINGLE.replace(",", ";").replace(".5", ",5")])
def test_single_animal(text: str, save: Save, caplog: pytest.LogCaptureFixture) -> None:
    found = read_annotations(save(text))
    first, second = found.images
    assert found.names == ("wrist", "tip") and found.format == "deeplabcut"
    assert first.image == "labeled-data/vid/a.png" and first.points.tolist() == [[1.5, 2], [3, 4]]
    assert second.labelled.tolist() == [False, True] and second.where == "line 5"
    assert ("without a labelled point: 1" in caplog.text) == (text.count("c.png") == 1)


def test_pictures_are_found_beside_the_table(save: Save, tmp_path: Path) -> None:
    picture = save("", "labeled-data/vid/a.png")
    image = read_annotations(save(SINGLE)).images[0]
    for folder in (tmp_path, tmp_path / "labeled-data", tmp_path / "labeled-data" / "vid"):
        assert find_image(image, [folder]) == picture, folder


def test_one_individual_of_several(save: Save) -> None:
    file = save(MULTI)
    with pytest.raises(ValueError, match=r"several individuals.*: mouse1, mouse2, single. Pass individual="):
        read_annotations(file)
    found = read_annotations(file, individual="mouse2")
    assert found.names == ("nose",) and [image.points.tolist() for image in found.images] == [[[3, 4]]]
    with pytest.raises(ValueError, match=r"no individual 'mouse3'"):
        read_annotations(file, individual="mouse3")
    with pytest.raises(ValueError, match=r"of a single animal. Leave individual out"):
        read_annotations(save(SINGLE), individual="mouse1")


def test_the_only_individual_with_labels_is_taken(save: Save) -> None:
    text = MULTI.replace("1,2,3,4,5,6", "1,2,,,,").replace("7,8,,,9,9", "7,8,,,,")
    assert read_annotations(save(text)).images[1].points.tolist() == [[7, 8]]


def test_a_project_tree(save: Save, tmp_path: Path) -> None:
    save(SINGLE, "labeled-data/vid/CollectedData_me.csv")
    save("not read beside a CSV", "labeled-data/vid/CollectedData_me.h5")
    save(SINGLE.replace("/vid/", "/two/"), "labeled-data/two/CollectedData_me.csv")
    found = read_annotations(tmp_path)
    assert found.format == "deeplabcut" and len(found.images) == 4
    assert found.images[0].where == "two/CollectedData_me.csv, line 4"


@pytest.mark.parametrize(("levels", "form"), [("single", "fixed"), ("multi", "fixed"), ("single", "table")])
def test_hdf5(levels: str, form: str, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    names = ["scorer", "individuals", "bodyparts", "coords"]
    columns = pandas.MultiIndex.from_product([["me"], ["m1", "m2"], ["nose"], ["x", "y"]], names=names)
    index = pandas.MultiIndex.from_tuples([("labeled-data", "vid", "a.png"), ("labeled-data", "vid", "b.png")])
    frame = pandas.DataFrame([[1.5, 2, 3, 4], [np.nan, np.nan, 5, 6]], index=index, columns=columns)
    if levels == "single":
        frame = frame.xs("m1", axis=1, level="individuals")
    if form == "table":
        frame.index = ["/".join(row) for row in frame.index]
    path = tmp_path / "CollectedData_me.h5"
    frame.to_hdf(path, key="df_with_missing", mode="w", format=form)
    found = read_annotations(path, individual="m2" if levels == "multi" else None)
    assert found.names == ("nose",) and found.images[0].image == "labeled-data/vid/a.png"
    expected = [[[3, 4]], [[5, 6]]] if levels == "multi" else [[[1.5, 2]]]
    assert [image.points.tolist() for image in found.images] == expected


@pytest.mark.parametrize("hidden", ["attribute", "rows"])
def test_hdf5_with_an_object_of_python_in_it_is_refused(hidden: str, tmp_path: Path) -> None:
    """To read an object is to run what it asks for; a fraction is a harmless one."""
    pandas = pytest.importorskip("pandas")
    tables = pytest.importorskip("tables")
    names = ["scorer", "bodyparts", "coords"]
    columns = pandas.MultiIndex.from_product([["me"], ["nose"], ["x", "y"]], names=names)
    path = tmp_path / "CollectedData_me.h5"
    pandas.DataFrame([[1.5, 2.0]], index=["a.png"], columns=columns).to_hdf(path, key="df_with_missing", mode="w")
    with tables.open_file(path, "a") as file:
        if hidden == "attribute":
            file.root.df_with_missing._v_attrs.note = Fraction(1, 3)
        else:
            file.create_vlarray("/df_with_missing", "note", tables.ObjectAtom()).append(Fraction(1, 3))
    with pytest.raises(ValueError, match=r"holds Python code in df_with_missing"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SINGLE.replace("labeled-data/vid/a.png", "0")
         .replace("labeled-data/vid/b.png", "1").replace("labeled-data/vid/c.png", "2"), "frames of a video"),
        (SINGLE.replace("coords,x,y,x,y", "coords,x,y,x,likelihood"), "frames of a video"),
        (SINGLE.replace("scorer,me", "scorer,you"), "several scorers"),
        (SINGLE.replace("5,6", "five,6"), "line 5: coordinate 'five'"),
    ],
    ids=["frames", "likelihood", "scorers", "word"],
)  # fmt: skip
def test_other_tables_are_refused(text: str, message: str, save: Save) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotations(save(text))
