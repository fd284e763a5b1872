"""The order in which a growing training set is drawn: a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
import torch.distributed as dist
from torch.utils.data.distributed import DistributedSampler

from monai_degia.data.seeds import derive_seed

__all__ = ["GrowingSampler"]


class GrowingSampler(DistributedSampler):
    """Draw a fixed number of samples an epoch from however many there are now.

    MONAI's workflows call ``set_epoch`` of every ``DistributedSampler``. The number of draws never changes while the
    set grows, so the length of an epoch is constant, which ignite needs, and a resumed run draws what the first would
    have drawn. Within an epoch samples repeat only after all were drawn.

    Args:
        dataset: the set to draw from; its length is read at the start of each epoch.
        num_draws: samples an epoch on this process: iterations times batch size.
        seed: with the epoch, and the rank where several processes train, it decides the order.

    Raises:
        ValueError: if ``num_draws`` is not positive.

    """

    def __init__(self, dataset: Sized, num_draws: int, seed: int = 0) -> None:
        if num_draws < 1:
            raise ValueError(f"num_draws must be positive, got {num_draws}: iterations an epoch times batch size.")
        distributed = dist.is_available() and dist.is_initialized()
        rank, replicas = (dist.get_rank(), dist.get_world_size()) if distributed else (0, 1)
        super().__init__(dataset, num_replicas=replicas, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.num_draws = num_draws

    def __len__(self) -> int:
        return self.num_draws

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.epoch, self.rank))
        size, left = len(self.dataset), self.num_draws  # type: ignore[arg-type]
        while left > 0:
            yield from torch.randperm(size, generator=generator)[:left].tolist()
            left -= size
