"""One message instead of a traceback, where an error of the user's data or arguments ends a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

__all__ = ["show_short_errors"]

PACKAGE = str(Path(__file__).resolve().parents[1])
TRACEBACK_VARIABLE = "MONAI_DEGIA_TRACEBACK"


def show_short_errors() -> None:
    """Print errors that this package raised about its input as one line, for command lines; call it from a config.

    Loaders, transforms and config parsers wrap an error in errors of their own. The line shown is that of the innermost
    one that was raised by a check of this package. Every other error keeps its traceback, and so does every error where
    the environment variable MONAI_DEGIA_TRACEBACK is set.
    """
    if os.environ.get(TRACEBACK_VARIABLE) or getattr(sys.excepthook, "shortens_errors", False):
        return
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        ours = [e for e in _chain(error) if isinstance(e, (ValueError, TypeError)) and _raised_here(e)]
        if not ours:
            previous(kind, error, traceback)
            return
        print(f"error: {ours[-1]}\n(set {TRACEBACK_VARIABLE}=1 for the traceback)", file=sys.stderr)

    hook.shortens_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _raised_here(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(PACKAGE)
