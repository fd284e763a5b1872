"""Progress bars for both phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from monai_degia.engines.ranks import is_first_rank
from monai_degia.io.bars import WorkBar
from monai_degia.results.keys import DeGIAKeys

__all__ = ["PhaseProgress"]


class PhaseProgress:
    """One bar a phase with the latest scalars of ``state.output``.

    It is drawn on a terminal alone and goes away with the epoch; a phase that takes less than a second has none.

    Args:
        description: what the bar is called.
        keys: entries of ``state.output`` to show, where they are there.
        interval: iterations between updates.

    """

    def __init__(
        self,
        description: str = "train",
        keys: Sequence[str] = (CommonKeys.LOSS, DeGIAKeys.BITS_PER_DIM),
        interval: int = 10,
    ) -> None:
        self.description, self.keys, self.interval = description, list(keys), interval
        self._bar: WorkBar | None = None

    def attach(self, engine: Engine) -> None:
        """Register a bar with the engine; where several processes train, the first one shows it."""
        if not is_first_rank():
            return
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.interval), self._update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._close)

    def _open(self, engine: Engine) -> None:
        self._close()
        state = engine.state
        several = f" {state.epoch}/{state.max_epochs}" if (state.max_epochs or 1) > 1 else ""
        self._bar = WorkBar(total=state.epoch_length, desc=f"{self.description}{several}", unit="batch")

    def _update(self, engine: Engine) -> None:
        if self._bar is None:
            return
        figures = {name: f"{value:.3g}" for name, value in self._scalars(engine.state.output).items()}
        self._bar.set_postfix(figures, refresh=False)
        done = (engine.state.iteration - 1) % (engine.state.epoch_length or 1) + 1
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _scalars(self, output: Any) -> dict[str, float]:
        entries = output if isinstance(output, dict) else output[0]
        values = {str(key): entries[key] for key in self.keys if key in entries}
        return {key: float(v.mean()) if isinstance(v, torch.Tensor) else float(v) for key, v in values.items()}
