"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from monai_degia.io.files import printable, whole_file


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "report.csv"
    with whole_file(target) as partial:
        partial.write_text("new")
        assert not target.exists(), "seen before it is whole"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_an_old_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    target.write_text("old")
    with whole_file(str(target)) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "model.pt"
    target.write_text("old")
    with pytest.raises(error), whole_file(target) as partial:
        partial.write_text("half of the n")
        raise error
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_an_error_before_anything_is_written_comes_through(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="first"), whole_file(tmp_path / "x.json"):
        raise RuntimeError("first")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["grid.png", "archive.tar.gz"])
def test_the_name_to_write_to_keeps_the_suffix(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as partial:
        assert partial.parent == tmp_path and partial.suffix == Path(name).suffix
        assert partial.name != name and partial.name.startswith("."), "a listing of results would show it"
        partial.touch()


def test_a_name_as_long_as_a_disk_allows(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 250 + ".json")
    with whole_file(target) as partial:
        partial.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_two_files_of_one_folder_can_be_written_at_a_time(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.json") as first, whole_file(tmp_path / "b.json") as second:
        first.write_text("a")
        second.write_text("b")
    assert (tmp_path / "a.json").read_text() == "a" and (tmp_path / "b.json").read_text() == "b"


def test_names_become_text() -> None:
    assert printable("b/M\u00fcller \u624b.png") == "b/M\u00fcller \u624b.png"
    text = printable(os.fsdecode(b"m\xfcller.png"))
    assert text.startswith("m") and text.endswith("ller.png") and text.encode().isascii()
