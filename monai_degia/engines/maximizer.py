"""The maximisation phase: a workflow that climbs source images, Eq. (7), and appends them to the training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ignite.distributed as idist
import torch
from monai.data import DataLoader
from monai.engines import IterationEvents, PrepareBatch, Workflow
from monai.utils import CommonKeys
from torch.utils.data import Sampler

from monai_degia.ascent.adversarial import AdversarialAscent
from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.seeds import derive_seed
from monai_degia.engines.augmented_batch import PrepareAugmentedBatch
from monai_degia.engines.batches import PrepareLandmarkBatch, batch_classes
from monai_degia.engines.ranks import is_first_rank
from monai_degia.errors import UserError
from monai_degia.results.keys import DeGIAKeys, MaximizationEvents

__all__ = ["AdversarialMaximizer", "RoundSampler"]


class RoundSampler(Sampler[list[int]]):
    """The batches of samples that one round climbs: a random subset, a function of seed and round.

    Where several processes train, they take turns: batch k belongs to process k modulo their number.

    Args:
        dataset: the growing set.
        num_images: images a round, of all processes together; ``fraction`` takes a share of the source samples instead.
        fraction: the paper's beta, in (0, 1].
        expanded: draw from source and generated samples (Eq. 6, shifts add up), not from source samples alone.
        batch_size: images climbed at once.
        seed: decides the subsets.

    Raises:
        ValueError: unless exactly one of ``num_images`` and ``fraction`` is given and in range.

    """

    def __init__(
        self,
        dataset: GrowingDataset,
        num_images: int | None = None,
        fraction: float | None = None,
        expanded: bool = False,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        if (num_images is None) == (fraction is None):
            raise UserError(f"Give one of num_images and fraction, got num_images={num_images}, fraction={fraction}.")
        if num_images is not None and num_images < 1:
            raise UserError(f"num_images must be positive, got {num_images}.")
        if fraction is not None and not 0 < fraction <= 1:
            raise UserError(f"fraction is a share of the source images in (0, 1], got {fraction}.")
        if batch_size < 1:
            raise UserError(f"batch_size must be positive, got {batch_size}.")
        self.dataset, self.expanded, self.seed, self.batch_size = dataset, expanded, seed, batch_size
        self.num_images = num_images or max(1, round((fraction or 0) * dataset.num_source))

    @property
    def population(self) -> int:
        """How many samples a round draws from."""
        return len(self.dataset) if self.expanded else self.dataset.num_source

    def draw(self) -> list[int]:
        """The samples of the current round in order, of all processes; fewer where the pool has less room."""
        count = min(self.num_images, self.population, self.dataset.room)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.dataset.rounds, 0))
        return torch.randperm(self.population, generator=generator)[:count].tolist()

    @property
    def batches(self) -> list[tuple[int, list[int]]]:
        """Position in the round, and samples, of each batch of this process."""
        order = self.draw()
        starts = range(0, len(order), self.batch_size)
        mine = starts[idist.get_rank() :: idist.get_world_size()]
        return [(start, order[start : start + self.batch_size]) for start in mine]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter([samples for _, samples in self.batches])


class AdversarialMaximizer(Workflow):
    """One round of maximisation: climb a subset of the images by ``ascent``, append the results to ``dataset``.

    As MONAI's evaluators run inside a trainer, so does this; it can also be run alone.

    Args:
        dataset: the growing training set, read from and appended to.
        ascent: the batch-level ascent.
        device: where the networks are.
        num_images: images a round, of all processes together; or give ``fraction``.
        fraction: share of the source images, the paper's beta.
        expanded: start from generated images as well (Eq. 6).
        batch_size: images climbed at once.
        seed: decides the subsets and the starts.
        prepare_batch: images and labels of a batch, as in the trainer. One that augments
            (:class:`monai_degia.PrepareAugmentedBatch`) gives each image of a round other random numbers.
        **kwargs: see ``monai.engines.Workflow``.

    Fires ``IterationEvents.INNER_ITERATION_STARTED`` and ``INNER_ITERATION_COMPLETED`` around each ascent step,
    ``IterationEvents.MODEL_COMPLETED`` after each batch, and :class:`MaximizationEvents` around the round.
    ``state.output`` holds ``image``, ``label`` and ``generated``. Where several processes train, each climbs its own
    batches into the one pool that they share, and all wait for the last before the images count.

    """

    def __init__(
        self,
        dataset: GrowingDataset,
        ascent: AdversarialAscent,
        device: torch.device | str,
        num_images: int | None = None,
        fraction: float | None = None,
        expanded: bool = False,
        batch_size: int = 64,
        seed: int = 0,
        prepare_batch: PrepareBatch | None = None,
        **kwargs: Any,
    ) -> None:
        self.sampler = RoundSampler(dataset, num_images, fraction, expanded, batch_size, seed)
        loader = DataLoader(dataset.source_view(), batch_sampler=self.sampler)
        super().__init__(
            device=device,
            max_epochs=1,
            data_loader=loader,
            prepare_batch=prepare_batch or PrepareLandmarkBatch(),
            decollate=False,
            event_names=[MaximizationEvents, *kwargs.pop("event_names", [])],
            **kwargs,
        )
        self.dataset, self.ascent, self.seed = dataset, ascent, seed
        self._positions: list[int] = []

    def run(self) -> None:
        """Run the next round; ``dataset.rounds`` says which it is and moves on when it is done."""
        order, batches = self.sampler.draw(), self.sampler.batches
        self._positions = [position for position, _ in batches]
        # The pool may have less room than a round takes: the number of batches is counted anew each time.
        self.state.epoch_length = len(batches)
        self.state.max_epochs, self.state.epoch, self.state.iteration = 1, 0, 0
        if not order:
            self.logger.warning("The pool of generated images is full (max_generated): this round adds none.")
            self.dataset.end_round(order)
            return
        if is_first_rank():
            self.dataset.reserve(len(order))
        idist.barrier()  # the first process says whose the pool is before the others open it
        if isinstance(self.prepare_batch, PrepareAugmentedBatch):
            self.prepare_batch.start_epoch(derive_seed(self.seed, self.dataset.rounds, 1))
        self.fire_event(MaximizationEvents.ROUND_STARTED)
        if batches:
            super().run()
        idist.barrier()
        self.fire_event(MaximizationEvents.ROUND_COMPLETED)
        self.dataset.end_round(order)

    def _iteration(self, engine: Any, batchdata: dict[str, Any]) -> dict[str, Any]:
        image, label = self.prepare_batch(batchdata, self.state.device, self.non_blocking, **self.to_kwargs)
        classes = batch_classes(batchdata, image)
        position = self._positions[self.state.iteration - 1]
        # By the place in the round, so that the images do not depend on how many processes share it.
        self.ascent.set_random_state(derive_seed(self.seed, self.dataset.rounds, position))
        self.state.output = {CommonKeys.IMAGE: image, CommonKeys.LABEL: label}
        self.fire_event(IterationEvents.INNER_ITERATION_STARTED)
        generated = self.ascent(image, label, classes, on_step=self._step_done)
        targets = torch.as_tensor(batchdata[self.dataset.target_key])
        self.dataset.write(position, generated, targets, classes, batchdata["source"])
        self.state.output[DeGIAKeys.GENERATED] = generated
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        return self.state.output

    def _step_done(self, step: int) -> None:
        self.fire_event(IterationEvents.INNER_ITERATION_COMPLETED)
        if step < self.ascent.steps:
            self.fire_event(IterationEvents.INNER_ITERATION_STARTED)
