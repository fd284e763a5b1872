"""One message instead of a traceback, where an error of the user's data or arguments ends a command."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from multiprocessing.dummy import DummyProcess
from pathlib import Path
from types import TracebackType

__all__ = ["show_short_errors"]

PACKAGE = str(Path(__file__).resolve().parents[1])
TRACEBACK_VARIABLE = "MONAI_DEGIA_TRACEBACK"
_LONGEST_WAIT = 10.0  # seconds, for an image that is still being loaded


def show_short_errors() -> None:
    """Print errors about the user's input as one message, for command lines; call it from a config.

    Loaders, transforms and config parsers wrap an error in errors of their own. The message shown is that of the
    outermost one that was raised by a check of this package, which knows most of where it happened; failing that, of a
    file that cannot be opened, or of weights that belong to another network. Every other error keeps its traceback, and
    so does every error where the environment variable MONAI_DEGIA_TRACEBACK is set.
    """
    if os.environ.get(TRACEBACK_VARIABLE) or getattr(sys.excepthook, "shortens_errors", False):
        return
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        message = _short_message(error)
        if message is None:
            previous(kind, error, traceback)
        else:
            print(f"error: {message}\n(set {TRACEBACK_VARIABLE}=1 for the traceback)", file=sys.stderr)
        _wait_for_loading_threads()

    hook.shortens_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook
    # It logs every error of a run with its traceback, before the error comes here.
    logging.getLogger("monai.handlers.StatsHandler").addFilter(_without_traceback)


def _short_message(error: BaseException) -> str | None:
    chain = list(_chain(error))
    ours = [e for e in chain if isinstance(e, (ValueError, TypeError)) and _raised_here(e)]
    if ours:
        return str(ours[0])
    explained = [message for message in map(_explain, chain) if message is not None]
    return explained[0] if explained else None


def _explain(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, RuntimeError) and str(error).startswith("Error(s) in loading state_dict"):
        first = " ".join(str(error).split())[:160]
        return (
            "The weights belong to another network. Name the backbone, landmarks and image_size that they were trained "
            f"with. ({first} ...)"
        )
    return None


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None and _short_message(record.exc_info[1]) is not None:
        record.exc_info = None
    return True


def _wait_for_loading_threads() -> None:
    # A thread of a pool that is inside torch when the interpreter ends aborts the process, with a core dump.
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):
            thread.join(_LONGEST_WAIT)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _raised_here(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(PACKAGE)
