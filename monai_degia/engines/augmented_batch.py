"""Augmentation of a whole batch, on the device that trains: where MONAI's trainers prepare what they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from monai.data import MetaTensor
from monai.engines import PrepareBatch
from torch import Tensor

from monai_degia.data.pool.seeds import uniform_rows
from monai_degia.errors import UserError

__all__ = ["BatchAugmentation", "PrepareAugmentedBatch"]


class BatchAugmentation(Protocol):
    """A random transform of batches, such as :class:`monai_degia.RandGeometryd`."""

    #: Random numbers that a sample takes.
    num_draws: int

    def apply_batch(self, batch: Mapping[Any, Any], draws: Tensor) -> dict[Any, Any]:
        """Transform a collated batch of plain tensors; draws are numbers in [0, 1), shape (B, num_draws), float64."""
        ...


class PrepareAugmentedBatch(PrepareBatch):
    """Augment a batch at once, then prepare it; for the trainer alone, in place of its ``prepare_batch``.

    Each sample's random numbers are a function of the seed, the epoch and the sample's place in it: they depend neither
    on the batch size, nor on the workers of the loader, nor on how many processes share the epoch.
    :class:`monai_degia.EpochSeedHandler` tells each epoch's start; without it the places are counted on and on.

    Args:
        prepare_batch: images and labels of a batch that may be augmented or not.
        augmentations: one after the other; none leaves the batch as it is.
        seed: decides all draws until an epoch starts.

    Raises:
        TypeError: if an augmentation works on single samples alone.

    """

    def __init__(
        self, prepare_batch: PrepareBatch, augmentations: Sequence[BatchAugmentation] = (), seed: int = 0
    ) -> None:
        for augmentation in augmentations:
            if not (hasattr(augmentation, "apply_batch") and hasattr(augmentation, "num_draws")):
                raise UserError(
                    f"PrepareAugmentedBatch augments whole batches, which {type(augmentation).__name__} cannot: it has "
                    "no apply_batch and num_draws. Put transforms of single samples into train::augmentation."
                )
        self.prepare_batch, self.augmentations = prepare_batch, tuple(augmentations)
        self.start_epoch(seed)

    def start_epoch(self, seed: int) -> None:
        """Begin to count samples anew, with other random numbers.

        Args:
            seed: the same on all processes that share the epoch.

        """
        self.seed, self.place = int(seed), 0

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Augmented images and their labels on ``device``, as ``prepare_batch`` gives them."""
        if self.augmentations:
            tensors = {key: _plain(value) for key, value in batchdata.items() if isinstance(value, Tensor)}
            moved = {key: value.to(device, non_blocking=non_blocking) for key, value in tensors.items()}
            batchdata = self._augment({**batchdata, **moved}, len(next(iter(moved.values()))))
        return self.prepare_batch(batchdata, device, non_blocking, **kwargs)

    def _augment(self, batch: dict[str, Any], size: int) -> dict[str, Any]:
        # The processes share out batches of as many times the size: each knows where in the epoch its samples are.
        first = self.place * idist.get_world_size() + idist.get_rank() * size
        self.place += size
        widths = [augmentation.num_draws for augmentation in self.augmentations]
        draws = torch.from_numpy(uniform_rows(self.seed, first, size, sum(widths))).split(widths, 1)
        for augmentation, own in zip(self.augmentations, draws, strict=True):
            batch = augmentation.apply_batch(batch, own)
        return batch


def _plain(x: Tensor) -> Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else x
