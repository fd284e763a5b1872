import sys
from pathlib import Path
from typing import Any

import pytest

from monai_degia.cli.main import COMMANDS, command_line
from monai_degia.cli.options import bundle_config, config_files, overrides_of, split_entries


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--max_epochs", "5"], {"max_epochs": 5}),
        (["--image_size=[96, 64]", "--resume", "true"], {"image_size": [96, 64], "resume": True}),
        (["--network_def::backbone", "lenet"], {"network_def::backbone": "lenet"}),
        (["--offset", "-0.5", "--nothing", "null"], {"offset": -0.5, "nothing": None}),
        (["--name", "a=b"], {"name": "a=b"}),
    ],
)
def test_entries_are_read_as_numbers_lists_or_text(arguments: list[str], expected: dict[str, Any]) -> None:
    assert overrides_of(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["5"], "'5' is no option"), (["--a"], "--a has no value"), (["--a", "--b", "1"], "--a has no value")],
)
def test_what_is_no_entry_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        overrides_of(arguments)


def test_values_of_entries_are_not_taken_for_arguments_of_the_command() -> None:
    given = ["list.csv", "--max_epochs", "4", "--out", "runs/a", "--resume", "--k=v", "more.csv"]
    own, entries = split_entries(given, {"--out", "--resume"})
    assert own == ["list.csv", "--out", "runs/a", "--resume", "more.csv"]
    assert entries == ["--max_epochs", "4", "--k=v"]


@pytest.mark.parametrize(
    ("given", "own"),
    [
        (["list.csv", "--resume", "True"], ["list.csv", "--resume"]),
        (["--resume", "false", "list.csv"], ["list.csv"]),
        (["--resume", "list.csv"], ["--resume", "list.csv"]),
        (["--out", "True"], ["--out", "True"]),
    ],
)
def test_a_flag_may_be_written_as_entries_are(given: list[str], own: list[str]) -> None:
    assert split_entries(given, {"--out", "--resume"}, {"--resume"}) == (own, [])


def test_resume_is_understood_as_the_hint_after_ctrl_c_says_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder of a training"):
        command_line(["train", "--out", str(tmp_path), "--resume", "True"])


def test_overlays_are_named_by_path_or_by_name(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("max_epochs: 1\n")
    packaged, own = config_files(["backbone/lenet", str(mine)])
    assert packaged.name == "lenet.yaml" and packaged.is_file() and own == mine
    assert bundle_config("train.json").is_file()
    with pytest.raises(ValueError, match="Did you mean 'backbone/lenet'"):
        config_files(["backbone/lennet"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_tells_its_options(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line([command.name, "--help"])
    assert end.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"{command.help}." in told and ("entries of the bundle's configs" in told.lower()) == command.takes_config


def test_the_eight_commands_are_there() -> None:
    names = {command.name for command in COMMANDS}
    assert names == {"train", "evaluate", "predict", "calibrate", "convert", "report", "serve", "demo"}


def test_an_unknown_option_of_a_command_without_configs_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line(["convert", "a.csv", "b.json", "--to", "json", "--too", "x"])
    assert end.value.code == 2 and "--too" in capsys.readouterr().err


def test_a_tracker_that_is_not_there_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    started = ["train", "nothing.json", "--out", str(tmp_path / "run"), "--tracking"]
    with pytest.raises(ValueError, match=r"--tracking mlfow: there is no such file"):
        command_line([*started, "mlfow"])
    monkeypatch.setattr("monai_degia.cli.training.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs MLflow: pip install monai_degia\[tracking\]"):
        command_line([*started, "mlflow"])
    assert not (tmp_path / "run").exists()
