"""The order in which a growing training set is drawn: a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized

import torch
import torch.distributed as dist
from torch.utils.data.distributed import DistributedSampler

from monai_degia.data.pool.seeds import derive_seed
from monai_degia.errors import UserError

__all__ = ["GrowingSampler"]


class GrowingSampler(DistributedSampler):
    """Draw a fixed number of samples an epoch from however many there are now.

    MONAI's workflows call ``set_epoch`` of every ``DistributedSampler``. The number of draws never changes while the
    set grows, so the length of an epoch is constant, which ignite needs, and a resumed run draws what the first would
    have drawn. Within an epoch samples repeat only after all of their kind were drawn; where source samples have
    weights, each is drawn as often as its weight says, rounded up or down at random.

    Args:
        dataset: the set to draw from; its length is read at the start of each epoch. Where it has ``num_source``,
            samples from that index on are generated ones; where it has ``source_weights``, a number for each source
            sample, source samples are drawn in proportion to them.
        num_draws: samples an epoch on this process: iterations times batch size.
        seed: with the epoch it decides the order, whatever the number of processes.
        source_share: smallest share of source samples among the draws, however many generated ones there are; 0 draws
            all samples alike (Eq. 5 as it stands).
        batch_size: of the loader on this process. Where N processes train, they share out batches of N times that
            size, which are those that one process would draw.

    Raises:
        ValueError: if ``num_draws`` is not positive or ``source_share`` not in [0, 1], or the set is empty when an
            epoch starts.

    """

    def __init__(
        self, dataset: Sized, num_draws: int, seed: int = 0, source_share: float = 0.0, batch_size: int = 1
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size must be positive, got {batch_size}.")
        if num_draws < 1:
            raise UserError(f"num_draws must be positive, got {num_draws}: iterations an epoch times batch size.")
        if not 0 <= source_share <= 1:
            raise UserError(f"source_share is a share of the draws in [0, 1], got {source_share}.")
        distributed = dist.is_available() and dist.is_initialized()
        rank, replicas = (dist.get_rank(), dist.get_world_size()) if distributed else (0, 1)
        super().__init__(dataset, num_replicas=replicas, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.num_draws, self.source_share, self.share = num_draws, source_share, batch_size
        self.growing = dataset

    def __len__(self) -> int:
        return self.num_draws

    def __iter__(self) -> Iterator[int]:
        if self.num_replicas == 1:
            yield from self._draws(self.num_draws)
            return
        draws = list(self._draws(self.num_draws * self.num_replicas))
        for start in range(0, self.num_draws, self.share):
            size = min(self.share, self.num_draws - start)
            first = start * self.num_replicas + self.rank * size
            yield from draws[first : first + size]

    def _draws(self, count: int) -> Iterator[int]:
        """The draws of all processes together."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.epoch, 0))
        size = len(self.growing)
        if size == 0:
            raise UserError("The set to draw from holds no sample: check the data list.")
        num_source = getattr(self.growing, "num_source", size)
        weights = getattr(self.growing, "source_weights", None)
        if weights is None and num_source >= self.source_share * size:
            yield from _passes(range(size), count, generator)
            return
        source_draws = round(max(self.source_share, num_source / size) * count)
        source = _passes(range(num_source), source_draws, generator)
        draws = [
            *(source if weights is None else _weighted(weights, source_draws, generator)),
            *_passes(range(num_source, size), count - source_draws, generator),
        ]
        order = torch.randperm(len(draws), generator=generator)
        yield from (draws[index] for index in order)


def _passes(indices: range, count: int, generator: torch.Generator) -> Iterator[int]:
    """``count`` draws in passes over ``indices``, each pass shuffled anew."""
    while count > 0:
        order = torch.randperm(len(indices), generator=generator)[:count].tolist()
        yield from (indices[index] for index in order)
        count -= len(indices)


def _weighted(weights: Sequence[float], count: int, generator: torch.Generator) -> list[int]:
    """``count`` indices, each as often as its share of the weights asks, by systematic sampling in a random order."""
    order = torch.randperm(len(weights), generator=generator)
    ends = torch.as_tensor(weights, dtype=torch.float64)[order].cumsum(0)
    ticks = (torch.arange(count, dtype=torch.float64) + torch.rand(1, generator=generator).double()) / max(count, 1)
    return order[torch.searchsorted(ends, ticks * ends[-1]).clamp(max=len(weights) - 1)].tolist()
