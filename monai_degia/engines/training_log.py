"""What a training tells while it runs and when it ends."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events

from monai_degia.engines.checkpoints import BestModelSaver
from monai_degia.engines.ranks import is_first_rank
from monai_degia.model.description import DESCRIPTION_FILE
from monai_degia.results.keys import scalar_output

__all__ = ["TrainingLog"]

_logger = logging.getLogger(__name__)


class TrainingLog:
    """Log one line an epoch, with mean losses and all metrics, and a summary at the end.

    Attach it behind the validation handler, so that an epoch's line has its own validation. Where several processes
    train, the first one logs.

    Args:
        validator: whose metrics belong to the epochs that it ran in.
        best_model: keeps the best weights; the summary says where they are.

    """

    def __init__(self, validator: Engine | None = None, best_model: BestModelSaver | None = None) -> None:
        self.validator, self.best_model = validator, best_model
        self._sums: dict[str, list[float]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        if is_first_rank():
            engine.add_event_handler(Events.EPOCH_STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
            engine.add_event_handler(Events.COMPLETED, self._summary)

    def _start(self, engine: Engine) -> None:
        self._sums = {}

    def _add(self, engine: Engine) -> None:
        for name, value in scalar_output(engine.state.output).items():
            self._sums.setdefault(name, []).append(value)

    def _epoch(self, engine: Engine) -> None:
        figures = {name: sum(values) / len(values) for name, values in self._sums.items()}
        figures |= _scalars(engine.state.metrics)
        if self.validator is not None and self.validator.state.epoch == engine.state.epoch:
            figures |= _scalars(self.validator.state.metrics)
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        place = f"{engine.state.epoch} of {engine.state.max_epochs}"
        _logger.info("epoch %s: %s%s", place, told, self._best_so_far(engine.state.epoch))

    def _best_so_far(self, epoch: int) -> str:
        best = self.best_model
        if best is None or best.best is None:
            return ""
        return " (the best so far)" if best.epoch == epoch else f" (best {best.best:.4g}, epoch {best.epoch})"

    def _summary(self, engine: Engine) -> None:
        best = self.best_model
        if best is None or best.best is None:
            return
        folder = best.path.parent
        name = "metric" if self.validator is None else self.validator.state.key_metric_name
        _logger.info("Done: best %s %.4g, in epoch %d. The weights are in %s.", name, best.best, best.epoch, folder)
        if (folder / DESCRIPTION_FILE).is_file():
            _logger.info(
                "Use them: monai_degia predict FOLDER_OF_IMAGES FOLDER_OF_RESULTS --model %s",
                folder,
            )


def _scalars(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
