"""Whether a training may write into a folder."""

from __future__ import annotations

from pathlib import Path

from monai_degia.errors import UserError

__all__ = ["check_training_folder"]


def check_training_folder(ckpt_dir: str | Path, resume: bool = False, weights: str = "model.pt") -> None:
    """Refuse to train into a folder that holds weights, which the first validation would overwrite.

    Args:
        ckpt_dir: where the training would write.
        resume: the training goes on with what is there.
        weights: name of the file.

    Raises:
        ValueError: if the folder holds weights and training is not resumed.

    """
    if resume or not (Path(ckpt_dir) / weights).exists():
        return
    unfinished = (Path(ckpt_dir) / "checkpoint.pt").is_file()
    cure = "add --resume True to go on with that training, or " if unfinished else ""
    raise UserError(
        f"{Path(ckpt_dir) / weights} is there already, and training would overwrite it: {cure}name another folder with "
        "--ckpt_dir FOLDER."
    )
