"""Whose folders these are: a run holds those that it writes into, and no other run gets them."""

from __future__ import annotations

import json
import os
import socket
import uuid
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monai_degia.data.pool.pool import IMAGE_FILE
from monai_degia.data.pool.pool_owner import OWNER_FILE
from monai_degia.engines.ranks import is_first_rank
from monai_degia.errors import UserError
from monai_degia.io.files import make_folder, remove_drafts, whole_file, write_error

__all__ = ["CHECKPOINT", "RUN_FILE", "check_training_folder", "claim_run", "hold_folder", "mark_run"]
__all__ += ["no_checkpoint", "release_run", "run_of"]

CHECKPOINT = "checkpoint.pt"
#: In the folders of a run: which one it is, and who is running it.
RUN_FILE = "run.json"
_LOCK = ".run.lock"
_MARK = "run "
_locks: dict[Path, FileLock] = {}


def check_training_folder(
    ckpt_dir: str | Path,
    resume: bool = False,
    weights: str = "model.pt",
    options: tuple[str, str] = ("--resume True", "--ckpt_dir"),
) -> None:
    """Refuse to train into a folder that holds weights or a checkpoint, which would be overwritten.

    Args:
        ckpt_dir: where the training would write.
        resume: the training goes on with what is there.
        weights: name of the file.
        options: how the command line says to resume, and names the folder; for the message.

    Raises:
        ValueError: if the folder holds such files and training is not resumed.

    """
    unfinished = (Path(ckpt_dir) / CHECKPOINT).is_file()
    if resume or not (unfinished or (Path(ckpt_dir) / weights).exists()):
        return
    cure = f"add {options[0]} to go on with that training, or " if unfinished else ""
    there = weights if (Path(ckpt_dir) / weights).exists() else CHECKPOINT
    raise UserError(
        f"{Path(ckpt_dir) / there} is there already, and training would overwrite it: {cure}name another folder with "
        f"{options[1]} FOLDER."
    )


def claim_run(output_dir: str | Path, ckpt_dir: str | Path, resume: bool = False) -> str | None:
    """Take the folders of a run, for as long as this process lives or until :func:`release_run`.

    A folder has one owner: the run whose id is in its ``run.json``, in the folder of its generated images and in its
    checkpoint. A new run takes folders that hold nothing of another one that could be gone on with; a resumed run takes
    those of its checkpoint. A lock, which the operating system drops with the process that held it, keeps two processes
    from writing into one folder at a time.

    Args:
        output_dir: for reports and generated images.
        ckpt_dir: for checkpoint and weights; may be the same.
        resume: go on with the run whose checkpoint is in ``ckpt_dir``.

    Returns:
        Id of the run; ``None`` where several processes train and this is not the first, which holds the folders for
        all.

    Raises:
        ValueError: if another process is writing into a folder, it belongs to another run, there is no checkpoint to
            resume, or a folder cannot be written. The message says what to do.

    """
    check_training_folder(ckpt_dir, resume)
    if not is_first_rank():
        return None
    output, checkpoints = Path(output_dir).resolve(), Path(ckpt_dir).resolve()
    folders = {"output_dir": output, "ckpt_dir": checkpoints}
    if resume and not (checkpoints / CHECKPOINT).is_file():
        raise no_checkpoint(Path(ckpt_dir) / CHECKPOINT)
    for option, folder in folders.items():
        hold_folder(folder, option)
    run_id = _resumed(folders) if resume else _new(folders)
    record = {
        "run": run_id,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        **{option: str(folder) for option, folder in folders.items()},
    }
    for folder in {*folders.values()}:
        with whole_file(folder / RUN_FILE) as partial:
            partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name in (CHECKPOINT, "model.pt", "flow.pt"):
        remove_drafts(checkpoints / name)
    return run_id


def release_run() -> None:
    """Let go of all folders that this process holds: its run has ended."""
    while _locks:
        _locks.popitem()[1].release(force=True)


def no_checkpoint(path: Path) -> UserError:
    """The error for a run that cannot be resumed."""
    return UserError(
        f"No checkpoint to resume from at {path.resolve()}: name the folder of a run that was started before, or start "
        "anew without resume."
    )


def hold_folder(folder: str | Path, option: str = "output_dir") -> None:
    """Lock a folder for this process until :func:`release_run`; a folder that it holds already stays so.

    Args:
        folder: made if missing.
        option: that names another one, for the message.

    Raises:
        ValueError: if another process holds it, or it cannot be written.

    """
    folder = make_folder(Path(folder).resolve())
    if folder in _locks:  # this process had a run here, which has ended, by whatever error
        return
    lock = FileLock(folder / _LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        record = _record(folder)
        who = "process {process} on {host}, since {started}".format(**record) if record else "another process"
        raise UserError(
            f"Another run is writing into {folder} ({who}), and the two would overwrite each other's files: wait for "
            f"it, stop it, or name another folder with --{option} FOLDER."
        ) from None
    except OSError as error:
        raise write_error(folder / _LOCK, error) from error
    _locks[folder] = lock


def _new(folders: dict[str, Path]) -> str:
    for option, folder in folders.items():
        record = _record(folder)
        left = _left(folder, record)
        if left is not None:
            whose = "run {run}, started {started}".format(**record) if record else "an unknown run"
            cure = "" if record is None else _resume_cure(record)
            raise UserError(
                f"{folder} belongs to another run ({whose}), which has left {left}: a new run would mix its files with "
                f"those. {cure}Name another folder with --{option} FOLDER, or remove that one if nobody needs it."
            )
    return uuid.uuid4().hex


def _resume_cure(record: dict[str, Any]) -> str:
    folders = f"--output_dir {record['output_dir']} --ckpt_dir {record['ckpt_dir']}"
    return f"Go on with that run by --resume True {folders}. "


def _left(folder: Path, record: dict[str, Any] | None) -> Path | None:
    """What a run would lose if another one took its folder."""
    places = [file.parent for name in (OWNER_FILE, IMAGE_FILE) for file in sorted(folder.glob(f"*/{name}"))]
    if record is not None:
        checkpoint = Path(record["ckpt_dir"]) / CHECKPOINT
        if checkpoint.is_file() and run_of(checkpoint) == record["run"]:
            places.append(checkpoint)
    return places[0] if places else None


def _resumed(folders: dict[str, Path]) -> str:
    checkpoint = folders["ckpt_dir"] / CHECKPOINT
    run_id = run_of(checkpoint)
    if run_id is None:
        raise UserError(f"{checkpoint} does not say which run it belongs to, so it cannot be gone on with: start anew.")
    for option, folder in folders.items():
        record = _record(folder)
        if record is not None and record["run"] != run_id:
            raise UserError(
                f"{folder} belongs to run {record['run']}, started {record['started']}, but the checkpoint "
                f"{checkpoint} to run {run_id}: a run can only go on with its own images. Name its folder with "
                f"--{option} FOLDER."
            )
    return run_id


def _record(folder: Path) -> dict[str, Any] | None:
    path = folder / RUN_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(record[key]) for key in ("run", "started", "host", "process", "output_dir", "ckpt_dir")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): move {folder} away, or name another folder.") from None


def mark_run(checkpoint: Path, run_id: str) -> None:
    """Write into a checkpoint which run it belongs to.

    It is the comment of the file's zip archive and no part of the state: two runs that computed the same have the same
    state, and nothing has to be loaded to tell whose it is.
    """
    with zipfile.ZipFile(checkpoint, "a") as archive:
        archive.comment = f"{_MARK}{run_id}".encode()


def run_of(checkpoint: Path) -> str | None:
    """Id of the run that a checkpoint belongs to; ``None`` if it does not say.

    Raises:
        ValueError: if the file is damaged.

    """
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            comment = archive.comment.decode(errors="replace")
    except Exception as error:  # zipfile raises whatever a damaged directory makes it
        raise UserError(f"The checkpoint {checkpoint} cannot be read ({error}): move it away.") from None
    return comment.removeprefix(_MARK) if comment.startswith(_MARK) else None
