import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from monai_degia.experiments.__main__ import main
from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.grids import Grid, Row, Run
from monai_degia.experiments.runner import finished, run_grid
from monai_degia.experiments.stopped import epochs_done, start_anew

ROOT = Path(__file__).parents[3]


FEW = "$monai_degia.write_synthetic_dataset(@dataset_dir + '/{0}', '{0}', 12)"


def tiny(method: str = "degia", **overrides: object) -> Run:
    options = {"max_epochs": 2, "iterations_per_epoch": 1, "batch_size": 4, "images_per_round": 4, "ascent::steps": 1}
    options |= {"source_list::path": FEW.format("photo"), "unseen_lists::0::path": FEW.format("depth")}
    options |= {"unseen_lists::1::path": FEW.format("xray")}
    overlays = ("data/synthetic", "backbone/lenet", f"method/{method}")
    return Run(Row({"network": "lenet", "method": method}, overlays, {**options, **overrides}), 3)


@pytest.mark.slow
def test_a_run_leaves_a_result_and_is_skipped_the_next_time(tmp_path: Path) -> None:
    (first,) = run_grid([tiny()], ROOT, tmp_path / "out", tmp_path / "data")
    assert set(first["metrics"]) == {"photo", "depth", "xray"} and first["seed"] == 3
    assert first["configs"][-1] == "configs/method/degia.yaml"
    assert 0 < first["train_processor_seconds"] < 10 * first["train_seconds"] + 10
    assert first["precision"] == "float32"
    marked = {**first, "train_seconds": -1}
    (tmp_path / "out" / "results" / f"{first['run']}.json").write_text(json.dumps(marked))
    assert run_grid([tiny()], ROOT, tmp_path / "out", tmp_path / "data") == [marked]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_like_one_that_was_not(tmp_path: Path) -> None:
    run, data, folder = tiny("degia", max_epochs=3), tmp_path / "data", tmp_path / "killed" / "lenet_degia_seed=3"
    (whole,) = run_grid([run], ROOT, tmp_path / "whole", data)
    (tmp_path / "run.pkl").write_bytes(pickle.dumps(([run], ROOT, tmp_path / "killed", data)))
    start = "import pickle, sys; from monai_degia.experiments.runner import run_grid; "
    start += "run_grid(*pickle.load(open(sys.argv[1], 'rb')))"
    process = subprocess.Popen([sys.executable, "-c", start, str(tmp_path / "run.pkl")], start_new_session=True)
    while not (folder / "checkpoint.pt").is_file() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (result,) = run_grid([run], ROOT, tmp_path / "killed", data)
    assert result["continued_after_epoch"] in (1, 2) and result["train_seconds"] is None
    assert result["metrics"] == whole["metrics"]
    log = (folder / "log.txt").read_text()
    (done,) = re.findall(r"Training goes on after epoch (\d) of 3\.", log)
    assert int(done) == result["continued_after_epoch"]
    second = log.partition("Training goes on after epoch")[2]
    assert re.findall(r"epoch (\d) of 3: loss", second) == [str(epoch) for epoch in range(int(done) + 1, 4)]


@pytest.mark.slow
def test_a_run_that_was_stopped_in_its_evaluation_is_not_trained_again(tmp_path: Path) -> None:
    (whole,) = run_grid([tiny("erm")], ROOT, tmp_path / "out", tmp_path / "data")
    (tmp_path / "out" / "results" / f"{whole['run']}.json").unlink()
    trained = (tmp_path / "out" / whole["run"] / "checkpoint.pt").stat().st_mtime_ns
    (result,) = run_grid([tiny("erm")], ROOT, tmp_path / "out", tmp_path / "data")
    assert (tmp_path / "out" / whole["run"] / "checkpoint.pt").stat().st_mtime_ns == trained
    assert result["metrics"] == whole["metrics"] and result["continued_after_epoch"] == 2
    log = (tmp_path / "out" / whole["run"] / "log.txt").read_text()
    found = re.findall(rf"(\d+) of (\d+) samples came from the cache in {tmp_path}/out/cache", log)
    assert found[0][0] == "0" and found[-1][0] == found[-1][1] != "0", "all runs of a grid share what was read"


def test_a_checkpoint_of_other_configs_is_not_gone_on_from(tmp_path: Path) -> None:
    start_anew(tmp_path, "one")
    assert epochs_done(tmp_path, "one") == (0, 0)
    torch.save({"trainer": {"iteration": 200, "epoch_length": 100, "max_epochs": 24}}, tmp_path / "checkpoint.pt")
    assert epochs_done(tmp_path, "one") == (2, 24) and epochs_done(tmp_path, "other") == (0, 0)
    start_anew(tmp_path, "other")
    assert epochs_done(tmp_path, "other") == (0, 0)


@pytest.mark.slow
def test_one_failed_run_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    good, bad = tiny("erm"), Run(tiny(image_size=[63, 64]).row, 4)
    with pytest.raises(ValueError, match=re.escape(bad.name)):
        run_grid([good, bad], ROOT, tmp_path / "out", tmp_path / "data")
    assert [path.stem for path in (tmp_path / "out" / "results").iterdir()] == [good.name]


@pytest.mark.slow
def test_finished_runs_are_evaluated_once_more_with_an_overlay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = tiny("erm", autocast_dtype="$torch.bfloat16")
    monkeypatch.setitem(GRIDS, "tiny", Grid([rounded.row], (3,), "NME (% of hand size)"))
    monkeypatch.chdir(tmp_path)
    command = ["tiny", "--root", str(ROOT), "--jobs", "1", "--evaluate_with", "run/self_consistent"]
    main(command)
    printed = capsys.readouterr().out
    assert "| lenet | erm | 1 pass |" in printed and "| lenet | erm | self_consistent |" in printed
    one, other = (json.loads(path.read_text()) for path in sorted(Path("runs/tiny/results").iterdir())[::-1])
    assert one["precision"] == other["precision"] == "bfloat16"
    assert other["configs"] == [*one["configs"], "configs/run/self_consistent.yaml"]
    assert other["metrics"]["photo"]["count"] == one["metrics"]["photo"]["count"]
    assert other["metrics"]["photo"]["nme"] != one["metrics"]["photo"]["nme"]
    before = {path: path.stat().st_mtime_ns for path in Path("runs/tiny/results").iterdir()}
    main(command)
    assert {path: path.stat().st_mtime_ns for path in Path("runs/tiny/results").iterdir()} == before
    with pytest.raises(ValueError, match=r"There is no overlay .*run/nothing\.yaml"):
        main([*command[:-1], "run/nothing"])


def test_tables_come_from_kept_result_files_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = ROOT / "docs" / "results" / "hands"
    main(["hands", "--results", str(kept), "--only", "erm", "degia", "--evaluate_with", "run/self_consistent"])
    printed = capsys.readouterr().out
    values = [json.loads((kept / f"resnet_erm_seed={seed}.json").read_text()) for seed in range(3)]
    mean = 100 * sum(value["metrics"]["photo"]["nme"] for value in values) / 3
    assert f"| resnet | erm | 1 pass | {mean:.2f} ± " in printed and "| resnet | degia | self_consistent |" in printed
    written = {path.name for path in Path("runs/hands").iterdir()}
    assert {"summary.md", "summary.csv", "summary.png", "pck.png"} <= written and "results" not in written
    with pytest.raises(ValueError, match=r"holds no result file of these runs, such as resnet_erm_seed=7\.json"):
        main(["hands", "--results", str(kept), "--seeds", "7"])


def test_root_must_be_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkout"):
        run_grid([tiny()], tmp_path, tmp_path, tmp_path)


@pytest.mark.slow
def test_command_prints_one_table_and_names_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid([tiny("erm").row, tiny("degia").row], (3,), "NME (% of hand size)", "a caption")
    monkeypatch.setitem(GRIDS, "tiny", grid)
    monkeypatch.chdir(tmp_path)
    main(["tiny", "--root", str(ROOT), "--jobs", "1"])
    printed = capsys.readouterr().out
    assert (
        "a caption" in printed
        and "| lenet | erm |" in printed
        and "| lenet | degia |" in printed
        and "| photo | depth | xray |" in printed
    )
    for name in ("summary.md", "summary.csv", "summary.png", "overlay.png", "generated.png"):
        assert str(Path("runs/tiny") / name) in printed and (tmp_path / "runs/tiny" / name).is_file()


def test_a_result_that_was_made_with_other_entries_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    run = GRIDS["hands"].runs([0], ["erm"], {"max_epochs": 2})[0]
    (folder / f"{run.name}.json").write_text(json.dumps({"overrides": {"max_epochs": 3}}))
    with pytest.raises(ValueError, match=r"'max_epochs': 3\} in place of \{'max_epochs': 2\}: name another"):
        finished(run, tmp_path)
    (folder / f"{run.name}.json").write_text(json.dumps({"overrides": {"max_epochs": 2}}))
    assert finished(run, tmp_path) is not None


def test_entries_of_the_command_line_reach_every_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Run] = []
    monkeypatch.setattr("monai_degia.experiments.__main__.run_grid", lambda runs, *args: seen.extend(runs) or [])
    for name in ("plot_results", "write_tables", "markdown_table"):
        monkeypatch.setattr(f"monai_degia.experiments.__main__.{name}", lambda *args: None)
    monkeypatch.chdir(tmp_path)
    main(["table1", "--seeds", "0", "--set", "max_epochs=2", "image_size=[32, 32]", "ascent::rule=sign"])
    entries = {"max_epochs": 2, "image_size": [32, 32], "ascent::rule": "sign"}
    assert len(seen) == 13 and all(entries.items() <= run.row.overrides.items() for run in seen)
    assert any("flow_def::shift_scale" in run.row.overrides for run in seen), "those of the rows stay"
    with pytest.raises(ValueError, match="--set takes KEY=VALUE, such as max_epochs=2, got max_epochs"):
        main(["table1", "--set", "max_epochs"])


def test_a_method_of_the_user_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("use_flow: false\n")
    grid = GRIDS["hands"].with_methods([file])
    (run,) = grid.runs(seeds=[0], only=["mine"])
    plain = GRIDS["hands"].runs(seeds=[0], only=["erm"])[0].configs(Path("checkout"))
    assert run.row.labels == {"network": "resnet", "method": "mine"}
    assert run.configs(Path("checkout")) == [str(file) if path.endswith("method/erm.yaml") else path for path in plain]
    with pytest.raises(ValueError, match=r"There is no overlay .*yours.yaml"):
        GRIDS["hands"].with_methods([tmp_path / "yours.yaml"])
    with pytest.raises(ValueError, match="no row of plain training"):
        GRIDS["table1"].with_methods([file])
