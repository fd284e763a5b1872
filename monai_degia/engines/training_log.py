"""What a training tells while it runs and when it ends."""

from __future__ import annotations

import logging
import shlex
import time
from typing import TYPE_CHECKING, Any

from ignite.engine import Engine, Events

from monai_degia.engines.checkpoints import BestModelSaver
from monai_degia.engines.ranks import is_first_rank
from monai_degia.model.description import DESCRIPTION_FILE
from monai_degia.results.keys import scalar_output

if TYPE_CHECKING:  # a second to import, which --help should not wait for
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TrainingLog"]

_logger = logging.getLogger(__name__)


class TrainingLog:
    """Log one line an epoch, with mean losses and all metrics, and a summary at the end.

    Attach it behind the validation handler, so that an epoch's line has its own validation. Where several processes
    train, the first one logs.

    Args:
        validator: whose metrics belong to the epochs that it ran in.
        best_model: keeps the best weights; the summary says where they are.
        summary_writer: of TensorBoard; the summary says how to look at its curves.

    """

    def __init__(
        self,
        validator: Engine | None = None,
        best_model: BestModelSaver | None = None,
        summary_writer: SummaryWriter | None = None,
    ) -> None:
        self.validator, self.best_model, self.summary_writer = validator, best_model, summary_writer
        self._sums: dict[str, list[float]] = {}
        self._run_began = self._epoch_began = time.monotonic()
        self._first_epoch = True

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        if is_first_rank():
            engine.add_event_handler(Events.STARTED, self._begin)
            engine.add_event_handler(Events.EPOCH_STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
            engine.add_event_handler(Events.COMPLETED, self._summary)

    def _begin(self, engine: Engine) -> None:
        self._run_began, self._first_epoch = time.monotonic(), True

    def _start(self, engine: Engine) -> None:
        self._sums, self._epoch_began = {}, time.monotonic()
        # Not when the run starts: a checkpoint may be loaded by a handler behind this one.
        if self._first_epoch and engine.state.epoch > 1:
            _logger.info("Training goes on after epoch %d of %s.", engine.state.epoch - 1, engine.state.max_epochs)
        elif self._first_epoch:
            _logger.info("Training: %s.", self._amounts(engine))
        self._first_epoch = False

    def _amounts(self, engine: Engine) -> str:
        """How much there is to do, for whoever waits for the first epoch to end."""
        amounts = [f"{engine.state.max_epochs} epochs of {engine.state.epoch_length} iterations"]
        for what, loader in (("training", engine.state.dataloader), ("validation", _loader(self.validator))):
            if (dataset := getattr(loader, "dataset", None)) is not None:
                amounts.append(f"{getattr(dataset, 'num_source', len(dataset))} {what} images")
        return ", ".join(amounts)

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
        took = _duration(time.monotonic() - self._epoch_began)
        _logger.info("epoch %s: %s, %s%s", place, told, took, self._best_so_far(engine.state.epoch))

    def _best_so_far(self, epoch: int) -> str:
        best = self.best_model
        if best is None or best.best is None:
            return ""
        return " (the best so far)" if best.epoch == epoch else f" (best {best.best:.4g}, epoch {best.epoch})"

    def _summary(self, engine: Engine) -> None:
        best, took = self.best_model, _duration(time.monotonic() - self._run_began)
        if best is None or best.best is None:
            _logger.info("Done in %s.", took)
        else:
            folder = best.path.parent
            name = "metric" if self.validator is None else self.validator.state.key_metric_name
            _logger.info("Done in %s: best %s %.4g, in epoch %d.", took, name, best.best, best.epoch)
            _logger.info("The weights are in %s.", folder)
            if (folder / DESCRIPTION_FILE).is_file():
                command = "monai_degia predict FOLDER_OF_IMAGES FOLDER_OF_RESULTS --model"
                _logger.info("Use them: %s %s", command, shlex.quote(str(folder)))
        if self.summary_writer is not None:
            _logger.info("Curves and pictures: tensorboard --logdir %s", shlex.quote(str(self.summary_writer.log_dir)))


def _loader(evaluator: Engine | None) -> Any:
    """The data loader that an evaluator of MONAI has before it runs."""
    return getattr(evaluator, "data_loader", None)


def _scalars(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


def _duration(seconds: float) -> str:
    """Such as 0.4 s, 12 s, 3 min 5 s or 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
