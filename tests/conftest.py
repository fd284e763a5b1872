"""What several test files share: a seed, float64, a small flow whose weights are not those of a fresh one."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monai_degia.flows.flow_prior import FlowPrior


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """A bundle's logging.conf replaces the handlers of the root logger and silences loggers that are there already."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture
def float64() -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(previous)


@pytest.fixture
def make_flow() -> Callable[..., FlowPrior]:
    """A fresh flow is close to the identity and would agree with many a wrong formula, so its weights are drawn."""

    def make(channels: int = 1, side: int = 8, num_classes: int = 2, **kwargs: Any) -> FlowPrior:
        flow = FlowPrior((side, side), channels, num_classes, hidden_channels=4, couplings=2, **kwargs)
        for parameter in flow.parameters():
            nn.init.normal_(parameter, std=0.1)
        with torch.no_grad():
            flow(torch.rand(8, channels, side, side))  # sets the scales that depend on the first batch
        return flow

    return make
