"""Worker processes, however they are started: what is sent to one (spawn, forkserver) must work like what it inherits.

Linux forks up to Python 3.13 and uses forkserver from 3.14 on; macOS and Windows spawn.
"""

import math
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.transforms import RandFlipd, RandGaussianNoised, RandSpatialCropd
from torch import Tensor

import monai_degia
from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.sampler import GrowingSampler
from monai_degia.engines.handlers import EpochSeedHandler

pytestmark = pytest.mark.trust

REPO = Path(__file__).parents[2]
METHODS = ["fork", "spawn", "forkserver"]


def epochs(folder: Path, method: str, patches: bool) -> list[list[dict[str, Any]]]:
    """Batches of two epochs, with images added between them, read and augmented by a worker."""
    torch.manual_seed(0)
    items = [{"image": torch.rand(1, 8, 8), "landmarks": torch.rand(2, 2)} for _ in range(6)]
    options: dict[str, Any] = {}
    if patches:
        items = [{"image": torch.rand(1, 8, 8), "landmarks": torch.ones(1, 8, 8).byte()} for _ in range(6)]
        options["patches"] = RandSpatialCropd(["image", "landmarks"], (4, 4), random_size=False)
    augmentation = [RandFlipd("image", prob=0.5), RandGaussianNoised("image", prob=1)]
    data = GrowingDataset(items, (), augmentation, folder, **options)
    sampler = GrowingSampler(data, num_draws=16, seed=3)
    loader = DataLoader(data, num_workers=1, batch_size=4, sampler=sampler, multiprocessing_context=method)
    found: list[list[dict[str, Any]]] = []

    def grow(engine: Engine) -> None:
        sample = data.patch(0, 0)
        images = torch.rand(6, *sample["image"].shape)
        targets = sample["landmarks"].expand(6, *sample["landmarks"].shape)
        data.append(images, targets, torch.zeros(6), torch.arange(6))

    trainer = Engine(lambda engine, batch: found[-1].append(batch))
    EpochSeedHandler(1, data).attach(trainer)
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: found.append([]))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, grow)
    trainer.run(loader, max_epochs=2)
    return found


@pytest.mark.parametrize(("method", "patches"), [("spawn", True), ("spawn", False), ("forkserver", False)])
def test_batches_are_the_same(method: str, patches: bool, tmp_path: Path) -> None:
    inherited = epochs(tmp_path / "fork", "fork", patches)
    assert [len(batches) for batches in inherited] == [4, 4]
    kinds = [torch.cat([torch.as_tensor(batch["generated"]) for batch in batches]) for batches in inherited]
    assert not kinds[0].any() and 0 < kinds[1].sum() < 16, "vacuous: the second epoch shows images of both kinds"
    sent = epochs(tmp_path / method, method, patches)
    for left, right in zip(chain(*inherited), chain(*sent), strict=True):
        assert left.keys() == right.keys()
        for key in left:
            assert torch.equal(torch.as_tensor(left[key]), torch.as_tensor(right[key])), key


PROGRAM = """
import sys
import torch
from monai.bundle import ConfigWorkflow
method, config, data, out = sys.argv[1:]
if __name__ == "__main__":
    torch.multiprocessing.set_start_method(method)
    entries = {"iterations_per_epoch": 2, "images_per_round": 4, "max_epochs": 2, "batch_size": 4, "ascent::steps": 1}
    entries |= {"network_def::backbone": "lenet", "max_generated": 100, "num_workers": 1}
    folders = {"dataset_dir": data, "output_dir": out, "ckpt_dir": out}
    workflow = ConfigWorkflow(config, workflow_type="train", logging_file=False, **entries, **folders)
    workflow.initialize(), workflow.run(), workflow.finalize()
"""


def train(method: str, data: Path, out: Path) -> dict[str, Tensor]:
    (out.parent / "program.py").write_text(PROGRAM)
    config = REPO / "bundle" / "configs" / "train.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(out.parent / "program.py"), method, str(config), str(data), str(out)],
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    kept = torch.load(out / "checkpoint.pt", weights_only=True)
    pool = kept["dataset"]["pool"]
    data = (out / "generated" / "images.u8").read_bytes()[: pool["size"] * math.prod(pool["image_shape"])]
    return {"images": torch.frombuffer(bytearray(data), dtype=torch.uint8), **kept["network"]}


def test_a_training_is_the_same(tmp_path: Path) -> None:
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 16, image_size=64)
    inherited, *others = (train(method, tmp_path / "data", tmp_path / method) for method in METHODS)
    for sent in others:
        assert sent.keys() == inherited.keys() and inherited["images"].any()
        assert all(torch.equal(sent[name], inherited[name]) for name in inherited)
