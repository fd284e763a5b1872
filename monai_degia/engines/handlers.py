"""Handlers of a two-phase run: when to maximise, how to repeat a run exactly."""

from __future__ import annotations

from collections.abc import Sequence

import ignite.distributed as idist
from ignite.engine import Engine, Events
from monai.transforms import Randomizable
from monai.utils import set_determinism

from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.seeds import derive_seed
from monai_degia.engines.augmented_batch import PrepareAugmentedBatch
from monai_degia.engines.maximizer import AdversarialMaximizer
from monai_degia.errors import UserError
from monai_degia.results.keys import RunEvents

__all__ = ["EpochSeedHandler", "MaximizationHandler"]


class MaximizationHandler:
    """Run a round of maximisation from inside the trainer, at an interval of epochs.

    Put it behind the validation handler and before the one that saves checkpoints, so that a checkpoint knows the
    images of its round. After the last epoch nothing would train on new images, so no round is run. A run that resumes
    from a checkpoint without the round of its epoch, as one that was killed inside the round does, runs it first.

    Args:
        maximizer: the workflow of the maximisation phase.
        interval: epochs between rounds; an epoch of the trainer is T_min iterations.
        max_rounds: the paper's K; ``None`` for a round at every interval.

    Raises:
        ValueError: if ``interval`` or ``max_rounds`` is out of range.

    """

    def __init__(self, maximizer: AdversarialMaximizer, interval: int = 1, max_rounds: int | None = None) -> None:
        if interval < 1:
            raise UserError(f"interval must be at least 1 epoch, got {interval}.")
        if max_rounds is not None and max_rounds < 0:
            raise UserError(f"max_rounds must not be negative, got {max_rounds}.")
        self.maximizer, self.interval, self.max_rounds = maximizer, interval, max_rounds

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.register_events(*RunEvents)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)
        engine.add_event_handler(RunEvents.RESUMED, self._catch_up)

    def __call__(self, engine: Engine) -> None:
        """Run one round, unless all rounds are done or training ends here."""
        if self._due(engine):
            engine.fire_event(RunEvents.ROUND_DUE)
            self.maximizer.run()

    def _due(self, engine: Engine) -> bool:
        last = engine.state.max_epochs is not None and engine.state.epoch >= engine.state.max_epochs
        return not last and (self.max_rounds is None or self.maximizer.dataset.rounds < self.max_rounds)

    def _catch_up(self, engine: Engine) -> None:
        epoch, interval = engine.state.epoch, self.interval
        if epoch % interval == 0 and self.maximizer.dataset.rounds < epoch // interval and self._due(engine):
            self.maximizer.run()


class EpochSeedHandler:
    """Seed all randomness at the start of each epoch: a resumed run equals one that never stopped.

    The seeds follow from seed, epoch and, where several processes train, the rank. A trainer that augments whole
    batches (:class:`monai_degia.PrepareAugmentedBatch`) is told that an epoch starts, with the seed of all.

    Args:
        seed: seed of the run.
        dataset: the training set, whose augmentation has a random state of its own.
        others: whatever else has one, e.g. a :class:`monai_degia.ViewsInferer`; each gets a seed of its own.

    Raises:
        TypeError: if one of ``others`` has no ``set_random_state``.
        ValueError: when an epoch starts, if the workers of the loader live on from epoch to epoch.

    """

    def __init__(self, seed: int, dataset: GrowingDataset, others: Sequence[Randomizable] = ()) -> None:
        for other in others:
            if not hasattr(other, "set_random_state"):
                raise UserError(
                    f"EpochSeedHandler cannot seed a {type(other).__name__}, which has no set_random_state: leave it "
                    "out of others, or make it a Randomizable."
                )
        self.seed, self.dataset, self.others = int(seed), dataset, tuple(others)

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed Python, NumPy, torch, the augmentation and the others."""
        if getattr(engine.state.dataloader, "persistent_workers", False):
            # They keep the copy of the set, and its random state, that they were started with.
            raise UserError(
                "Workers that live on from epoch to epoch see neither an epoch's seed nor the images of later rounds: "
                "leave persistent_workers out of train::dataloader."
            )
        rank, prepare_batch = idist.get_rank(), getattr(engine, "prepare_batch", None)
        if isinstance(prepare_batch, PrepareAugmentedBatch):
            prepare_batch.start_epoch(derive_seed(self.seed, engine.state.epoch))
        seed = derive_seed(self.seed, engine.state.epoch, *([rank] if rank else []))
        set_determinism(seed)
        self.dataset.set_random_state(seed)
        for number, other in enumerate(self.others, start=1):
            other.set_random_state(derive_seed(seed, number))
