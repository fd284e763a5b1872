"""What every writer here does: collect from an evaluator's batches, write at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from monai_degia.io.files import remove_drafts_of_the_dead

__all__ = ["CollectingWriter"]


class CollectingWriter(ABC):
    """A handler that keeps a row an image while the evaluator runs, and writes files when it is done.

    Args:
        output_dir: folder of the files.

    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        self._rows = []
        remove_drafts_of_the_dead(self.output_dir)

    @abstractmethod
    def _collect(self, engine: Engine) -> None:
        """Add the rows of the batch in ``engine.state``."""

    @abstractmethod
    def _write(self, engine: Engine) -> None:
        """Write the files, each whole or not at all."""
