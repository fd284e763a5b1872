"""Files that are written whole or not at all, and their names as text."""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monai_degia.errors import UserError, WriteError

__all__ = ["make_folder", "printable", "remove_drafts", "remove_drafts_of_the_dead", "whole_file", "write_error"]

_PROBE = bytes(1 << 16)
_DRAFT = re.compile(r"\.[0-9a-f]{8}\.(?P<process>\d{1,9})\.partial(\.|$)")  # what ``_draft`` makes
_CAUSES = {
    errno.ENOSPC: "the disk is full. Free some space, or name a folder on another disk",
    errno.EDQUOT: "the disk quota is used up. Free some space, or name a folder on another disk",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EROFS: "the disk is read-only. Name a folder elsewhere",
    errno.EACCES: "there is no permission to write there. Name another folder, or change its permissions",
    errno.EPERM: "there is no permission to write there. Name another folder, or change its permissions",
    errno.EISDIR: "there is a folder of that name. Move it away, or name another file",
    errno.EEXIST: "a file lies where a folder is needed. Move it away, or name another folder",
    errno.ENOTDIR: "a file lies where a folder is needed. Move it away, or name another folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk does not answer properly (input/output error)",
}


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    The folder is made if missing. The temporary name keeps the suffix, which many writers read the format from, and is
    short whatever the name is: that one may have all the characters that a disk allows.

    Raises:
        WriteError: if it cannot be written; the message names ``path`` and the cause, and nothing is left of the draft.

    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise write_error(path, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))
    partial = path.with_name(_draft(path, str(os.getpid())))
    try:
        yield partial
        os.replace(partial, path)
    except Exception as error:
        cause = _cause(error, path, partial)
        if cause is None:
            raise
        raise write_error(path, cause) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def make_folder(folder: str | Path) -> Path:
    """Make a folder and those above it.

    Raises:
        WriteError: if that cannot be done.

    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder


def write_error(target: str | Path, cause: OSError) -> WriteError:
    """The error for a file or folder that cannot be written, which names it and says why."""
    reason = _CAUSES.get(cause.errno or 0) or cause.strerror or str(cause)
    return WriteError(f"Cannot write {target}: {reason}.")


def remove_drafts(path: str | Path) -> None:
    """Remove what processes that were killed while they wrote a file have left beside it.

    Only for whoever holds the folder: a process that is writing the file loses its draft.
    """
    path = Path(path)
    for draft in path.parent.glob(_draft(path, "*")):
        with suppress(OSError):
            draft.unlink()


def remove_drafts_of_the_dead(folder: str | Path) -> None:
    """Remove, below a folder, what processes that do not live any more have left of files that they were writing.

    What a living process of this machine writes stays. On systems other than POSIX, where nobody tells, all stays.
    """
    with suppress(OSError):  # of a folder that somebody removes meanwhile
        for draft in list(Path(folder).rglob(".*.partial*")):
            found = _DRAFT.match(draft.name)
            if found and not _lives(int(found["process"])):
                with suppress(OSError):
                    draft.unlink()


def _lives(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)  # signal 0 asks, and does nothing
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def _draft(path: Path, process: str) -> str:
    return f".{zlib.crc32(os.fsencode(path.name)):08x}.{process}.partial{path.suffix}"


def _cause(error: BaseException, path: Path, partial: Path) -> OSError | None:
    """What kept the file from being written; ``None`` if the error is about something else."""
    if isinstance(error, UserError):
        return None
    ours = {None, *(os.fspath(place) for place in (path, partial, path.parent))}
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in _CAUSES:
            return link if link.filename in ours else None
        link = link.__cause__ or link.__context__
    return _probe(partial) if isinstance(error, RuntimeError) else None


def _probe(partial: Path) -> OSError | None:
    """Whether no more can be written: writers in other languages, such as torch's, do not say why they fail."""
    try:
        with partial.open("ab") as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def printable(name: str) -> str:
    """A file name as text that every file and terminal takes: bytes of a name that are not UTF-8 become escapes.

    Args:
        name: as the operating system gives it.

    Returns:
        The same for all names in UTF-8.

    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
