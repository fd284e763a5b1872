"""Copies that MONAI Label makes of what it is sent, which may be images of patients."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["dropped_if_refused", "keep_uploads_apart"]

logger = logging.getLogger(__name__)

_PREFIX = "landmarks_uploads_"
_YOUNG = 60.0  # seconds that a process may take between making a folder and locking it
_held: list[FileLock] = []


def keep_uploads_apart() -> None:
    """Let this process put its temporary files into a folder of its own, where nobody else's can be taken for them.

    The folder goes with the process. What processes that were killed could not take away is removed here.
    """
    if Path(tempfile.gettempdir()).name.startswith(_PREFIX):
        return
    _remove_abandoned(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    _held.append(FileLock(_lock_of(folder), timeout=0, thread_local=False))
    _held[-1].acquire()
    tempfile.tempdir = str(folder)
    atexit.register(_remove, folder)


def _remove_abandoned(parent: Path) -> None:
    gone = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            lock = _lock_of(folder)
            if not lock.is_file() and time.time() - folder.stat().st_mtime < _YOUNG:
                continue
            with FileLock(lock, timeout=0):
                _remove(folder)
                gone += 1
    if gone:
        logger.warning(f"Removed {gone} folders of uploads in {parent}, of servers that were killed.")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def dropped_if_refused(file: str | Path) -> Iterator[None]:
    """Remove an upload if an error ends what is done with it.

    MONAI Label's endpoints write what they receive to a temporary file, and delete that behind an answer, but not
    behind an error.

    Args:
        file: that may be such an upload; any other file stays.

    Yields:
        Nothing.

    """
    try:
        yield
    except Exception:
        path = Path(file)
        if path.parent == Path(tempfile.gettempdir()) and path.parent.name.startswith(_PREFIX):
            path.unlink(missing_ok=True)
        raise
