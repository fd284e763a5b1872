"""What the command line does with what was not meant: misspelt keys, folders in use, an interrupt."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

import monai_degia
from monai_degia.io.messages import short_message
from monai_degia.results.landmark_tables import landmark_entry

REPO = Path(__file__).parents[2]
CONFIGS = REPO / "bundle" / "configs"
SMALL = {
    "image_size": [64, 64],
    "network_def::backbone": "lenet",
    "max_epochs": 2,
    "iterations_per_epoch": 2,
    "images_per_round": 4,
    "batch_size": 4,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    monai_degia.write_synthetic_dataset(folder, "photo", 12, image_size=64)
    return folder


def arguments(config_file: Any, **options: Any) -> list[str]:
    named = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(config_file), *named]


def run(config_file: Any, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(config_file, **options), cwd=cwd, capture_output=True, text=True, timeout=180, check=False
    )


def refused(config_file: Any, cwd: Path, **options: Any) -> str:
    done = run(config_file, cwd, **options)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-2000:]
    return done.stderr


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("max_epoch", 5, "Nothing in these configs knows the key 'max_epoch'. Did you mean 'max_epochs'?"),
        ("train::datast", "x", "knows the key 'train#datast'. Did you mean 'dataset'?"),
        ("network_def::backbon", "vgg", "has no option 'backbon' (network_def#backbon). Did you mean 'backbone'?"),
        ("train::handlers::1::interval", 3, "LrScheduleHandler has no option 'interval'"),
        ("output_dir", 2024, "output_dir was read from the command line as 2024"),
        ("batch_size", "x", "batch_size must be a whole number, got 'x'"),
        ("max_epochs", None, "max_epochs must be a whole number, got None"),
        ("image_size", 90, "image_size must be a list of numbers, got 90"),
        ("use_flow", "maybe", "use_flow must be True or False, got 'maybe'"),
        ("device", "abacus", "device 'abacus' cannot be used here"),
        ("ckpt_dir", ("a", "b"), "ckpt_dir was read from the command line as ('a', 'b')"),
    ],
)
def test_what_means_nothing_is_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: Any, expected: str
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    folders = {"dataset_dir": str(data), "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path)}
    workflow = ConfigWorkflow(
        str(CONFIGS / "train.json"), workflow_type="train", logging_file=False, **{**folders, **SMALL, key: value}
    )
    with pytest.raises(Exception) as error:
        workflow.initialize()
    assert expected in str(short_message(error.value))
    assert not any(tmp_path.iterdir()), "nothing was started"


def test_a_folder_that_looks_like_a_number_is_refused(data: Path, tmp_path: Path) -> None:
    options = {"dataset_dir": data, "output_dir": "2024", "ckpt_dir": tmp_path, **SMALL}
    text = refused(CONFIGS / "train.json", tmp_path, **options)
    assert "output_dir was read from the command line as 2024" in text and not any(tmp_path.iterdir())


def test_a_misspelt_key_of_inference_is_an_error_too(data: Path, tmp_path: Path) -> None:
    options = {"dataset_dir": data / "images", "output_dir": tmp_path / "out"}
    text = refused(CONFIGS / "inference.json", tmp_path, **options, format="['overlay']")
    assert "'format'. Did you mean 'formats'?" in text and not (tmp_path / "out").exists()


def test_training_from_any_folder_and_its_model_elsewhere(data: Path, tmp_path: Path) -> None:
    """A line an epoch, a summary whose command works, and a folder that is not written over."""
    done = run(CONFIGS / "train.json", tmp_path, dataset_dir=data, output_dir="out", ckpt_dir="out", **SMALL)
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout + done.stderr
    for epoch in (1, 2):
        (line,) = [line for line in told.splitlines() if f"epoch {epoch} of 2:" in line]
        assert all(name in line for name in ("loss 0.", "bits_per_dim", "train_nme", "val_nme"))
        assert re.search(r", \d+(\.\d)? s \((the best so far|best )", line), "how long it took"
    assert re.search(r"Done in .* s: best val_nme", told) and "--model out" in told
    assert "tensorboard --logdir out/tensorboard" in told
    ours = [line for line in done.stdout.splitlines() if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line)]
    assert re.search(r"Training: 2 epochs of \d+ iterations, \d+ training images, \d+ validation images", ours[0])
    assert len(ours) == 7, f"the beginning, two epochs and a summary, nothing glued and nothing else: {ours}"
    assert "it/s" not in told and "minimise" not in told, "no bars in a pipe"
    kept = (tmp_path / "out" / "model.pt").read_bytes()

    again = {"dataset_dir": data, "output_dir": "other", "ckpt_dir": "out", **SMALL}
    text = refused(CONFIGS / "train.json", tmp_path, **again)
    assert "out/model.pt is there already" in text and "--resume True" in text and "--ckpt_dir FOLDER" in text
    assert (tmp_path / "out" / "model.pt").read_bytes() == kept
    done = run(CONFIGS / "train.json", tmp_path, **{**again, "max_epochs": 3, "output_dir": "out", "resume": True})
    assert done.returncode == 0 and "epoch 3 of 3" in done.stdout + done.stderr

    options = {"ckpt_dir": "out", "dataset_dir": data / "images", "output_dir": "found"}
    done = run(CONFIGS / "inference.json", tmp_path, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    entries = json.loads((tmp_path / "found" / "landmarks.json").read_text())
    model = monai_degia.TrainedModel.load(tmp_path / "out")
    assert {entry["model_version"] for entry in entries} == {f"landmarks {model.weights_hash[:8]}"}


def test_the_shipped_weights_cannot_be_trained_over(data: Path, tmp_path: Path) -> None:
    before = (REPO / "bundle" / "models" / "model.pt").stat().st_mtime_ns
    text = refused(CONFIGS / "train.json", tmp_path, dataset_dir=data, output_dir=tmp_path / "out", **SMALL)
    assert f"{REPO / 'bundle' / 'models' / 'model.pt'} is there already" in text and "--resume" not in text
    assert (REPO / "bundle" / "models" / "model.pt").stat().st_mtime_ns == before


def test_an_interrupt_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    options = {"dataset_dir": data, "output_dir": tmp_path / "out", "ckpt_dir": tmp_path / "out", **SMALL}
    options |= {"max_epochs": 500, "iterations_per_epoch": 5, "use_flow": False, "maximize": False}
    process = subprocess.Popen(
        arguments(CONFIGS / "train.json", **options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        waited = time.monotonic() + 120
        while not (tmp_path / "out" / "checkpoint.pt").is_file() and time.monotonic() < waited:
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, text = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0 and "Traceback" not in text
    last = text.strip().splitlines()[-1]
    assert last.startswith("Stopped. Go on after the last finished epoch") and "--resume True" in last


def test_the_bundle_alone_works_from_any_folder(data: Path, tmp_path: Path) -> None:
    """All that a user has beside the installed package is a copy of it."""
    shutil.copytree(REPO / "bundle", tmp_path / "copy" / "hand")
    (tmp_path / "elsewhere").mkdir()
    options = {"dataset_dir": data / "images"}
    done = run(Path("..") / "copy" / "hand" / "configs" / "inference.json", tmp_path / "elsewhere", **options)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "copy" / "hand" / "eval" / "landmarks.json").read_text())
    predictions = monai_degia.TrainedModel.load(REPO / "bundle" / "models").predict(data / "images")
    assert found == [landmark_entry(prediction) for prediction in predictions], "to the last digit"
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_workers_that_are_spawned_read_for_training(data: Path, tmp_path: Path) -> None:
    """As on macOS and Windows: all that a worker process gets must be sent to it."""
    entries = {"dataset_dir": str(data), "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path), **SMALL}
    entries |= {"num_workers": 1, "validate::dataloader::num_workers": 1}
    program = f"""
import torch
from monai.bundle import ConfigWorkflow
torch.multiprocessing.set_start_method("spawn", force=True)
workflow = ConfigWorkflow({str(CONFIGS / "train.json")!r}, workflow_type="train", logging_file=False, **{entries!r})
workflow.initialize(), workflow.run(), workflow.finalize()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "model.json").is_file()
