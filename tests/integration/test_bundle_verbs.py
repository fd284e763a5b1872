"""Every verb of ``python -m monai.bundle`` that needs no network, on a copy of the bundle, from a folder beside it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import monai_degia

BUNDLE = Path(__file__).parents[2] / "bundle"
SHARED = Path(os.environ.get("MONAI_DEGIA_DATA", BUNDLE.parent.parent / "shared" / "data"))
SCHEMA = SHARED / "meta_schema_20240725.json"
TRACE = ["--use_trace", "True"]
TINY = {
    "network_def::backbone": "lenet",
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "batch_size": 4,
    "images_per_round": 4,
}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, beside a copy of the bundle under another name."""
    folder = tmp_path_factory.mktemp("verbs")
    shutil.copytree(BUNDLE, folder / "copied", ignore=shutil.ignore_patterns("eval", "*.ts", "*.onnx"))
    (folder / "here").mkdir()
    monai_degia.write_synthetic_dataset(folder / "here" / "hands", "photo", 24)
    return folder / "here"


def configs(*names: str) -> list[str]:
    return ["--config_file", json.dumps([f"../copied/configs/{name}.json" for name in names])]


def flags(options: dict[str, object]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def test_train_evaluate_and_infer(beside: Path, run_python: Any) -> None:
    places = {"bundle_root": "../copied", "dataset_dir": "hands", "output_dir": "out", "ckpt_dir": "out"}
    run_python("-m", "monai.bundle", "run", *configs("train"), *flags(places | TINY), cwd=beside)
    run_python("-m", "monai.bundle", "run", *configs("train", "evaluate"), *flags(places | TINY), cwd=beside)
    assert json.loads((beside / "out" / "metrics.json").read_text())["hands"]["count"] > 0
    images = {"bundle_root": "../copied", "dataset_dir": "hands/images", "output_dir": "found"}
    run_python("-m", "monai.bundle", "run", *configs("inference"), *flags(images), cwd=beside)
    assert len(json.loads((beside / "found" / "landmarks.json").read_text())) == 24
    assert all("confidence" in entry for entry in json.loads((beside / "found" / "landmarks.json").read_text()))


def test_workflow_of_the_users_own(beside: Path, run_python: Any) -> None:
    options = {"bundle_root": "../copied", "dataset_dir": "hands/images", "output_dir": "by_workflow"}
    options |= {"workflow_name": "monai.bundle.ConfigWorkflow", "workflow_type": "infer"}
    run_python("-m", "monai.bundle", "run_workflow", *configs("inference"), *flags(options), cwd=beside)
    assert (beside / "by_workflow" / "landmarks.csv").is_file()


@pytest.mark.skipif(not SCHEMA.is_file(), reason="no copy of the schema")
def test_verification(beside: Path, run_python: Any) -> None:
    shutil.copy(SCHEMA, beside / "schema.json")
    where = ["--meta_file", "../copied/configs/metadata.json"]
    run_python("-m", "monai.bundle", "verify_metadata", *where, "--filepath", "schema.json", cwd=beside)
    for names in (("inference",), ("train",), ("train", "evaluate")):
        run_python("-m", "monai.bundle", "verify_net_in_out", "network_def", *where, *configs(*names), cwd=beside)


@pytest.mark.parametrize(
    ("verb", "file", "more"), [("ckpt_export", "model.ts", []), ("onnx_export", "model.onnx", TRACE)]
)
def test_export(verb: str, file: str, more: list[str], beside: Path, run_python: Any) -> None:
    where = {"filepath": file, "ckpt_file": "../copied/models/model.pt", "meta_file": "../copied/configs/metadata.json"}
    arguments = [*flags(where), *configs("inference"), *more]
    run_python("-m", "monai.bundle", verb, "--net_id", "network_def", *arguments, cwd=beside)
    assert (beside / file).stat().st_size > 10_000_000
    if verb == "ckpt_export":
        assert torch.jit.load(beside / file)(torch.rand(2, 3, 96, 96)).shape == (2, 21, 2)
