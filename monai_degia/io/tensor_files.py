"""Files of tensors, as ``torch.save`` writes them: whole and harmless, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from monai_degia.errors import UserError

__all__ = ["read_tensors"]


def read_tensors(path: str | Path, map_location: Any = "cpu", mmap: bool = False) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote, without running code from it.

    Args:
        path: of the file.
        map_location: device to load to.
        mmap: leave the numbers in the file until they are asked for.

    Returns:
        Its content, a mapping from names.

    Raises:
        ValueError: if the file is missing, damaged, or holds something else.

    """
    try:
        content = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except Exception as error:  # of a damaged file torch raises whatever its parts raise
        first = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path} cannot be read: it is damaged, or was not written by torch.save with tensors and plain values "
            f"alone ({type(error).__name__}: {first}). Copy it anew."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UserError(f"{path} holds no tensors by name but a {type(content).__name__}. Name another file.")
    return content
