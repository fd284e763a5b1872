"""A data set of rendered hands with exact landmarks on disk: tests, docs and the demo need no download."""

import csv
import json
import os
import re
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from monai_degia.data.hands.scene import MODALITIES, RenderedHand, check_image_size, check_modality, render_hand
from monai_degia.data.landmark_sets import HAND21

__all__ = ["MODALITIES", "render_hand", "write_synthetic_dataset"]

_FORMAT = 1  # raise it whenever the same parameters no longer give the same files
_RECORD = "synthetic.json"
_LANDMARKS = "landmarks.csv"
_OURS = re.compile(r"hand_\d{5,}\.png")


def write_synthetic_dataset(
    folder: str | os.PathLike[str],
    modality: str,
    count: int,
    image_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write rendered hands and their landmarks, or reuse what an earlier call has written.

    The folder then holds ``images/hand_00000.png`` and so on (RGB; depth: 16 bit, millimetres; X-ray: 8-bit grey),
    ``landmarks.csv`` (columns ``image``, ``modality``, ``spacing_mm``, then ``<joint>_x``, ``<joint>_y`` in ``HAND21``
    order, pixels) and ``synthetic.json``, the parameters. The same parameters give the same files. Hand i is
    ``render_hand(modality, (seed, i), image_size)``: give each modality a seed of its own unless it shall show the same
    hands.

    Args:
        folder: where to write; made if absent.
        modality: ``photo``, ``depth`` or ``xray``.
        count: number of hands.
        image_size: pixels on a side.
        seed: not negative.
        overwrite: replace a synthetic data set of other parameters, and render one of the same again.

    Returns:
        Path of ``landmarks.csv``.

    Raises:
        ValueError: if an argument is out of range, or the folder holds other data.

    """
    _check(modality, count, image_size, seed)
    folder = Path(folder).expanduser()
    wanted = {"format": _FORMAT, "modality": modality, "count": count, "image_size": image_size, "seed": seed}
    names = [f"hand_{index:05d}.png" for index in range(count)]
    if _is_finished(folder, wanted, names, overwrite):
        return folder / _LANDMARKS
    (folder / "images").mkdir(parents=True, exist_ok=True)
    # Before the first image: a run that is killed leaves a folder that the next run knows to be ours and unfinished.
    _write_record(folder, {**wanted, "complete": False})
    for stale in {name for name in _images(folder) if _OURS.fullmatch(name)} - set(names):
        (folder / "images" / stale).unlink(missing_ok=True)
    rows = []
    for index, name in enumerate(names):
        hand = render_hand(modality, (seed, index), image_size)
        _write(folder / "images" / name, partial(Image.fromarray(hand.image).save, format="PNG"))
        rows.append(_row(name, modality, hand))
    header = ["image", "modality", "spacing_mm", *(f"{joint}_{axis}" for joint in HAND21 for axis in "xy")]
    _write(folder / _LANDMARKS, lambda file: file.write(_csv_text([header, *rows]).encode("ascii")))
    _write_record(folder, {**wanted, "complete": True})
    return folder / _LANDMARKS


def _check(modality: str, count: int, image_size: int, seed: int) -> None:
    check_modality(modality)
    check_image_size(image_size)
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")


def _is_finished(folder: Path, wanted: dict[str, Any], names: list[str], overwrite: bool) -> bool:
    """Tell whether the folder holds exactly the wanted data set; raise if it holds something else."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, but a folder is needed for the data set. Choose another path.")
    found = _read_record(folder)
    if found is None:
        if (folder / _LANDMARKS).exists() or (folder / "images").exists():
            raise ValueError(
                f"{folder} holds images or landmarks, but no {_RECORD}: they are not a synthetic data set and are left "
                "as they are. Choose another folder."
            )
        return False
    complete = found.pop("complete", False)
    if overwrite:
        return False
    if found != wanted:
        keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
        differs = ", ".join(f"{key} {found.get(key)!r} instead of {wanted.get(key)!r}" for key in keys)
        raise ValueError(
            f"{folder} holds a synthetic data set of other parameters: {differs}. "
            "Choose another folder, or pass overwrite=True to replace it."
        )
    return complete is True and (folder / _LANDMARKS).is_file() and set(names) <= set(_images(folder))


def _images(folder: Path) -> list[str]:
    return [path.name for path in (folder / "images").glob("*.png")]


def _read_record(folder: Path) -> dict[str, Any] | None:
    path = folder / _RECORD
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a record of a synthetic data set. Delete it, or choose another folder.")
    return found


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    _write(folder / _RECORD, lambda file: file.write(json.dumps(record, indent=2).encode("ascii")))


def _row(name: str, modality: str, hand: RenderedHand) -> list[str]:
    return [name, modality, f"{hand.spacing_mm:.6f}", *(f"{value:.4f}" for value in np.ravel(hand.landmarks))]


def _csv_text(rows: list[list[str]]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all: under a name of this process, then moved into place."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            fill(file)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
