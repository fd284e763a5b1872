"""Whose images a folder holds."""

from __future__ import annotations

from pathlib import Path

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file

__all__ = ["OWNER_FILE", "check_owner"]

OWNER_FILE = "run.txt"


def check_owner(folder: Path, run_id: str, used: bool) -> None:
    """Refuse the generated images of another run; say whose they are from now on where there are none.

    Args:
        folder: of the images.
        run_id: of the run that asks.
        used: whether there are images in the folder.

    Raises:
        ValueError: if the folder belongs to another run, or to nobody knows whom.

    """
    path = folder / OWNER_FILE
    owner = path.read_text(encoding="utf-8", errors="backslashreplace").strip() if path.is_file() else ""
    if owner == run_id:
        return
    if owner or used:
        raise UserError(
            f"The generated images in {folder} are those of {f'run {owner}' if owner else 'an unknown run'}, not of "
            f"this one ({run_id}): training on them would mix two runs. Name another output_dir; to go on with that "
            f"run, its own checkpoint and --resume True; or remove {folder}, if nobody needs them."
        )
    with whole_file(path) as partial:
        partial.write_text(run_id + "\n", encoding="utf-8")
