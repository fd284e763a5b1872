"""HDF5 files, of which any part may be damaged: h5py finds out where it happens to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_degia.errors import MissingExtraError, UserError

__all__ = ["open_hdf5"]


@contextmanager
def open_hdf5(path: Path, extra: str) -> Iterator[Any]:
    """Open a file to look into it.

    Args:
        path: of the file.
        extra: of this package that brings h5py, for the message.

    Yields:
        The ``h5py.File``.

    Raises:
        ValueError: if h5py fails at the file, be it within the block.
        ImportError: if h5py is missing.

    """
    try:
        import h5py  # here and not above: it takes long to load, and few need it
    except ImportError as error:
        raise MissingExtraError(f"{path} needs h5py to be read: pip install monai_degia[{extra}].") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except UserError:
        raise
    except Exception as error:  # one of many kinds, by the part that is damaged
        raise UserError(
            f"{path} is no HDF5 file, or truncated or damaged ({' '.join(str(error).split())[:200]})."
        ) from error
