"""Nothing of a header on the screen: pydicom quotes values in its warnings, and a value may be a patient's name."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["discreet"]

_lock = threading.Lock()
_inside = threading.local()
_depth = 0
_kept: warnings.catch_warnings | None = None


class _NotWhileReading(logging.Filter):
    """Drop records of threads that are reading a header."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_inside, "depth", 0)


@contextmanager
def discreet() -> Iterator[None]:
    """Keep pydicom from warning and logging about what it reads, in any number of threads at a time.

    Python's filters of warnings belong to all threads, so the first that enters sets them and the last that leaves puts
    them back; only warnings that come from pydicom, or from its callers here, are affected.
    """
    global _depth, _kept
    with _lock:
        if _depth == 0:
            logging.getLogger("pydicom").addFilter(_FILTER)
            _kept = warnings.catch_warnings()
            _kept.__enter__()
            warnings.filterwarnings("ignore", module=r"pydicom|monai_degia\.reading\.xray|monai_degia\.io")
        _depth += 1
    _inside.depth = getattr(_inside, "depth", 0) + 1
    try:
        yield
    finally:
        _inside.depth -= 1
        with _lock:
            _depth -= 1
            if _depth == 0 and _kept is not None:
                _kept.__exit__(None, None, None)
                _kept = None


_FILTER = _NotWhileReading()
