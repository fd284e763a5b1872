"""An average of a network's weights along training: what is validated and saved in place of the last weights."""

from __future__ import annotations

import copy

import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.optim.swa_utils import get_ema_avg_fn

from monai_degia.errors import UserError

__all__ = ["WeightAverage", "averaged_network"]


def averaged_network(network: nn.Module, decay: float | None) -> nn.Module:
    """The network that is validated and saved: a copy for the average of its weights, or, without one, itself.

    Args:
        network: the network that is trained.
        decay: see :class:`WeightAverage`; ``None`` takes no average.

    """
    return network if decay is None else copy.deepcopy(network).requires_grad_(False)


class WeightAverage:
    """Follow the weights of a network by an exponential average after each iteration; for the trainer's handlers.

    In the first iterations the average forgets faster, so that the first weights soon play no part. Statistics of
    batches (buffers) are copied. Where several processes train, each has the same weights and so the same average.

    Args:
        network: the network that is trained, or its wrapper for several processes.
        average: its copy, see :func:`averaged_network`.
        decay: share of the average that stays in an iteration, in [0, 1): 0.999 looks about 1,000 iterations back.

    Raises:
        ValueError: if ``decay`` is out of range, or the networks do not have the same parameters.

    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"decay is the share of the average that stays, in [0, 1), got {decay}.")
        shapes = [[tuple(p.shape) for p in module.parameters()] for module in (network, average)]
        if average is network or shapes[0] != shapes[1]:
            raise UserError("WeightAverage needs a copy of the network to average into: pass averaged_network's.")
        self.network, self.average, self.decay = network, average, decay

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    @torch.no_grad()
    def __call__(self, engine: Engine) -> None:
        """Take the weights of this iteration in."""
        done = engine.state.iteration
        update = get_ema_avg_fn(min(self.decay, done / (done + 10)))
        for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.copy_(update(mean, value, 0))  # the count is for other averages
        for kept, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(new)
