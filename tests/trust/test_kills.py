"""Processes that are killed, at moments of all kinds: what goes on from there ends like what was never stopped."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import monai_degia
from monai_degia.experiments.grids import Row, Run
from monai_degia.experiments.runner import run_grid

pytestmark = pytest.mark.trust

REPO = Path(__file__).parents[2]
SOAK = os.environ.get("MONAI_DEGIA_SOAK", "") not in ("", "0")
SMALL = {"iterations_per_epoch": 2, "images_per_round": 4, "max_epochs": 4, "batch_size": 4, "ascent::steps": 1}
SMALL |= {"network_def::backbone": "lenet", "max_generated": 100, "image_size": [64, 64]}
RANDOM = range(20 if SOAK else 2)

#: Name of a moment to the files whose being there tells that it has come; what is killed then is in the midst of it.
TRAINING = {
    "writing a checkpoint": ".*.partial.pt",
    "after the first checkpoint": "checkpoint.pt",
    "the first image of a round": "generated/images.u8",
    "a picture of a round": "generated_round=00.png",
    "a later round": "generated_round=01.png",
    "the best weights": "model.pt",
    "begun": "run.json",
}
EVALUATION = {"begun": "*", "half the report": "metrics.json", "most of the report": "errors.csv"}
PREDICTION = {"begun": "*", "a picture": "*.overlay.png", "writing": ".*.partial.*", "the table": "landmarks.csv"}
QUICK = {"writing a checkpoint", "after the first checkpoint", "half the report", "a picture"}


def moments(known: dict[str, str]) -> list[str]:
    return [name for name in known if SOAK or name in QUICK]


def command(*arguments: str, told: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "monai_degia", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        stdout=told,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


def run(*arguments: str) -> str:
    process = command(*arguments, told=subprocess.PIPE)
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0, told[-4000:]
    return told


def kill(process: "subprocess.Popen[Any]", come: Callable[[], bool]) -> None:
    """Kill a process and its children as soon as a moment has come; one that ended before is no failure."""
    while process.poll() is None and not come():
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def there(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: next(folder.glob(pattern), None) is not None


def training(data: Path, out: Path) -> list[str]:
    options = [part for name, value in SMALL.items() for part in (f"--{name}", str(value))]
    return ["train", str(data / "landmarks.csv"), "--out", str(out), *options]


class Whole:
    """What was never stopped, how long it took from start to end, and what it read."""

    def __init__(self, folder: Path) -> None:
        self.data, self.out = folder / "data", folder / "out"
        monai_degia.write_synthetic_dataset(self.data, "photo", 16, image_size=64)
        began = time.monotonic()
        run(*training(self.data, self.out))
        self.seconds = time.monotonic() - began


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def same(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return torch.equal(left, right) if isinstance(left, Tensor) and isinstance(right, Tensor) else left == right


def finish(data: Path, out: Path) -> None:
    """Go on as the program says: with what there is, or anew where nothing was finished."""
    if (out / "checkpoint.pt").is_file():
        run("train", "--resume", "--out", str(out))
        return
    shutil.rmtree(out, ignore_errors=True)
    run(*training(data, out))


def check_training(whole: Whole, out: Path) -> None:
    left, right = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (whole.out, out))
    assert left.keys() == right.keys() and left["trainer"]["iteration"] == 8
    for name in left:
        assert same(left[name], right[name]), name
    names = ["model.pt", "flow.pt", *(p.name for p in whole.out.glob("generated_round=*.png"))]
    count = left["dataset"]["pool"]["size"]
    assert count == 12 and len(names) == 5
    for name in names:
        assert (whole.out / name).read_bytes() == (out / name).read_bytes(), name
    for name, row in (("images.u8", 3 * 64 * 64), ("targets.f32", 21 * 2 * 4), ("labels.i64", 3 * 8)):
        one, two = ((f / "generated" / name).read_bytes()[: count * row] for f in (whole.out, out))
        assert one == two and any(one), name
    assert not list(out.rglob(".*.partial*"))


@pytest.mark.parametrize("moment", moments(TRAINING))
def test_a_training_killed_at_a_moment(moment: str, whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kill(command(*training(whole.data, out)), there(out, TRAINING[moment]))
    finish(whole.data, out)
    check_training(whole, out)


@pytest.mark.parametrize("seed", RANDOM)
def test_a_training_killed_at_random(seed: int, whole: Whole, tmp_path: Path) -> None:
    """Twice, so that what goes on is killed as well."""
    rng, out = random.Random(seed), tmp_path / "out"
    kill(command(*training(whole.data, out)), after(rng.uniform(0.3, 1.0) * whole.seconds))
    if (out / "checkpoint.pt").is_file():
        kill(command("train", "--resume", "--out", str(out)), after(rng.uniform(0.3, 1.0) * whole.seconds))
    epochs = 0
    if (out / "checkpoint.pt").is_file():
        trainer = torch.load(out / "checkpoint.pt", weights_only=True)["trainer"]
        epochs = trainer["iteration"] // trainer["epoch_length"]
    if epochs < SMALL["max_epochs"]:  # type: ignore[operator]
        finish(whole.data, out)
    check_training(whole, out)


@pytest.mark.parametrize("moment", moments(EVALUATION))
def test_an_evaluation(moment: str, whole: Whole, tmp_path: Path) -> None:
    arguments = ("evaluate", "--model", str(whole.out), "--overwrite", "--out")
    run(*arguments, str(tmp_path / "good"))
    kill(command(*arguments, str(tmp_path / "out")), there(tmp_path / "out", EVALUATION[moment]))
    run(*arguments, str(tmp_path / "out"))
    check_results(tmp_path / "good", tmp_path / "out", "metrics.json", "errors.csv", "overlay.png")


@pytest.mark.parametrize("moment", moments(PREDICTION))
def test_a_prediction(moment: str, whole: Whole, tmp_path: Path) -> None:
    images = str(whole.data / "images")
    arguments = ("--model", str(whole.out), "--overwrite", "--formats", "overlay")
    run("predict", images, str(tmp_path / "good"), *arguments)
    kill(command("predict", images, str(tmp_path / "out"), *arguments), there(tmp_path / "out", PREDICTION[moment]))
    run("predict", images, str(tmp_path / "out"), *arguments)
    check_results(tmp_path / "good", tmp_path / "out", "landmarks.csv", "landmarks.json")


def check_results(good: Path, found: Path, *names: str) -> None:
    assert {p.name for p in good.glob("*.*")} == {p.name for p in found.glob("*.*")}
    for name in (*names, *(p.name for p in good.glob("*.png"))):
        assert (good / name).read_bytes() == (found / name).read_bytes(), name


GRID = """
import pickle, sys
from monai_degia.experiments.runner import run_grid
run_grid(*pickle.loads(open(sys.argv[1], "rb").read()))
"""


@pytest.mark.parametrize("seed", range(3 if SOAK else 0))
def test_a_grid_killed_at_random(seed: int, tmp_path: Path) -> None:
    """Its workers die with it or end by themselves; the same grid then goes on to the same numbers."""
    few = "$monai_degia.write_synthetic_dataset(@dataset_dir + '/{0}', '{0}', 12)"
    options = {"max_epochs": 3, "iterations_per_epoch": 1, "batch_size": 4, "images_per_round": 4, "ascent::steps": 1}
    options |= {"source_list::path": few.format("photo"), "unseen_lists::0::path": few.format("depth")}
    options |= {"unseen_lists::1::path": few.format("xray")}
    overlays = ("data/synthetic", "backbone/lenet", "method/degia")
    runs = [Run(Row({"network": "lenet", "method": "degia"}, overlays, options), number) for number in (1, 2)]
    began = time.monotonic()
    whole = run_grid(runs, REPO, tmp_path / "whole", tmp_path / "data")
    seconds = time.monotonic() - began
    (tmp_path / "runs.pkl").write_bytes(pickle.dumps((runs, REPO, tmp_path / "killed", tmp_path / "data")))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", GRID, str(tmp_path / "runs.pkl")],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kill(process, after(random.Random(seed).uniform(0.2, 0.9) * seconds))
    found = run_grid(runs, REPO, tmp_path / "killed", tmp_path / "data")
    assert [entry["metrics"] for entry in found] == [entry["metrics"] for entry in whole]
