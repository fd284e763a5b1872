"""Both phases on volumes with masks, whole or in patches, in MONAI's own terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor, create_test_image_3d
from monai.engines import default_prepare_batch
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.transforms import RandCropByPosNegLabeld, RandFlipd, RandSpatialCropSamplesd

from monai_degia import (
    AdversarialAscent,
    AdversarialMaximizer,
    AscentObjective,
    DeGIATrainer,
    FlowPrior,
    GeneratedImagesHandler,
    GrowingDataset,
    GrowingSampler,
    MaximizationHandler,
    PerSampleLoss,
)

SIDE, PATCH = 16, (8, 8, 8)


def volumes(count: int = 4) -> list[dict[str, Any]]:
    items = []
    for seed in range(count):
        state = np.random.RandomState(seed)
        image, label = create_test_image_3d(SIDE, SIDE, SIDE, 2, 5, 3, 0.0, channel_dim=0, random_state=state)
        items.append({"image": MetaTensor(image).float().clamp(0, 1), "label": torch.from_numpy(label > 0)})
    return items


def train(folder: Path, patches: Any = None) -> tuple[DeGIATrainer, GrowingDataset]:
    torch.manual_seed(0)
    shape = (SIDE,) * 3 if patches is None else PATCH
    network, flow = UNet(3, 1, 1, (4, 8), (2,)), FlowPrior(shape, 1, hidden_channels=4, flow_spacing=2)
    dataset = GrowingDataset(
        volumes(),
        augmentation=RandFlipd(["image", "label"], prob=0.5, spatial_axis=0),
        pool_dir=folder / "generated",
        max_generated=20,
        target_key="label",
        patches=patches,
    )
    loss = DiceLoss(sigmoid=True)
    objective = AscentObjective(network, flow, PerSampleLoss(loss), prediction=torch.nn.Sigmoid())
    maximizer = AdversarialMaximizer(
        dataset,
        AdversarialAscent(objective, "appearance", steps=2, step_size=0.3, rule="normalized"),
        device="cpu",
        fraction=1.0,
        batch_size=3,
        prepare_batch=default_prepare_batch,
        handlers=[GeneratedImagesHandler(folder, columns=2)],
    )
    trainer = DeGIATrainer(
        device="cpu",
        max_epochs=2,
        train_data_loader=DataLoader(dataset, sampler=GrowingSampler(dataset, 8), batch_size=2),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 1e-2),
        loss_function=loss,
        flow=flow,
        flow_optimizer=torch.optim.Adam(flow.parameters(), 1e-3),
        train_handlers=[MaximizationHandler(maximizer)],
    )
    trainer.run()
    return trainer, dataset


def test_volumes_grow_the_set_with_their_masks(tmp_path: Path) -> None:
    _, dataset = train(tmp_path)
    assert dataset.rounds == 1 and dataset.num_generated == 4
    masks = {int(item["label"].sum()) for item in volumes()}
    for index in range(4, 8):
        sample = dataset.plain_sample(index)
        assert sample["image"].shape == (1, SIDE, SIDE, SIDE) and sample["label"].dtype == torch.uint8
        assert int(sample["label"].sum()) in masks
    assert (tmp_path / "generated_round=00.png").stat().st_size > 1000


CROPS = {
    "by label": RandCropByPosNegLabeld(["image", "label"], "label", PATCH, num_samples=1),
    "anywhere": RandSpatialCropSamplesd(["image", "label"], PATCH, num_samples=1, random_size=False),
}


@pytest.mark.parametrize("name", CROPS)
def test_patches_are_trained_on_and_climbed(tmp_path: Path, name: str) -> None:
    trainer, dataset = train(tmp_path, CROPS[name])
    assert dataset.num_generated == 4 and trainer.state.output[0]["image"].shape[1:] == PATCH
    generated = dataset.plain_sample(5)
    assert generated["image"].shape == (1, *PATCH) and generated["label"].shape == (1, *PATCH)
    assert dataset[1]["image"].shape == (1, *PATCH)


def test_the_patch_of_a_round_is_a_function_of_sample_and_round(tmp_path: Path) -> None:
    _, dataset = train(tmp_path, CROPS["anywhere"])
    view = dataset.source_view()
    first = view[2]["image"]
    view[1]
    assert torch.equal(view[2]["image"], first) and torch.equal(view.__getitems__([2])[0]["image"], first)
    dataset.rounds += 1
    others = [view[index]["image"] for index in range(4)]
    dataset.rounds -= 1
    assert any(not torch.equal(view[index]["image"], other) for index, other in enumerate(others))


def test_a_patch_lies_where_its_mask_does(tmp_path: Path) -> None:
    items = [{"image": item["label"].float(), "label": item["label"]} for item in volumes()]
    dataset = GrowingDataset(items, pool_dir=tmp_path, target_key="label", patches=CROPS["anywhere"])
    for index in range(4):
        sample = dataset[index]
        assert torch.equal(sample["image"].as_tensor(), sample["label"].float())


def test_several_patches_a_sample(tmp_path: Path) -> None:
    crop = RandSpatialCropSamplesd(["image", "label"], PATCH, num_samples=2, random_size=False)
    dataset = GrowingDataset(volumes(), pool_dir=tmp_path, target_key="label", patches=crop)
    with pytest.raises(ValueError, match="one patch a sample, got 2: set num_samples=1"):
        dataset[0]
