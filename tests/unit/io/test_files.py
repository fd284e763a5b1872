"""Files that are written whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monai_degia.errors import WriteError
from monai_degia.io.files import printable, remove_drafts, remove_drafts_of_the_dead, whole_file


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


CAUSES = [
    (errno.ENOSPC, "the disk is full"),
    (errno.EDQUOT, "the disk quota is used up"),
    (errno.EROFS, "the disk is read-only"),
    (errno.EACCES, "there is no permission to write there"),
]


@pytest.mark.parametrize(("number", "reason"), CAUSES)
def test_an_error_names_the_target_and_the_cause(tmp_path: Path, number: int, reason: str) -> None:
    target = tmp_path / "model.pt"
    target.write_text("old")
    with pytest.raises(WriteError, match=rf"Cannot write .*model\.pt: {reason}"), whole_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError("a library's own words") from OSError(number, os.strerror(number))
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_an_error_about_another_file_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="elsewhere") as error, whole_file(tmp_path / "model.pt"):
        raise OSError(errno.ENOTDIR, "no folder", "elsewhere/weights.pt")
    assert not isinstance(error.value, WriteError)


def test_a_folder_in_the_file_s_place_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "model.pt").mkdir()
    with (
        pytest.raises(WriteError, match=r"model\.pt: there is a folder of that name"),
        whole_file(tmp_path / "model.pt"),
    ):
        raise AssertionError("not reached")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="a file lies where a folder is needed"), whole_file(tmp_path / "file" / "a"):
        raise AssertionError("not reached")


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.errors import WriteError
from monai_degia.io.files import whole_file

folder = Path(sys.argv[1])
pool = GeneratedPool(folder / "pool", 4, (1, 200, 200), (1,))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # stands for a full disk: writing fails on the way


def told(work):
    try:
        work()
    except WriteError as error:
        print(error)


def save():
    with whole_file(folder / "checkpoint.pt") as partial:
        torch.save({"weights": torch.rand(100_000)}, partial)


labels = torch.zeros(4, dtype=torch.long)
told(save)
told(lambda: pool.append(torch.rand(4, 1, 200, 200), torch.rand(4, 1), labels, labels, 0))
print(len(pool))
"""


def test_a_disk_that_fills_up_while_torch_writes_and_while_a_pool_grows(tmp_path: Path) -> None:
    """The pool is a sparse map, and writing through one to a full disk ends a process without a word."""
    (tmp_path / "checkpoint.pt").write_text("the last good one")
    command = [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    checkpoint, appended, size = done.stdout.splitlines()
    assert "checkpoint.pt: the file would be larger than this system allows" in checkpoint
    assert "images.u8: the file would be larger" in appended and size == "0"
    assert (tmp_path / "checkpoint.pt").read_text() == "the last good one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "pool"]


def test_drafts_of_killed_processes_can_be_removed(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint.pt"
    with whole_file(target) as partial, whole_file(tmp_path / "other.pt") as other:
        names = [draft.with_name(draft.name.replace(str(os.getpid()), "1")) for draft in (partial, other)]
        for draft in (partial, other, *names):
            draft.write_text("")
    remove_drafts(target)
    assert not names[0].exists() and names[1].exists() and target.exists()


@pytest.mark.skipif(os.name != "posix", reason="no other system tells whether a process lives")
def test_drafts_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    (tmp_path / "ward").mkdir()
    kept, gone = [], []
    for folder in (tmp_path, tmp_path / "ward"):
        with whole_file(folder / "a.overlay.png") as partial:
            partial.write_text("")
            gone.append(folder / partial.name.replace(f".{os.getpid()}.", f".{done.pid}."))
            kept.append(folder / partial.name.replace(f".{os.getpid()}.", f".{os.getppid()}."))
        kept += [folder / "a.overlay.png", folder / ".hidden.partial.png", folder / f".12.{done.pid}.partial.png"]
    for path in (*kept, *gone):
        path.write_text("")
    remove_drafts_of_the_dead(tmp_path)
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)
    remove_drafts_of_the_dead(tmp_path / "nowhere")
