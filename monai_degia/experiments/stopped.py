"""A run that was stopped on its way: whether it can go on, and from where."""

from __future__ import annotations

import shutil
from pathlib import Path

from monai_degia.engines.run_folder import RUN_FILE
from monai_degia.io.files import whole_file
from monai_degia.io.tensor_files import read_tensors

__all__ = ["TRAINING_CONFIG", "epochs_done", "start_anew"]

#: In the folder of a run: the whole config of its training.
TRAINING_CONFIG = "train.json"

_CHECKPOINT = "checkpoint.pt"


def epochs_done(folder: Path, config: str) -> tuple[int, int]:
    """How far a run of this very config has come.

    Args:
        folder: folder of the run.
        config: whole config of the training, as text.

    Returns:
        Epochs in its checkpoint, and epochs that it is to do; (0, 0) if there is nothing to go on from: no
        checkpoint, or one of a run with another config.

    """
    file, checkpoint = folder / TRAINING_CONFIG, folder / _CHECKPOINT
    if not (file.is_file() and checkpoint.is_file() and file.read_text(encoding="utf-8") == config):
        return 0, 0
    trainer = read_tensors(checkpoint, mmap=True)["trainer"]
    return trainer["iteration"] // trainer["epoch_length"], trainer["max_epochs"]


def start_anew(folder: Path, config: str) -> None:
    """Write the config that the run starts with, and leave nothing of another run beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_CHECKPOINT, "model.pt", "model.json", "flow.pt", RUN_FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "generated", ignore_errors=True)
    with whole_file(folder / TRAINING_CONFIG) as partial:
        partial.write_text(config, encoding="utf-8")
