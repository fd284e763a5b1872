from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.engines.weight_average import WeightAverage, averaged_network


def iteration(number: int) -> Any:
    return SimpleNamespace(state=SimpleNamespace(iteration=number))


def test_the_average_forgets_by_its_decay() -> None:
    network = nn.Linear(2, 1, bias=False)
    average = averaged_network(network, 0.9)
    handler = WeightAverage(network, average, 0.9)
    expected = network.weight.detach().clone()
    for number in range(1000, 1040):
        with torch.no_grad():
            network.weight.add_(torch.randn(1, 2))
        handler(iteration(number))
        expected = 0.9 * expected + 0.1 * network.weight.detach()
    assert_close(average.weight.detach(), expected)
    assert not torch.allclose(average.weight, network.weight) and not average.weight.requires_grad


def test_the_first_weights_are_soon_forgotten() -> None:
    network = nn.Linear(1, 1)
    average = averaged_network(network, 0.9999)
    nn.init.constant_(average.weight, 1e6)
    nn.init.constant_(network.weight, 1.0)
    handler = WeightAverage(network, average, 0.9999)
    for number in range(1, 300):
        handler(iteration(number))
    assert average.weight.item() == pytest.approx(1.0, abs=1e-3)


def test_buffers_are_those_of_the_network() -> None:
    network = nn.BatchNorm1d(2)
    average = averaged_network(network, 0.5)
    network(torch.rand(8, 2))
    WeightAverage(network, average, 0.5)(iteration(1))
    assert torch.equal(average.running_mean, network.running_mean) and average.num_batches_tracked == 1


def test_without_a_decay_the_network_itself_is_kept() -> None:
    network = nn.Linear(1, 1)
    assert averaged_network(network, None) is network
    with pytest.raises(ValueError, match="needs a copy of the network"):
        WeightAverage(network, network, 0.9)
    with pytest.raises(ValueError, match=r"in \[0, 1\), got 1"):
        WeightAverage(network, averaged_network(network, 0.9), 1)
