"""A two-phase run small enough for unit tests: 12 dots to be found on 16 x 16 images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader, MetaTensor
from torch import nn

from monai_degia import (
    AdversarialAscent,
    AdversarialMaximizer,
    AscentObjective,
    DeGIATrainer,
    EpochSeedHandler,
    FlowPrior,
    GrowingDataset,
    GrowingSampler,
    LandmarkMSELoss,
    MaximizationHandler,
    PrepareLandmarkBatch,
)

SIDE = 16


def dots(count: int = 12) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(count, 2, 2, generator=generator) * (SIDE - 1)
    grid = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"), -1).float()
    items = []
    for pair in points:
        blobs = [torch.exp(-(grid - point).square().sum(-1) / 4) for point in pair]
        items.append({"image": MetaTensor(torch.stack(blobs).sum(0)[None].clamp(0, 1)), "landmarks": pair, "class": 0})
    return items


class TwoPhases:
    """Everything a config would build."""

    def __init__(
        self,
        folder: Path,
        epochs: int = 3,
        use_flow: bool = True,
        seed: int = 0,
        autocast_dtype: torch.dtype | None = None,
        **maximizer: Any,
    ) -> None:
        torch.manual_seed(seed)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 4), nn.Unflatten(1, (2, 2)))
        self.flow = FlowPrior((SIDE, SIDE), 1, num_scales=1, hidden_channels=4) if use_flow else None
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.flow_optimizer = torch.optim.Adam(self.flow.parameters(), 1e-3) if self.flow is not None else None
        self.dataset = GrowingDataset(dots(), pool_dir=folder / "generated", max_generated=100)
        weight = 1.0 if use_flow else 0.0
        objective = AscentObjective(self.network, self.flow, nll_weight=weight, alpha=weight)
        self.ascent = AdversarialAscent(objective, steps=3)
        options = {"num_images": 4, "batch_size": 3, **maximizer}
        self.maximizer = AdversarialMaximizer(self.dataset, self.ascent, "cpu", **options)
        sampler = GrowingSampler(self.dataset, num_draws=8, seed=seed)
        self.trainer = DeGIATrainer(
            device="cpu",
            max_epochs=epochs,
            train_data_loader=DataLoader(self.dataset, batch_size=4, sampler=sampler),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=LandmarkMSELoss(),
            prepare_batch=PrepareLandmarkBatch(),
            flow=self.flow,
            flow_optimizer=self.flow_optimizer,
            autocast_dtype=autocast_dtype,
            decollate=False,
        )
        EpochSeedHandler(seed, self.dataset).attach(self.trainer)
        MaximizationHandler(self.maximizer).attach(self.trainer)

    @property
    def state(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "dataset": self.dataset}
        if self.flow is not None:
            parts |= {"flow": self.flow, "flow_optimizer": self.flow_optimizer}
        return parts


@pytest.fixture
def two_phases() -> type[TwoPhases]:
    return TwoPhases
