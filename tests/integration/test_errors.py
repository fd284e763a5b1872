"""Wrong input ends a command with one message that names what is wrong, and no traceback."""

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

import monai_degia
from monai_degia.engines.errors import TRACEBACK_VARIABLE

REPO = Path(__file__).parents[2]
CONFIGS = REPO / "bundle" / "configs"
SMALL = {
    "network_def::backbone": "lenet",
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "images_per_round": 4,
    "batch_size": 4,
}
COMMANDS = {"train": ["train"], "evaluate": ["train", "evaluate"], "infer": ["inference"]}
Edit = Callable[[list[list[str]]], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 8, image_size=64)
    return tmp_path


@pytest.fixture(autouse=True)
def short_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook of each test is its own, above the interpreter's."""
    monkeypatch.delenv(TRACEBACK_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def message(capsys: pytest.CaptureFixture[str], command: str, root: Path, **overrides: Any) -> str:
    """Standard error of a command that must fail, run in this process."""
    options = {"bundle_root": str(root), **(SMALL if command == "train" else {})}
    files = [str(CONFIGS / f"{name}.json") for name in COMMANDS[command]]
    with pytest.raises(Exception) as error:
        workflow = ConfigWorkflow(config_file=files, logging_file=False, **{**options, **overrides})
        workflow.initialize()
        workflow.run()
        workflow.finalize()
    capsys.readouterr()
    sys.excepthook(type(error.value), error.value, error.value.__traceback__)
    return checked(capsys.readouterr().err)


def checked(text: str) -> str:
    assert "Traceback" not in text and text.count("error: ") == 1
    assert text.startswith("error: ") and text.endswith(f"(set {TRACEBACK_VARIABLE}=1 for the traceback)\n")
    return text


def command_line(command: str, root: Path, **overrides: Any) -> str:
    """The same for a process of its own; all that it printed is judged."""
    files = str([str(CONFIGS / f"{name}.json") for name in COMMANDS[command]])
    options = [f"--{k}={v}" for k, v in {"bundle_root": root, **overrides}.items()]
    environment = {name: value for name, value in os.environ.items() if name != TRACEBACK_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", "--config_file", files, *options],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-2000:]  # not that of a process that was aborted
    assert "Traceback" not in done.stdout + done.stderr
    return checked(done.stderr[done.stderr.index("error: ") :])


def edit_rows(root: Path, edit: Edit) -> None:
    path = root / "data" / "landmarks.csv"
    rows = list(csv.reader(path.open(newline="")))
    edit(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_missing_image_on_the_command_line(root: Path) -> None:
    (root / "data" / "images" / "hand_00003.png").unlink()
    text = command_line("train", root)
    assert "1 of 8 rows cannot be used" in text and "line 5 (hand_00003.png): image file not found in" in text


def test_file_cut_short_on_the_command_line(root: Path) -> None:
    image = root / "data" / "images" / "hand_00003.png"
    image.write_bytes(image.read_bytes()[:600])  # the header is whole: only decoding finds out, in a loading thread
    text = command_line("train", root)
    assert f"Cannot read image {image}" in text and "truncated" in text


def test_side_that_the_flow_cannot_divide_on_the_command_line(root: Path) -> None:
    text = command_line("train", root, image_size=[63, 64])
    assert "63" in text and "divi" in text


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda rows: rows[4].pop(), r"line 5 (hand_00003.png): 44 cells where the header has 45"),
        (lambda rows: rows[4].__setitem__(-1, ""), "line 5 (hand_00003.png): little_tip has only one of x and y"),
        (lambda rows: rows[4].__setitem__(-1, "90"), r"line 5 (hand_00003.png): 1 landmarks lie outside the 64 x 64"),
        (lambda rows: rows[4].__setitem__(-1, "nan"), "line 5 (hand_00003.png): little_tip has only one of x and y"),
        (lambda rows: rows[4].__setitem__(-1, "3;2"), r"line 5 (hand_00003.png): coordinate"),
        (lambda rows: rows[4].__setitem__(1, "mri"), r"line 5 (hand_00003.png): modality is 'mri'"),
        (lambda rows: rows[0].__setitem__(-1, "tip"), "lacks 1 column(s): little_tip_y"),
        (lambda rows: rows.__delitem__(slice(1, None)), "has no labelled image"),
        (
            lambda rows: rows.__delitem__(slice(3, None)),
            "divided into 3 parts, each of which needs an image, and has 2 different images",
        ),
    ],
)
def test_faults_of_an_annotation_file(
    root: Path, capsys: pytest.CaptureFixture[str], edit: Edit, expected: str
) -> None:
    edit_rows(root, edit)
    text = message(capsys, "train", root)
    assert expected in text and ("landmarks.csv" in text or "divide" in text)


def test_class_out_of_range(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_rows(root, lambda rows: [row.append("sign" if index == 0 else str(index)) for index, row in enumerate(rows)])
    text = message(capsys, "train", root, num_classes=8, **{"source_list::class_column": "sign"})
    assert "line 9 (hand_00007.png): class 8 in 'sign' is not below num_classes=8" in text


def test_domain_with_another_number_of_landmarks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unseen = {
        "_target_": "monai_degia.load_datalist",
        "path": str(root / "data" / "landmarks.csv"),
        "landmarks": "hand17",
        "domain": "xray",
    }
    weights(root)
    text = message(capsys, "evaluate", root, unseen_lists=[unseen])
    assert "Domains differ in the number of landmarks: 'data' 21; 'xray' 17" in text


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"dataset_dir": "nowhere"}, "There is no annotation file nowhere/landmarks.csv"),
        ({"landmarks": "hand12"}, "hand12"),
        ({"network_def::backbone": "resnt"}, "Did you mean 'resnet'?"),
        ({"resume": True}, "checkpoint.pt: name the folder of a run that was started before"),
        ({"learning_rate": 1e30, "iterations_per_epoch": 5}, "Lower the learning rate of the task network"),
        ({"images_per_round": -1}, "num_images must be positive, got -1"),
        ({"ascent::parametrization": "wavelet"}, "wavelet"),
    ],
)
def test_wrong_arguments_of_training(
    root: Path, capsys: pytest.CaptureFixture[str], overrides: dict[str, Any], expected: str
) -> None:
    assert expected in message(capsys, "train", root, **overrides)


def test_log_of_a_failed_run_has_its_message_and_no_traceback(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A logging.conf that another test applied disables the loggers that were there.
    monkeypatch.setattr(logging.getLogger("ignite.engine.engine.DeGIATrainer"), "disabled", False)
    with caplog.at_level(logging.ERROR):
        message(capsys, "train", root, learning_rate=1e30, iterations_per_epoch=5)
    logged = [record for record in caplog.records if "Lower the learning rate" in record.getMessage()]
    assert logged and not any(record.exc_info for record in caplog.records)


def weights(root: Path, backbone: str = "lenet") -> None:
    network = monai_degia.LandmarkRegressor(backbone, head="heatmap")
    monai_degia.TrainedModel(network, "hand21").save(root / "models")


def test_faults_of_images_at_inference(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights(root)
    (root / "text").mkdir()
    (root / "text" / "hand.png").write_text("no picture")
    text = message(capsys, "infer", root, dataset_dir=str(root / "text"))
    assert f"Cannot read image {root / 'text' / 'hand.png'}" in text
    (root / "nan").mkdir()
    pixels = np.full((8, 8, 1), np.nan, dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), root / "nan" / "hand.nii.gz")
    text = message(capsys, "infer", root, dataset_dir=str(root / "nan"))
    assert "hand.nii.gz: 64 pixels are NaN or infinite" in text
    (root / "empty").mkdir()
    text = message(capsys, "infer", root, dataset_dir=str(root / "empty"))
    assert f"{root / 'empty'} holds no image" in text
    assert "nowhere is not a folder" in message(capsys, "infer", root, dataset_dir="nowhere")
    text = message(capsys, "infer", root, modality="mri")
    assert "modality must be one of photo, depth, xray, or auto, got 'mri'" in text
    (failure,) = csv.DictReader((root / "eval" / "failures.csv").open())
    assert "64 pixels are NaN" in failure["reason"], "a misspelt modality is refused before anything is written"
    assert len((root / "eval" / "landmarks.csv").read_text().splitlines()) == 1, "rows for images without a result"


def test_weights_that_are_missing_or_of_another_network(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = message(capsys, "infer", root)
    assert f"There is no folder {root}/models" in text
    (root / "models").mkdir()
    assert "There is no model.json" in message(capsys, "infer", root)
    (root / "models").rmdir()
    weights(root)
    other = root / "other.pt"
    torch.save(monai_degia.LandmarkRegressor("alexnet", head="heatmap").state_dict(), other)
    assert f"The weights in {other} do not fit the network" in message(capsys, "infer", root, ckpt_path=str(other))
    (root / "models" / "model.pt").unlink()
    assert f"There is no file of weights {root}/models/model.pt" in message(capsys, "infer", root)
