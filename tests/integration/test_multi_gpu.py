"""Two processes with gloo against one: losses, validation, pool, and checkpoints that either number takes up."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import monai_degia

CONFIGS = Path(__file__).parents[2] / "bundle" / "configs"
SCRIPT = Path(__file__).with_name("rank_losses.py")
# No batch normalisation, whose statistics on processors are those of a process: LeNet and the fully connected head.
SMALL = {
    "image_size": [64, 64],
    "network_def::backbone": "lenet",
    "network_def::head": "regression",
    "learning_rate": 0.001,
    "iterations_per_epoch": 4,
    "flow_interval": 1,
    "images_per_round": 24,
    "maximizer::batch_size": 5,
    "validate::key_metric::val_nme::save_details": False,
}
GLOBAL_BATCH = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hands")
    monai_degia.write_synthetic_dataset(folder, "photo", 40, image_size=64)
    return folder


def train(
    run_python: Any,
    folder: Path,
    data: Path,
    ranks: int,
    resume: bool = False,
    killed_after: int | None = None,
    **options: Any,
) -> Any:
    """Losses (iterations, 2) as means over ranks, and what else the ranks agree on; nothing if the run is killed."""
    folder.mkdir(exist_ok=True)
    names = ["train.json", *(["multi_gpu_train.json"] if ranks > 1 else [])]
    overrides = {
        **SMALL,
        "dataset_dir": str(data),
        "output_dir": str(folder),
        "ckpt_dir": str(folder),
        "batch_size": GLOBAL_BATCH // ranks,
        "max_epochs": 3,
        "resume": resume,
        **options,
    }
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"] if ranks > 1 else []
    arguments = [str(folder), json.dumps([str(CONFIGS / name) for name in names]), json.dumps(overrides)]
    arguments += [] if killed_after is None else [str(killed_after)]
    run_python(*start, str(SCRIPT), *arguments)
    if killed_after is not None:
        return None
    contents = [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(ranks)]
    for key in ("weights", "validation"):
        assert contents[0][key] == pytest.approx(contents[-1][key], rel=1e-7), f"ranks disagree on {key}"
    losses = np.mean([content["losses"] for content in contents], axis=0)
    return {**contents[0], "losses": losses, "rank_losses": [content["losses"] for content in contents]}


def pool(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.fromfile(folder / "generated" / "images.u8", dtype=np.uint8)[: count * 3 * 64 * 64]
    labels = np.fromfile(folder / "generated" / "labels.i64", dtype=np.int64)[: count * 3]
    return images.reshape(count, -1), labels.reshape(count, 3)


@pytest.mark.long
def test_two_processes_train_as_one_and_pass_their_checkpoint_on(data: Path, tmp_path: Path, run_python: Any) -> None:
    """Whole run by one process, by two, and by two whose checkpoint one or two processes take up."""
    one = train(run_python, tmp_path / "one", data, 1)
    two = train(run_python, tmp_path / "two", data, 2)
    assert one["losses"].shape == (12, 2)
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=2e-3)
    np.testing.assert_allclose(two["losses"][:4], one["losses"][:4], rtol=1e-4)
    assert two["validation"] == pytest.approx(one["validation"], rel=2e-3)
    first, second = two["rank_losses"]
    assert np.abs(np.subtract(first, second)[:, 0]).min() > 0, "vacuous: both ranks saw the same images"

    (images, labels), (others, other_labels) = pool(tmp_path / "one", 48), pool(tmp_path / "two", 48)
    np.testing.assert_array_equal(labels, other_labels)
    assert labels[:, 2].tolist() == [0] * 24 + [1] * 24
    assert (np.abs(images.astype(int) - others.astype(int)) <= 1).mean() > 0.99
    checkpoint = torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in checkpoint["network"])

    train(run_python, tmp_path / "killed", data, 2, killed_after=2)
    for ranks in (1, 2):
        folder = tmp_path / f"resumed{ranks}"
        shutil.copytree(tmp_path / "killed", folder)
        resumed = train(run_python, folder, data, ranks, resume=True)
        np.testing.assert_allclose(resumed["losses"], two["losses"][-len(resumed["losses"]) :], rtol=2e-3)
        assert len(resumed["losses"]) == 4 and resumed["validation"] == pytest.approx(two["validation"], rel=2e-3)


@pytest.mark.long
def test_two_processes_train_heatmaps(data: Path, tmp_path: Path, run_python: Any) -> None:
    """The loss on the maps hears each rank's own head; normalisation differs, so only the start must be that of one."""
    heatmaps = {"network_def::head": "heatmap", "max_epochs": 1}
    one = train(run_python, tmp_path / "one", data, 1, **heatmaps)
    two = train(run_python, tmp_path / "two", data, 2, **heatmaps)
    np.testing.assert_allclose(two["losses"][0], one["losses"][0], rtol=2e-3)
    assert np.isfinite(two["losses"].astype(float)[:, 0]).all()
