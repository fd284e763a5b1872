"""Both phases on real crops of MRI with two labels: the networks learn, and what is generated keeps its labels."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import default_prepare_batch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import (
    CastToTyped,
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    RandAffined,
    ScaleIntensityRanged,
)
from monai.utils import set_determinism

import monai_degia

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "hippocampus"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared volumes are not there")
KEYS, SHAPE = ("image", "label"), (40, 56, 48)


def items(count: int) -> list[dict[str, Any]]:
    names = json.loads((DATA / "splits.json").read_text())["train"][:count]
    return [
        {"image": str(DATA / "images" / f"{name}.nii.gz"), "label": str(DATA / "labels" / f"{name}.nii.gz")}
        for name in names
    ]


def test_two_phases_on_hippocampi(tmp_path: Path) -> None:
    set_determinism(0)
    network = UNet(3, 1, 3, channels=(8, 16, 32), strides=(2, 2))
    flow = monai_degia.FlowPrior(SHAPE, 1, flow_spacing=2, hidden_channels=8)
    loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False)
    dataset = monai_degia.GrowingDataset(
        items(6),
        transform=Compose(
            [
                LoadImaged(KEYS, image_only=True),
                EnsureChannelFirstd(KEYS),
                ScaleIntensityRanged("image", 0, 255, 0, 1),
                CastToTyped("label", dtype=torch.uint8),
            ]
        ),
        augmentation=RandAffined(KEYS, prob=0.5, rotate_range=0.1, mode=("bilinear", "nearest")),
        pool_dir=tmp_path,
        max_generated=12,
        target_key="label",
    )
    objective = monai_degia.AscentObjective(
        network, flow, monai_degia.PerSampleLoss(loss), prediction=torch.nn.Softmax(dim=1)
    )
    maximizer = monai_degia.AdversarialMaximizer(
        dataset,
        monai_degia.AdversarialAscent(objective, "appearance", steps=2, step_size=0.5, rule="normalized"),
        device="cpu",
        fraction=1.0,
        batch_size=3,
        prepare_batch=default_prepare_batch,
    )
    losses, bits = [], []
    trainer = monai_degia.DeGIATrainer(
        device="cpu",
        max_epochs=3,
        train_data_loader=DataLoader(dataset, sampler=monai_degia.GrowingSampler(dataset, 24), batch_size=2),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 5e-3),
        loss_function=loss,
        flow=flow,
        flow_optimizer=torch.optim.Adam(flow.parameters(), 2e-3),
        decollate=False,
        train_handlers=[monai_degia.MaximizationHandler(maximizer)],
    )

    @trainer.on(Events.ITERATION_COMPLETED)
    def note(engine: Any) -> None:
        losses.append(float(engine.state.output["loss"].detach()))
        bits.append(float(engine.state.output["bits_per_dim"]))

    trainer.run()
    assert dataset.rounds == 2 and dataset.num_generated == 12
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6]) and sum(bits[-6:]) < sum(bits[:6]) - 3
    masks = [dataset.plain_sample(index)["label"] for index in range(6)]
    for index in range(6, 18):
        label = dataset.plain_sample(index)["label"]
        assert set(label.unique().tolist()) == {0, 1, 2} and any(torch.equal(label, mask) for mask in masks)
