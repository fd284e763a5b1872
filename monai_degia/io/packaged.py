"""Folders that come with the package: inside it where it was installed, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from monai_degia.errors import UserError

__all__ = ["packaged_folder"]

_PACKAGE = Path(__file__).resolve().parents[1]


def packaged_folder(name: str) -> Path:
    """The folder ``bundle`` (configs and weights) or ``configs`` (overlays).

    Args:
        name: of the folder.

    Raises:
        ValueError: if it is not there, as in a copy of the package's modules alone.

    """
    # A checkout goes first: what was built there by an earlier packaging may be old.
    for folder in (_PACKAGE.parent / name, _PACKAGE / name):
        if (folder / "configs" / "train.json").is_file() or (name == "configs" and (folder / "method").is_dir()):
            return folder
    raise UserError(f"The folder {name} is not beside this copy of monai_degia: install it with pip.")
