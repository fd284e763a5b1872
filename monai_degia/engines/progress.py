"""Progress bars for both phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from monai.utils import CommonKeys

from monai_degia.engines.ranks import is_first_rank
from monai_degia.results.keys import DeGIAKeys

__all__ = ["PhaseProgress"]


class PhaseProgress:
    """One bar a phase with the latest scalars of ``state.output``.

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

    def attach(self, engine: Engine) -> None:
        """Register a bar with the engine; where several processes train, the first one shows it."""
        if not is_first_rank():
            return
        bar = ProgressBar(desc=self.description, persist=False, ncols=100)
        bar.attach(
            engine,
            event_name=Events.ITERATION_COMPLETED(every=self.interval),
            output_transform=self._scalars,
        )

    def _scalars(self, output: Any) -> dict[str, float]:
        entries = output if isinstance(output, dict) else output[0]
        values = {str(key): entries[key] for key in self.keys if key in entries}
        return {key: float(v.mean()) if isinstance(v, torch.Tensor) else float(v) for key, v in values.items()}
