"""The number of forward passes that stands beside an accuracy is that which the network was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.inferers import Inferer, SimpleInferer
from torch import Tensor, nn

from monai_degia import AutocastInferer, LandmarkReport, PrepareLandmarkBatch, SelfConsistentInferer, hand_inferer
from monai_degia.engines.evaluator import LandmarkEvaluator
from monai_degia.inferers.single_pass import SinglePassInferer

NAMES = ["a", "b", "c"]


class Counting(nn.Module):
    """Three landmarks of any image; counts the images it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        means = images.mean((1, 2, 3))
        return torch.stack([means, means * 0.5, 1 - means], 1)[..., None].expand(-1, 3, 2)


def told(folder: Path, inferer: Inferer) -> tuple[Any, int]:
    """What the report says of images that are read, and the images that the network saw."""
    generator, network = torch.Generator().manual_seed(0), Counting()
    samples = [
        {
            "image": torch.rand(1, 32, 32, generator=generator),
            "landmarks": torch.rand(3, 2, generator=generator),
            "domain": domain,
        }
        for domain in ("photo", "xray", "xray")
    ]
    LandmarkEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples), batch_size=2),
        network=network,
        inferer=inferer,
        prepare_batch=PrepareLandmarkBatch(),
        val_handlers=[LandmarkReport(folder, NAMES, (32, 32))],
        decollate=False,
    ).run()
    summary = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (passes,) = {values["passes"] for values in summary.values()}
    return passes, network.seen


@pytest.mark.parametrize(
    "inferer",
    [
        SimpleInferer(),
        SinglePassInferer((32, 32)),
        SelfConsistentInferer(num_views=6),
        SelfConsistentInferer(num_views=6, either_side=True),
        hand_inferer((32, 32)),
        AutocastInferer(SimpleInferer()),
    ],
    ids=["MONAI's", "one pass", "six views", "either side", "hands", "autocast"],
)
def test_a_report_tells_the_passes_that_each_prediction_took(tmp_path: Path, inferer: Inferer) -> None:
    passes, seen = told(tmp_path, inferer)
    assert seen == 3 * passes


def test_a_report_does_not_guess_the_passes_of_an_inferer_that_does_not_tell_them(tmp_path: Path) -> None:
    class Foreign(Inferer):
        def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
            return network(inputs)

    assert told(tmp_path, Foreign())[0] is None
