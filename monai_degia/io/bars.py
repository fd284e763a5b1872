"""Progress bars that nothing is glued to: on terminals alone, behind a second of work, and beneath what is logged."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

__all__ = ["WorkBar", "close_bars"]

#: Seconds of work that need no bar.
QUIET_SECONDS = 1.0


class WorkBar(tqdm):
    """A bar of tqdm that goes away when the work is done, and is not drawn where it would be in the way.

    There is none in a pipe, a file or a notebook, and none for work that takes less than a second. While it is open,
    what the root logger writes to the screen goes above it.

    Args:
        hidden: draw none; default: none where standard error is no terminal.
        **options: of tqdm.

    """

    def __init__(self, *args: Any, hidden: bool | None = None, **options: Any) -> None:
        self._holds_logs = False
        how = {"leave": False, "dynamic_ncols": True, "delay": QUIET_SECONDS, "disable": hidden}
        super().__init__(*args, **{**how, **options})
        if not self.disable:
            self._holds_logs = True
            _logs.enter()

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw it, unless a second has not passed: a line of the log makes tqdm draw all bars anew."""
        if self.format_dict["elapsed"] < QUIET_SECONDS:
            return None
        # What has been drawn must be wiped away at the end, and this is where tqdm looks for that.
        self.last_print_t = max(self.last_print_t, self.start_t + QUIET_SECONDS)
        return super().display(msg, pos)

    def close(self) -> None:
        """Wipe it away; the log is written as before when the last bar is closed."""
        super().close()
        if self._holds_logs:
            self._holds_logs = False
            _logs.leave()


def close_bars() -> None:
    """Close all bars that are open, before a message ends the process."""
    for bar in list(getattr(WorkBar, "_instances", ())):
        if isinstance(bar, WorkBar):
            bar.close()


class _LogsAboveBars:
    """tqdm's redirection of the log, for as long as any bar is open."""

    def __init__(self) -> None:
        self._lock, self._open, self._stack = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._open == 0:
                self._stack.enter_context(logging_redirect_tqdm())
            self._open += 1

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._stack.close()


_logs = _LogsAboveBars()
