"""One message instead of a traceback, where an error of the user's data or arguments ends a command."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.dummy import DummyProcess
from types import TracebackType

from monai.apps.utils import get_logger

from monai_degia.engines.hushed import hush_others
from monai_degia.io.bars import close_bars
from monai_degia.io.messages import short_message

__all__ = ["on_interrupt", "show_short_errors"]

TRACEBACK_VARIABLE = "MONAI_DEGIA_TRACEBACK"
_LONGEST_WAIT = 10.0  # seconds, for an image that is still being loaded
_hints: list[Callable[[], str]] = []


def show_short_errors() -> None:
    """Print errors about the user's input as one message, for command lines; call it from a config.

    Every other error keeps its traceback, and so does every error where the environment variable
    MONAI_DEGIA_TRACEBACK is set. What other packages say and nobody can act on is not shown from then on
    (``engines/hushed.py`` lists it).
    """
    hush_others()
    if os.environ.get(TRACEBACK_VARIABLE) or getattr(sys.excepthook, "shortens_errors", False):
        return
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        close_bars()  # the message would stand behind one, in its line
        message = short_message(error)
        if issubclass(kind, KeyboardInterrupt):
            print(f"\nStopped. {_how_to_go_on()}".rstrip(), file=sys.stderr)
        elif message is None:
            previous(kind, error, traceback)
        else:
            print(f"error: {message}\n(set {TRACEBACK_VARIABLE}=1 for the traceback)", file=sys.stderr)
        _wait_for_loading_threads()

    hook.shortens_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook
    # It logs every error of a run with its traceback, before the error comes here. MONAI's own function makes the
    # logger: one that is there before has no handler in MONAI's eyes and gets none.
    get_logger("monai.handlers.StatsHandler").addFilter(_without_traceback)


def on_interrupt(hint: Callable[[], str]) -> None:
    """Say how to go on, if this process is stopped by Ctrl-C from now on.

    Args:
        hint: gives the sentence at that time, or nothing.

    """
    _hints[:] = [hint]


def _how_to_go_on() -> str:
    return "".join(hint() for hint in _hints)


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None and short_message(record.exc_info[1]) is not None:
        record.exc_info = None
    return True


def _wait_for_loading_threads() -> None:
    # A thread of a pool that is inside torch when the interpreter ends aborts the process, with a core dump.
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):
            thread.join(_LONGEST_WAIT)
