"""Checkpoints: before and behind a round, never with weights that are not finite, and kept where the disk is full."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_degia import BestModelSaver, MaximizationHandler, RunCheckpoint


class Rounds:
    """Stands for a maximiser, a trainer and a network that counts epochs."""

    def __init__(self, path: Path, resume: bool = False, fail_in_round: int | None = None) -> None:
        self.dataset, self.fail = self, fail_in_round
        self.rounds, self.told = 0, []  # type: ignore[var-annotated]
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.trainer = Engine(self.step)
        MaximizationHandler(self, interval=2).attach(self.trainer)  # type: ignore[arg-type]
        self.checkpoint = RunCheckpoint(path, {"network": self.network, "dataset": self}, resume)
        self.checkpoint.attach(self.trainer)

    def step(self, engine: Engine, batch: Any) -> None:
        with torch.no_grad():
            self.network.weight += 1
        self.told.append(self.rounds)

    def run(self) -> None:
        if self.rounds == self.fail:
            raise RuntimeError("killed")
        self.rounds += 1

    def state_dict(self) -> dict[str, int]:
        return {"rounds": self.rounds}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.rounds = state["rounds"]


def saved(path: Path) -> tuple[float, int]:
    state = torch.load(path, weights_only=True)
    return state["network"]["weight"].item(), state["dataset"]["rounds"]


def test_a_run_that_is_killed_inside_a_round_loses_nothing_but_the_round(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    whole = Rounds(tmp_path / "whole.pt")
    whole.trainer.run([0], max_epochs=7)
    killed = Rounds(path, fail_in_round=1)
    with pytest.raises(RuntimeError, match="killed"):
        killed.trainer.run([0], max_epochs=7)
    assert saved(path) == (4.0, 1), "the epoch before the round is saved, the round is not done"
    resumed = Rounds(path, resume=True)
    resumed.trainer.run([0], max_epochs=7)
    assert killed.told + resumed.told == whole.told == [0, 0, 1, 1, 2, 2, 3]
    assert saved(path) == saved(tmp_path / "whole.pt") == (7.0, 3)


def test_no_round_is_made_up_or_done_twice_where_a_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    Rounds(path).trainer.run([0], max_epochs=5)  # killed between rounds
    assert saved(path) == (5.0, 2)
    resumed = Rounds(path, resume=True)
    resumed.trainer.run([0], max_epochs=7)
    assert resumed.told == [2, 3] and saved(path) == (7.0, 3)


def test_a_round_that_a_checkpoint_knows_is_not_repeated(tmp_path: Path) -> None:
    run = Rounds(tmp_path / "checkpoint.pt")

    @run.trainer.on(Events.EPOCH_STARTED(once=5))
    def stop(engine: Engine) -> None:
        raise RuntimeError("killed behind a round")

    with pytest.raises(RuntimeError, match="killed behind"):
        run.trainer.run([0], max_epochs=7)
    assert saved(tmp_path / "checkpoint.pt") == (4.0, 2)
    resumed = Rounds(tmp_path / "checkpoint.pt", resume=True)
    resumed.trainer.run([0], max_epochs=7)
    assert resumed.told == [2, 2, 3]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_never_replace_good_ones(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "checkpoint.pt"
    run = Rounds(path)

    @run.trainer.on(Events.EPOCH_STARTED(once=2))
    def spoil(engine: Engine) -> None:
        nn.init.constant_(run.network.weight, bad)

    with pytest.raises(ValueError, match=r"weights of network are no longer finite \(first weight\)(.|\n)*Lower the"):
        run.trainer.run([0], max_epochs=3)
    assert saved(path) == (1.0, 0) and list(tmp_path.iterdir()) == [path]


def test_the_best_weights_and_their_companions_are_finite_too(tmp_path: Path) -> None:
    network, flow = nn.Linear(1, 1), nn.BatchNorm1d(1)
    saver = BestModelSaver(tmp_path / "model.pt", network, companions={"flow.pt": flow})
    engine = Engine(lambda engine, batch: None)
    engine.state.key_metric_name = "key"
    engine.state.metrics["key"] = 0.5
    saver(engine)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"model.pt", "flow.pt"}
    engine.state.metrics["key"], flow.running_mean[0] = 0.1, float("nan")
    with pytest.raises(ValueError, match=r"weights of flow are no longer finite \(first running_mean\)"):
        saver(engine)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_mask_of_infinities_is_no_weight(tmp_path: Path) -> None:
    run = Rounds(tmp_path / "checkpoint.pt")
    run.network.register_buffer("mask", torch.tensor([float("-inf")]))
    run.checkpoint.save()
    assert saved(tmp_path / "checkpoint.pt") == (0.0, 0)


def test_equal_runs_write_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever process they are."""
    for process, name in ((1, "a.pt"), (2, "b.pt")):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        Rounds(tmp_path / name).checkpoint.save()
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


class Code:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that somebody else wrote are data."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    Rounds(path).checkpoint.save()
    torch.save({**torch.load(path, weights_only=True), "network": Code()}, path)
    with pytest.raises(Exception, match=r"(?i)weights.?only"):
        Rounds(path, resume=True).trainer.run([0], max_epochs=2)
    assert not Path("executed").exists()
