"""The shipped network exported by MONAI's verbs: the same landmarks on real files, whatever runs it."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import monai_degia

REPO = Path(__file__).parents[2]
CONFIGS = REPO / "bundle" / "configs"
DATA = Path(os.environ.get("MONAI_DEGIA_DATA", REPO.parent / "shared" / "data"))
AXES = "{'image': {0: 'batch'}, 'pred': {0: 'batch'}}"
NAMES = f"{{'input_names': ['image'], 'output_names': ['pred'], 'dynamic_axes': {AXES}}}"
EXPORTS = {
    "torchscript": ["ckpt_export", "model.ts"],
    "onnx": ["onnx_export", "model.onnx", "--use_trace", "True", "--converter_kwargs", NAMES],
}
PATHS = {"torchscript": "--network_def::f", "onnx": "--network_def::path"}


def landmarks(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    rows = list(csv.DictReader((folder / "landmarks.csv").open()))
    points = [[float(row[f"{name}_{axis}"]) for name in monai_degia.HAND21 for axis in "xy"] for row in rows]
    return [row["image"] for row in rows], np.array(points), np.array([float(row["confidence"]) for row in rows])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real radiographs and photographs where there are any, and rendered hands of both kinds."""
    folder = tmp_path_factory.mktemp("images")
    for modality in ("photo", "xray"):
        rendered = tmp_path_factory.mktemp(modality)
        monai_degia.write_synthetic_dataset(rendered, modality, 3)
        for path in (rendered / "images").iterdir():
            shutil.copy(path, folder / f"{modality}_{path.name}")
    for name in ("hand_xray_mednist", "hand_rgb_signdigits"):
        for path in sorted((DATA / name / "images").rglob("*"))[:40:10] if (DATA / name).is_dir() else []:
            (folder / f"{name}_{path.name}").write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def eager(images: Path, run_python: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eager")
    inference = str(CONFIGS / "inference.json")
    options = ["--config_file", inference, "--dataset_dir", str(images), "--output_dir", str(folder)]
    options += ["--autocast_dtype", "$None"]  # exports are float32 on every machine
    run_python("-m", "monai.bundle", "run", *options)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("kind", EXPORTS)
def test_exported_networks_find_the_same_landmarks(
    kind: str, images: Path, eager: Path, tmp_path: Path, run_python: Any
) -> None:
    verb, name, *options = EXPORTS[kind]
    inference = str(CONFIGS / "inference.json")
    where = ["--filepath", str(tmp_path / name), "--ckpt_file", str(REPO / "bundle" / "models" / "model.pt")]
    described = ["--meta_file", str(CONFIGS / "metadata.json"), "--config_file", inference]
    run_python("-m", "monai.bundle", verb, "--net_id", "network_def", *where, *described, *options)
    stack = json.dumps([inference, str(REPO / "configs" / "run" / f"{kind}.yaml")])
    paths = ["--dataset_dir", str(images), "--output_dir", str(tmp_path), PATHS[kind], str(tmp_path / name)]
    run_python("-m", "monai.bundle", "run", "--config_file", stack, *paths)
    (names, points, confidence), (others, expected, other_confidence) = landmarks(tmp_path), landmarks(eager)
    assert names == others and len(names) >= 6
    assert expected.std(0).mean() > 2, "vacuous: the same points in every image"
    np.testing.assert_allclose(points, expected, atol=0.02)  # pixels; the table has two decimals
    np.testing.assert_allclose(confidence, other_confidence, atol=2e-3)


def test_onnx_network_messages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no ONNX file .*none.onnx: write it with"):
        monai_degia.OnnxNetwork(tmp_path / "none.onnx")

    (tmp_path / "any.onnx").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ImportError, match=r"pip install monai_degia\[onnx\]"):
        patch.setitem(sys.modules, "onnxruntime", None)
        monai_degia.OnnxNetwork(tmp_path / "any.onnx")

    class Pair(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x + 1, x * 2

    torch.onnx.export(Pair(), (torch.rand(2, 3),), tmp_path / "pair.onnx", verbose=False)
    with pytest.raises(ValueError, match="1 inputs and 2 outputs"):
        monai_degia.OnnxNetwork(tmp_path / "pair.onnx")
