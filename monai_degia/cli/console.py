"""What a command writes to the screen beside its results: warnings as lines of the log."""

from __future__ import annotations

import logging
import warnings
from typing import TextIO

__all__ = ["warnings_to_log"]

_logger = logging.getLogger("py.warnings")


def warnings_to_log() -> None:
    """Show warnings of Python as one line of the log each, so that none is glued to a progress bar."""
    warnings.showwarning = _show


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _logger.warning("%s: %s (%s:%d)", category.__name__, " ".join(str(message).split()), filename, lineno)
