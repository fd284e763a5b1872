"""Workers that do not outlive the grid that started them."""

from __future__ import annotations

import _thread
import os
import signal
import time
from multiprocessing import parent_process
from threading import Thread, main_thread

__all__ = ["end_with_parent", "leave_orphaned"]

_GRACE = 30.0  # seconds to take drafts of files away


def end_with_parent() -> None:
    """End this process soon after the one that started it, however that ends; called once in a worker.

    A grid that is killed cannot tell its workers, which would go on training while a second start trains into the same
    folders.
    """
    # A shell starts what runs in its background deaf to it, and then nothing would take drafts away.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_wait, name="end_with_parent", daemon=True).start()


def leave_orphaned() -> None:
    """End this process if the one that started it has ended: its queue still holds work, and nobody waits for it."""
    parent = parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _wait() -> None:
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    _interrupt()  # what is written is written whole or not at all
    time.sleep(_GRACE)
    os._exit(1)


def _interrupt() -> None:
    """Stop the main thread as Ctrl-C does, also while it waits."""
    if hasattr(signal, "pthread_kill") and (main := main_thread().ident) is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()
