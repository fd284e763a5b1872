"""Which folder a file really lies in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["is_there", "lies_in"]


def lies_in(path: str | Path, folders: Iterable[str | Path]) -> bool:
    """Whether a path leads into one of several folders, wherever ``..`` and links on the way go.

    Folders count by where they really are, too: one that is itself a link to another disk holds what lies there.
    """
    real = os.path.realpath(path)
    return any(real.startswith(os.path.join(os.path.realpath(folder), "")) for folder in folders)


def is_there(path: str | Path) -> bool:
    """Whether there is a file of that name; a name that no disk takes is none."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False
