from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn
from torch.testing import assert_close

from monai_degia import RunCheckpoint

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Run:
    """A convolution that a fused Adam takes one step an iteration."""

    def __init__(self, memory_format: Any) -> None:
        torch.manual_seed(0)
        self.network = nn.Conv2d(3, 4, 5).to(memory_format=memory_format)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.1, fused=True)
        self.trainer = Engine(self.step)
        self.state = {"network": self.network, "optimizer": self.optimizer}

    def step(self, engine: Engine, image: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        self.network(image).square().sum().backward()
        self.optimizer.step()


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
def test_a_checkpoint_resumes_the_same_in_another_memory_format(tmp_path: Path, before: str, after: str) -> None:
    """torch's fused Adam on a CPU takes moments in another layout than the weights' for moments of other weights."""
    images = list(torch.rand(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    whole = Run(FORMATS[before])
    whole.trainer.run(images, max_epochs=3)

    first, second = Run(FORMATS[before]), Run(FORMATS[after])
    RunCheckpoint(tmp_path / "checkpoint.pt", first.state).attach(first.trainer)
    first.trainer.run(images, max_epochs=1)
    RunCheckpoint(tmp_path / "checkpoint.pt", second.state, resume=True).attach(second.trainer)
    second.trainer.run(images, max_epochs=3)

    assert_close(second.network.weight, whole.network.weight, rtol=1e-4, atol=1e-5)
    assert second.network.weight.is_contiguous(memory_format=FORMATS[after])


def test_another_network_than_that_of_the_run_is_named_in_one_sentence(tmp_path: Path) -> None:
    images = list(torch.rand(1, 1, 3, 8, 8))
    first, second = Run(FORMATS["contiguous"]), Run(FORMATS["contiguous"])
    RunCheckpoint(tmp_path / "checkpoint.pt", first.state).attach(first.trainer)
    first.trainer.run(images, max_epochs=1)
    second.state["network"] = nn.Conv2d(3, 4, 3)
    RunCheckpoint(tmp_path / "checkpoint.pt", second.state, resume=True).attach(second.trainer)
    with pytest.raises(ValueError, match=r"has another network than these configs \(first at 'weight'\).*real_nvp"):
        second.trainer.run(images, max_epochs=2)
