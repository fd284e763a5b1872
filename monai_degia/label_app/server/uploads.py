"""Copies that MONAI Label makes of what it is sent, which may be images of patients."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["dropped_if_refused", "keep_uploads_apart"]

_PREFIX = "landmarks_uploads_"


def keep_uploads_apart() -> None:
    """Let this process put its temporary files into a folder of its own, where nobody else's can be taken for them."""
    if not Path(tempfile.gettempdir()).name.startswith(_PREFIX):
        tempfile.tempdir = tempfile.mkdtemp(prefix=_PREFIX)


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
