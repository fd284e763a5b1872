"""A data set of rendered hands with exact landmarks on disk: tests, docs and the demo need no download."""

import csv
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered.scene import (
    MODALITIES,
    RenderedHand,
    check_image_size,
    check_modality,
    render_faded_hand,
    render_hand,
)
from monai_degia.data.rendered.settings import check_setting
from monai_degia.errors import UserError
from monai_degia.io.bars import WorkBar
from monai_degia.io.files import whole_file

__all__ = ["MODALITIES", "render_hand", "write_synthetic_dataset"]

# Raise one whenever the same parameters no longer give the same files.
_FORMATS = {"studio": 1, "anywhere": 2}
_RECORD = "synthetic.json"
_LANDMARKS = "landmarks.csv"
_OURS = re.compile(r"hand_\d{5,}\.png")
_PHOTOGRAPHS = (".jpg", ".jpeg", ".png")


def write_synthetic_dataset(
    folder: str | os.PathLike[str],
    modality: str,
    count: int,
    image_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
    setting: str = "studio",
    background_dir: str | os.PathLike[str] | None = None,
    faded: bool = False,
    num_workers: int = 0,
) -> Path:
    """Write rendered hands and their landmarks, or reuse what an earlier call has written.

    The folder then holds ``images/hand_00000.png`` and so on (RGB; depth: 16 bit, millimetres; X-ray: 8-bit grey),
    ``landmarks.csv`` (columns ``image``, ``modality``, ``spacing_mm``, ``thumb_on_right`` where not all are, then
    ``<joint>_x``, ``<joint>_y`` in ``HAND21`` order, pixels) and ``synthetic.json``, the parameters. The same
    parameters give the same files. Hand i is ``render_hand(modality, (seed, i), image_size, setting)``: give each
    modality a seed of its own unless it shall show the same hands.

    Args:
        folder: where to write; made if absent.
        modality: ``photo``, ``depth`` or ``xray``.
        count: number of hands.
        image_size: pixels on a side.
        seed: not negative.
        overwrite: replace a synthetic data set of other parameters, and render one of the same again.
        setting: ``studio`` or ``anywhere``, see :func:`render_hand`.
        background_dir: folder of photographs (JPEG or PNG) to cut half of the backgrounds from; for photographs in the
            setting ``anywhere``.
        faded: write :func:`render_faded_hand`, photographs whose brightness follows the thickness of the flesh; a shift
            to validate with, never to train on.
        num_workers: processes that render beside this one.

    Returns:
        Path of ``landmarks.csv``.

    Raises:
        ValueError: if an argument is out of range, or the folder holds other data.

    """
    _check(modality, count, image_size, seed)
    check_setting(setting)
    if faded and modality != "photo":
        raise UserError(f"faded hands are photographs, modality is {modality!r}.")
    photographs = _photographs(background_dir, modality, setting)
    folder = Path(folder).expanduser()
    wanted = {"format": _FORMATS[setting], "modality": modality, "count": count, "image_size": image_size, "seed": seed}
    if setting != "studio":
        wanted |= {"setting": setting, "background_dir": None if background_dir is None else str(background_dir)}
    if faded:
        wanted["faded"] = True
    names = [f"hand_{index:05d}.png" for index in range(count)]
    if _is_finished(folder, wanted, names, overwrite):
        return folder / _LANDMARKS
    (folder / "images").mkdir(parents=True, exist_ok=True)
    # Before the first image: a run that is killed leaves a folder that the next run knows to be ours and unfinished.
    _write_record(folder, {**wanted, "complete": False})
    for stale in {name for name in _images(folder) if _OURS.fullmatch(name)} - set(names):
        (folder / "images" / stale).unlink(missing_ok=True)
    hands = _HandFiles(folder / "images", names, modality, seed, image_size, setting, photographs, faded)
    loader = DataLoader(hands, batch_size=None, num_workers=num_workers)
    rows = list(WorkBar(loader, desc=f"render {folder.name}", unit="hand"))
    columns = ["image", "modality", "spacing_mm", *([] if setting == "studio" else ["thumb_on_right"])]
    header = [*columns, *(f"{joint}_{axis}" for joint in HAND21 for axis in "xy")]
    with whole_file(folder / _LANDMARKS) as partial:
        partial.write_bytes(_csv_text([header, *rows]).encode("ascii"))
    _write_record(folder, {**wanted, "complete": True})
    return folder / _LANDMARKS


@dataclass(frozen=True)
class _HandFiles(Dataset):
    """Rows of the annotation file; asking for one renders and writes its image."""

    folder: Path
    names: list[str]
    modality: str
    seed: int
    image_size: int
    setting: str
    photographs: Sequence[Path]
    faded: bool

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> list[str]:
        seeds = (self.seed, index)
        if self.faded:
            hand = render_faded_hand(seeds, self.image_size, self.setting)
        else:
            hand = render_hand(self.modality, seeds, self.image_size, self.setting, self.photographs)
        with whole_file(self.folder / self.names[index]) as partial:
            Image.fromarray(hand.image).save(partial, format="PNG")
        side = [] if self.setting == "studio" else [str(int(hand.thumb_on_right))]
        return _row(self.names[index], self.modality, hand, side)


def _photographs(folder: str | os.PathLike[str] | None, modality: str, setting: str) -> list[Path]:
    if folder is None:
        return []
    if (modality, setting) != ("photo", "anywhere"):
        raise UserError(f"background_dir is for photographs in the setting 'anywhere', not {modality} in {setting!r}.")
    found = sorted(path for path in Path(folder).expanduser().glob("*") if path.suffix.lower() in _PHOTOGRAPHS)
    if not found:
        raise UserError(f"{folder} holds no photograph ({', '.join(_PHOTOGRAPHS)}). Name a folder of photographs.")
    return found


def _check(modality: str, count: int, image_size: int, seed: int) -> None:
    check_modality(modality)
    check_image_size(image_size)
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise UserError(f"{name} must be an integer of at least {least}, got {value!r}.")


def _is_finished(folder: Path, wanted: dict[str, Any], names: list[str], overwrite: bool) -> bool:
    """Tell whether the folder holds exactly the wanted data set; raise if it holds something else."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, but a folder is needed for the data set. Choose another path.")
    found = _read_record(folder)
    if found is None:
        if (folder / _LANDMARKS).exists() or (folder / "images").exists():
            raise UserError(
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
        raise UserError(
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
        raise UserError(f"{path} is not a record of a synthetic data set. Delete it, or choose another folder.")
    return found


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    with whole_file(folder / _RECORD) as partial:
        partial.write_bytes(json.dumps(record, indent=2).encode("ascii"))


def _row(name: str, modality: str, hand: RenderedHand, side: list[str]) -> list[str]:
    return [name, modality, f"{hand.spacing_mm:.6f}", *side, *(f"{value:.4f}" for value in np.ravel(hand.landmarks))]


def _csv_text(rows: list[list[str]]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
