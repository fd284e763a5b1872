"""What several training processes share: the mean of gradients, and who writes files."""

from __future__ import annotations

import ignite.distributed as idist
import torch
import torch.distributed as dist
from torch import nn

__all__ = ["average_gradients", "is_first_rank"]


def is_first_rank() -> bool:
    """Whether this process writes what a run writes once: true where only one trains."""
    return idist.get_rank() == 0


def average_gradients(module: nn.Module) -> None:
    """Replace each gradient by its mean over all processes; nothing happens where only one trains.

    For losses that are no ``forward`` of the module, which ``DistributedDataParallel`` cannot see.
    """
    if idist.get_world_size() == 1:
        return
    parameters = [p for p in module.parameters() if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= idist.get_world_size()
    for parameter, mean in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view_as(parameter).clone()
