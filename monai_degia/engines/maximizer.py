"""The maximisation phase: a workflow that climbs source images, Eq. (7), and appends them to the training set."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from monai.data import DataLoader
from monai.engines import IterationEvents, PrepareBatch, Workflow
from monai.utils import CommonKeys
from torch.utils.data import Sampler

from monai_degia.data.growing import GrowingDataset
from monai_degia.data.seeds import derive_seed
from monai_degia.engines.batches import PrepareLandmarkBatch, batch_classes
from monai_degia.engines.keys import DeGIAKeys, MaximizationEvents
from monai_degia.transforms.adversarial import AdversarialAscent

__all__ = ["AdversarialMaximizer", "RoundSampler"]


class RoundSampler(Sampler[int]):
    """The samples that one round climbs: a random subset, a function of seed, round and rank.

    Args:
        dataset: the growing set.
        num_images: images a round and process; ``fraction`` takes a share of the source samples instead.
        fraction: the paper's beta, in (0, 1].
        expanded: draw from source and generated samples (Eq. 6, shifts add up), not from source samples alone.
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
        seed: int = 0,
    ) -> None:
        if (num_images is None) == (fraction is None):
            raise ValueError(f"Give one of num_images and fraction, got num_images={num_images}, fraction={fraction}.")
        if num_images is not None and num_images < 1:
            raise ValueError(f"num_images must be positive, got {num_images}.")
        if fraction is not None and not 0 < fraction <= 1:
            raise ValueError(f"fraction is a share of the source images in (0, 1], got {fraction}.")
        self.dataset, self.expanded, self.seed = dataset, expanded, seed
        self.num_images = num_images or max(1, round((fraction or 0) * dataset.num_source))

    @property
    def population(self) -> int:
        """How many samples a round draws from."""
        return len(self.dataset) if self.expanded else self.dataset.num_source

    def __len__(self) -> int:
        return min(self.num_images, self.population, self.dataset.room)

    def __iter__(self) -> Any:
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.dataset.rounds, rank))
        yield from torch.randperm(self.population, generator=generator)[: len(self)].tolist()


class AdversarialMaximizer(Workflow):
    """One round of maximisation: climb a subset of the images by ``ascent``, append the results to ``dataset``.

    As MONAI's evaluators run inside a trainer, so does this; it can also be run alone.

    Args:
        dataset: the growing training set, read from and appended to.
        ascent: the batch-level ascent.
        device: where the networks are.
        num_images: images a round; or give ``fraction``.
        fraction: share of the source images, the paper's beta.
        expanded: start from generated images as well (Eq. 6).
        batch_size: images climbed at once.
        seed: decides the subsets and the starts.
        prepare_batch: images and labels of a batch, as in the trainer.
        **kwargs: see ``monai.engines.Workflow``.

    Fires ``IterationEvents.INNER_ITERATION_STARTED`` and ``INNER_ITERATION_COMPLETED`` around each ascent step,
    ``IterationEvents.MODEL_COMPLETED`` after each batch, and :class:`MaximizationEvents` around the round.
    ``state.output`` holds ``image``, ``label``, ``generated`` and ``stored``.

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
        self.sampler = RoundSampler(dataset, num_images, fraction, expanded, seed)
        loader = DataLoader(dataset.source_view(), batch_size=batch_size, sampler=self.sampler)
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

    def run(self) -> None:
        """Run the next round; ``dataset.rounds`` says which it is and moves on when it is done."""
        self.ascent.set_random_state(derive_seed(self.seed, self.dataset.rounds))
        # The pool may have less room than a round takes: the number of batches is counted anew each time.
        self.state.epoch_length = len(self.data_loader)
        self.state.max_epochs, self.state.epoch, self.state.iteration = 1, 0, 0
        if self.state.epoch_length == 0:
            self.logger.warning("The pool of generated images is full (max_generated): this round adds none.")
        else:
            self.fire_event(MaximizationEvents.ROUND_STARTED)
            super().run()
            self.fire_event(MaximizationEvents.ROUND_COMPLETED)
        self.dataset.rounds += 1

    def _iteration(self, engine: Any, batchdata: dict[str, Any]) -> dict[str, Any]:
        image, label = self.prepare_batch(batchdata, self.state.device, self.non_blocking, **self.to_kwargs)
        classes = batch_classes(batchdata, image)
        self.state.output = {CommonKeys.IMAGE: image, CommonKeys.LABEL: label}
        self.fire_event(IterationEvents.INNER_ITERATION_STARTED)
        generated = self.ascent(image, label, classes, on_step=self._step_done)
        targets = torch.as_tensor(batchdata[self.dataset.target_key])
        stored = self.dataset.append(generated, targets, classes, batchdata["source"])
        self.state.output.update({DeGIAKeys.GENERATED: generated, DeGIAKeys.STORED: stored})
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        return self.state.output

    def _step_done(self, step: int) -> None:
        self.fire_event(IterationEvents.INNER_ITERATION_COMPLETED)
        if step < self.ascent.steps:
            self.fire_event(IterationEvents.INNER_ITERATION_STARTED)
