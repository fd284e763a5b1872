"""Whose folders a run writes into: another run, another process, a forgotten resume, a foreign pool."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_degia import GrowingDataset, RunCheckpoint, claim_run, release_run
from monai_degia.engines.errors import show_short_errors
from monai_degia.engines.run_folder import RUN_FILE, hold_folder, mark_run, run_of
from monai_degia.errors import WriteError

HOLD = "import sys, time; from monai_degia.engines.run_folder import claim_run; claim_run(*sys.argv[1:]); "
HOLD += "print('held', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    yield
    release_run()


def checkpoint(folder: Path, run_id: str | None, **more: int) -> Path:
    """What a run leaves after an epoch."""
    torch.save({"trainer": {"epoch": 1}, **more}, folder / "checkpoint.pt")
    if run_id is not None:
        mark_run(folder / "checkpoint.pt", run_id)
    return folder / "checkpoint.pt"


def dataset(folder: Path, run_id: str | None) -> GrowingDataset:
    items = [{"image": torch.rand(1, 4, 4), "landmarks": torch.rand(2, 2)}]
    return GrowingDataset(items, pool_dir=folder / "generated", max_generated=5, run_id=run_id)


def grow(data: GrowingDataset) -> None:
    data.append(torch.rand(2, 1, 4, 4), torch.rand(2, 2, 2), torch.zeros(2), torch.zeros(2))


def test_folder_pool_and_checkpoint_name_the_run(tmp_path: Path) -> None:
    run_id = claim_run(tmp_path / "out", tmp_path / "models")
    assert run_id
    for folder in ("out", "models"):
        record = json.loads((tmp_path / folder / RUN_FILE).read_text())
        assert record["run"] == run_id and record["process"] == os.getpid()
    grow(dataset(tmp_path / "out", run_id))
    assert (tmp_path / "out" / "generated" / "run.txt").read_text().strip() == run_id
    network = nn.Linear(1, 1)
    trainer = Engine(lambda engine, batch: None)
    RunCheckpoint(tmp_path / "models" / "checkpoint.pt", {"network": network}, run_id=run_id).attach(trainer)
    trainer.run([0], max_epochs=1)
    assert run_of(tmp_path / "models" / "checkpoint.pt") == run_id
    state = torch.load(tmp_path / "models" / "checkpoint.pt", weights_only=True)
    assert set(state) == {"trainer", "network"}, "the id is no part of the state, which equal runs share"
    assert claim_run(tmp_path / "out", tmp_path / "models", resume=True) == run_id


def test_a_new_run_in_the_folder_of_another(tmp_path: Path) -> None:
    """Its checkpoint lies elsewhere, and its images would be overwritten."""
    first = claim_run(tmp_path / "out", tmp_path / "one")
    assert first
    checkpoint(tmp_path / "one", first)
    with pytest.raises(
        ValueError, match=f"belongs to another run .run {first}(.|\n)*Go on with that run by --resume"
    ) as e:
        claim_run(tmp_path / "out", tmp_path / "two")
    assert "--output_dir FOLDER" in str(e.value) and str(tmp_path / "one") in str(e.value)
    (tmp_path / "one" / "checkpoint.pt").unlink()
    grow(dataset(tmp_path / "out", first))
    with pytest.raises(ValueError, match=r"which has left .*generated"):
        claim_run(tmp_path / "out", tmp_path / "two")


def test_a_run_that_left_nothing_stands_in_nobody_s_way(tmp_path: Path) -> None:
    """Such as one that was told a data list that is not there."""
    first, second = (claim_run(tmp_path, tmp_path) for _ in range(2))
    assert first != second and json.loads((tmp_path / RUN_FILE).read_text())["run"] == second


@pytest.mark.parametrize("left", ["checkpoint.pt", "model.pt"])
def test_a_forgotten_resume(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"weights")
    with pytest.raises(ValueError, match=f"{left} is there already, and training would overwrite it") as error:
        claim_run(tmp_path / "out", tmp_path)
    assert ("--resume True" in str(error.value)) == (left == "checkpoint.pt")


def test_resuming_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No checkpoint to resume from at"):
        claim_run(tmp_path, tmp_path, resume=True)
    assert not list(tmp_path.iterdir())


def test_resuming_with_the_folder_of_another_run(tmp_path: Path) -> None:
    first, second = claim_run(tmp_path / "a", tmp_path / "a"), claim_run(tmp_path / "b", tmp_path / "b")
    checkpoint(tmp_path / "a", first), checkpoint(tmp_path / "b", second)
    with pytest.raises(ValueError, match=f"belongs to run {first}(.|\n)*to run {second}(.|\n)*--output_dir FOLDER"):
        claim_run(tmp_path / "a", tmp_path / "b", resume=True)


def test_resuming_with_the_images_of_another_run(tmp_path: Path) -> None:
    state = dataset(tmp_path, "mine")
    grow(state)
    (tmp_path / "generated" / "run.txt").write_text("other\n")
    with pytest.raises(ValueError, match=r"generated are those of run other, not of this one \(mine\)"):
        dataset(tmp_path, "mine").load_state_dict(state.state_dict())
    (tmp_path / "generated" / "run.txt").unlink()
    with pytest.raises(ValueError, match="are those of an unknown run"):
        dataset(tmp_path, "mine").load_state_dict(state.state_dict())
    dataset(tmp_path, None).load_state_dict(state.state_dict())  # nobody asked


def test_resuming_with_the_checkpoint_of_another_run(tmp_path: Path) -> None:
    path, trainer = checkpoint(tmp_path, "other"), Engine(lambda engine, batch: None)
    RunCheckpoint(path, {}, resume=True, run_id="mine").attach(trainer)
    with pytest.raises(ValueError, match="belongs to run other, its folder to run mine"):
        trainer.run([0], max_epochs=2)


@pytest.mark.parametrize("asked", ["mine", None])
def test_a_run_resumes_by_its_name_and_keeps_it(tmp_path: Path, asked: str | None) -> None:
    """Who names no run takes over that of the checkpoint."""
    path = tmp_path / "checkpoint.pt"
    for resume, run_id, epochs in ((False, "mine", 1), (True, asked, 3)):
        trainer = Engine(lambda engine, batch: None)
        RunCheckpoint(path, {}, resume, run_id=run_id).attach(trainer)
        trainer.run([0], max_epochs=epochs)
        assert trainer.state.epoch == epochs and run_of(path) == "mine"


def test_an_interrupt_tells_whether_there_is_anything_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    path, trainer = tmp_path / "checkpoint.pt", Engine(lambda engine, batch: None)
    saver = RunCheckpoint(path, {})
    saver.attach(trainer)
    show_short_errors()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "No epoch was finished" in capsys.readouterr().err
    trainer.run([0], max_epochs=1)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert f"--resume True ({path})" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_checkpoint_that_tells_no_run(tmp_path: Path, content: bytes | None) -> None:
    path = checkpoint(tmp_path, None)
    if content is not None:
        path.write_bytes(content)
    reason = "does not say which run" if content is None else "cannot be read"
    with pytest.raises(ValueError, match=reason):
        claim_run(tmp_path, tmp_path, resume=True)


def test_a_damaged_record(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"run": 1}', "[" * 100_000):
        (tmp_path / RUN_FILE).write_text(text)
        with pytest.raises(ValueError, match=r"run.json is damaged"):
            claim_run(tmp_path, tmp_path)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WriteError, match=r"Cannot write .*out: a file lies where a folder is needed"):
        claim_run(tmp_path / "out", tmp_path / "models")


@pytest.mark.slow
def test_two_processes_and_a_killed_one(tmp_path: Path) -> None:
    """A lock lives as long as its process: what was killed blocks nobody, and its drafts are taken away."""
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), str(tmp_path / "m")], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        for folders in ((tmp_path, tmp_path / "other"), (tmp_path / "other", tmp_path / "m")):
            with pytest.raises(ValueError, match=rf"Another run is writing into .*process {first.pid} on"):
                claim_run(*folders)
            release_run()
        with pytest.raises(ValueError, match="Another run is writing into"):
            hold_folder(tmp_path)
        draft = tmp_path / "m" / ".ab.1.partial.pt"
        draft.touch()
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert claim_run(tmp_path, tmp_path / "m")
    assert draft.exists(), "drafts of other files are not ours to remove"
