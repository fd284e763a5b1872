"""The learning rate as a curve of TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ignite.engine import Engine, Events
from torch.optim import Optimizer

from monai_degia.engines.ranks import is_first_rank

if TYPE_CHECKING:  # a second to import, which --help should not wait for
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["LearningRateLog"]


class LearningRateLog:
    """Write the learning rate that each epoch starts with, over the epoch's number.

    Args:
        optimizer: whose rate it is; with several groups of parameters each has a curve.
        summary_writer: of TensorBoard; ``None`` writes nothing.
        tag: name of the curve.

    """

    def __init__(self, optimizer: Optimizer, summary_writer: SummaryWriter | None, tag: str = "learning_rate") -> None:
        self.optimizer, self.summary_writer, self.tag = optimizer, summary_writer, tag

    def attach(self, engine: Engine) -> None:
        """Register with the trainer; where several processes train, the first one writes."""
        if is_first_rank():
            engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the rate of the epoch that starts."""
        if self.summary_writer is None:
            return
        groups = self.optimizer.param_groups
        for number, group in enumerate(groups):
            name = self.tag if len(groups) == 1 else f"{self.tag}/group_{number}"
            self.summary_writer.add_scalar(name, float(group["lr"]), engine.state.epoch)
