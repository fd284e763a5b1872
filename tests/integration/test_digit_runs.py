"""The digit overlays at work: every method through the same trainer, and the commands around them."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from torch import Tensor

from monai_degia.data.digits.made_sets import MADE_SETS
from monai_degia.engines.workflow import run_configs
from monai_degia.experiments.__main__ import main
from monai_degia.experiments.catalogue import DIGIT_COLUMNS, GRIDS, PEERS, TABLE1
from monai_degia.experiments.evaluation import find_sets
from monai_degia.experiments.grids import Grid, Row, Run
from monai_degia.experiments.runner import run_grid

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "max_epochs": 2,
    "iterations_per_epoch": 2,
    "batch_size": 8,
    "val_interval": 1,
    "round_interval": 1,
    "source_list::count": 40,
    "splits::1::start": 40,
    "splits::1::count": 10,
    "unseen_lists::1::count": 20,
    "network_def::channels": [4, 8],
    "network_def::hidden_features": [16],
}


@pytest.fixture(autouse=True)
def own_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_digits: Any) -> Path:
    """Digits that a network can learn, in MNIST's form."""
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder)
    return folder


def tiny(row: Row, **overrides: Any) -> Row:
    # beta is a share of the images, every other grid takes a number of them
    options = {} if "digits/paper" in row.overlays else {"images_per_round": 8}
    return Row(row.labels, row.overlays, {**row.overrides, **TINY, **options, **overrides})


@pytest.mark.slow
@pytest.mark.parametrize("method", PEERS)
def test_every_method_trains_and_grows_or_not(method: str, data: Path, tmp_path: Path) -> None:
    (row,) = [row for row in GRIDS["peers"].rows if row.labels["method"] == method]
    run = Run(tiny(row), 0)
    run_configs(run.configs(ROOT), **run.row.overrides, dataset_dir=str(data), **folders(tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    grows = method not in ("erm", "randconv")
    assert state["dataset"]["rounds"] == int(grows), "two epochs, one round between them"
    assert (state["dataset"]["pool"].get("size") == 8) is grows
    assert ("flow" in state) is method.startswith("degia")
    assert 0 <= state["best_model"]["best"] <= 1
    kept, last = torch.load(tmp_path / "model.pt", weights_only=True), state["network"]
    assert set(kept) == set(last) and not any(torch.equal(kept[name], last[name]) for name in last)
    if state["best_model"]["epoch"] == 2:
        assert all(torch.equal(kept[name], state["average"][name]) for name in kept), "the average is what is kept"


def folders(path: Path) -> dict[str, str]:
    return {"output_dir": str(path), "ckpt_dir": str(path)}


@pytest.mark.slow
def test_resumed_run_with_views_equals_one_that_was_never_stopped(data: Path, tmp_path: Path) -> None:
    """The views are drawn inside the trainer: their random state must follow the epoch, too."""
    (row,) = [row for row in GRIDS["peers"].rows if row.labels["method"] == "degia_randconv"]
    configs = Run(row, 0).configs(ROOT)
    options = {**tiny(row, max_epochs=3).overrides, "dataset_dir": str(data)}
    run_configs(configs, **options, **folders(tmp_path / "whole"))

    killed = ConfigWorkflow(configs, logging_file=False, **options, **folders(tmp_path / "parts"))
    killed.initialize()
    trainer = killed.parser.get_parsed_content("train::trainer")

    @trainer.on(Events.ITERATION_COMPLETED(once=4))
    def stop(engine: Any) -> None:
        raise InterruptedError

    with pytest.raises(RuntimeError):
        killed.run()
    run_configs(configs, **options, resume=True, **folders(tmp_path / "parts"))
    whole, parts = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    assert whole["dataset"] == parts["dataset"] and whole["dataset"]["pool"]["size"] == 16
    for part in ("network", "flow", "average"):
        assert all(torch.equal(value, parts[part][name]) for name, value in whole[part].items()), part


@pytest.mark.slow
def test_a_network_learns_the_digits(data: Path, tmp_path: Path) -> None:
    """Labels and images belong together all the way: what is learnt holds on the test split."""
    (row,) = [row for row in GRIDS["peers"].rows if row.labels["method"] == "erm"]
    overrides = {"iterations_per_epoch": 60, "learning_rate": 0.003, "batch_size": 16}
    (result,) = run_grid([Run(tiny(row, **overrides), 0)], ROOT, tmp_path, data)
    assert result["metrics"]["mnist"] == {**result["metrics"]["mnist"], "count": 20}
    assert result["metrics"]["mnist"]["accuracy"] > 0.8
    assert list(result["metrics"]) == ["mnist", "mnist_m", *MADE_SETS]
    assert all(domain["count"] == 20 for domain in result["metrics"].values())


@pytest.mark.slow
def test_commands_train_then_evaluate_on_another_set(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (row,) = [row for row in GRIDS["peers"].rows if row.labels["method"] == "degia_appearance"]
    grid = Grid([tiny(row)], (0,), "Accuracy (%)", "a caption", columns=DIGIT_COLUMNS)
    monkeypatch.setitem(GRIDS, "peers", grid)
    out = tmp_path / "out"
    main(["peers", "--root", str(ROOT), "--dataset_dir", str(data), "--output_dir", str(out), "--jobs", "1"])
    printed = capsys.readouterr().out
    assert "| method | mnist | mnist_m | usps_like | MNIST-C | mean of unseen | seeds | seconds |" in printed
    assert "| domain | degia_appearance |" in printed and "| zigzag |" in printed and "generated.png" in printed
    run_dir = out / "degia_appearance_seed=0"
    before = json.loads((run_dir / "evaluation" / "metrics.json").read_text())["mnist"]["accuracy"]

    sets = tmp_path / "sets"
    sets.mkdir()
    shutil.copytree(data / "mnist", sets / "mnist")
    images, labels = torch.rand(7, 16, 16), torch.arange(7)
    np.savez(sets / "usps.npz", test_images=as_grey(images), test_labels=labels.numpy())
    np.savez(sets / "more.npz", test_images=255 - as_grey(images), test_labels=labels.numpy())
    (sets / "notes").mkdir()
    main(["evaluate", str(run_dir), str(sets)])
    printed, told = capsys.readouterr().out, caplog.text
    table = {name: float(value) for name, value in re.findall(r"\| ([\w ]+) \| ([\d.]+) \| \d+ \|", printed)}
    assert table["mnist"] == pytest.approx(100 * before, abs=0.01)
    assert table["mean"] == pytest.approx((table["mnist"] + table["usps"] + table["more"]) / 3, abs=0.01)
    assert table["mean of unseen"] == pytest.approx((table["usps"] + table["more"]) / 2, abs=0.01)
    assert "notes is left out" in told and "notes holds no test digits" in told
    assert (run_dir / "evaluation_sets" / "predictions.csv").read_text().count("\n") == 35

    main(["evaluate", str(run_dir), str(sets / "usps.npz")])
    assert re.search(r"\| usps \| [\d.]+ \| 7 \|$", capsys.readouterr().out.strip()), "one set needs no mean"


def as_grey(images: Tensor) -> np.ndarray:
    return (images * 255).to(torch.uint8).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["beta=10%", "without NLL", "without task loss"])
def test_rows_of_the_first_table_run(setting: str, data: Path, tmp_path: Path) -> None:
    assert setting in TABLE1
    (row,) = [row for row in GRIDS["table1"].rows if row.labels["setting"] == setting]
    run = Run(tiny(row), 0)
    run_configs(run.configs(ROOT), **run.row.overrides, dataset_dir=str(data), **folders(tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["dataset"]["pool"]["size"] == (4 if setting == "beta=10%" else 8), "a share of 40 images"


@pytest.fixture
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "usps.npz"
    np.savez(path, images=np.zeros((3, 16, 16), np.uint8), labels=np.arange(3))
    return path


@pytest.mark.parametrize("missing", ["a folder", "a model"])
def test_evaluate_refuses_what_is_no_finished_run(missing: str, digits: Path, tmp_path: Path) -> None:
    if missing == "a model":
        (tmp_path / "evaluate.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no folder of a finished run.*model\.pt"):
        main(["evaluate", str(tmp_path), str(digits)])


def test_evaluate_refuses_a_run_of_landmarks(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluate.json").write_text("{}")
    (tmp_path / "model.pt").touch()
    with pytest.raises(ValueError, match="run of landmarks"):
        main(["evaluate", str(tmp_path), str(digits)])


def test_sets_of_a_folder(digits: Path, tmp_path: Path, write_digits: Any) -> None:
    write_digits(tmp_path)
    assert find_sets(digits) == {"usps": digits} and find_sets(digits.parent) == {"usps": digits}
    assert find_sets(tmp_path / "mnist") == {"mnist": tmp_path / "mnist"}, "a folder of IDX files is one set"
    assert find_sets(tmp_path) == {"mnist": tmp_path / "mnist"}, "photographs are no digits"
    with pytest.raises(ValueError, match=r"holds no set of test digits.*neither sub-folders nor files"):
        find_sets(tmp_path / "bsds500" / "train")
    with pytest.raises(ValueError, match=r"There is no .*nowhere"):
        find_sets(tmp_path / "nowhere")
    shutil.copy(digits, tmp_path / "mnist.npz")
    with pytest.raises(ValueError, match="both called mnist"):
        find_sets(tmp_path)
