"""Generated images on disk: 8-bit, memory-mapped, append-only, with a stated maximum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["GeneratedPool"]

GREY_LEVELS = 255
IMAGE_FILE, LABEL_FILE = "images.u8", "labels.i64"
TARGET_FILES = {"float32": "targets.f32", "int64": "targets.i64"}


class GeneratedPool:
    """The images of all rounds so far with their labels, in memory-mapped files of one folder.

    Images in [0, 1] are stored as 8 bits a channel. Only ``size`` says what counts: files are written before it moves,
    so a run that is killed while appending loses that batch and nothing else, and a resumed run overwrites what its
    checkpoint does not know.

    Args:
        folder: where the files are kept; made if missing.
        capacity: largest number of images; the files are sparse, so unused room costs no disk.
        image_shape: (C, X, Y).
        target_shape: shape of one label, e.g. (K, 2) for landmarks, () for a class.
        target_dtype: ``float32``, or ``int64`` for classes.

    Raises:
        ValueError: if ``capacity`` is not positive, or ``target_dtype`` is another one.

    """

    def __init__(
        self,
        folder: str | Path,
        capacity: int,
        image_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_dtype: str = "float32",
    ) -> None:
        if capacity < 1:
            raise UserError(f"The pool's capacity must be positive, got {capacity}.")
        if target_dtype not in TARGET_FILES:
            raise UserError(f"target_dtype must be one of {', '.join(TARGET_FILES)}, got {target_dtype!r}.")
        self.folder, self.capacity, self.target_dtype = Path(folder), capacity, target_dtype
        self.image_shape, self.target_shape = tuple(image_shape), tuple(target_shape)
        self.size = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self._images = self._map(IMAGE_FILE, np.uint8, self.image_shape)
        self._targets = self._map(TARGET_FILES[self.target_dtype], np.dtype(self.target_dtype), self.target_shape)
        self._labels = self._map(LABEL_FILE, np.int64, (3,))  # class, index of the source sample, round

    def __len__(self) -> int:
        return self.size

    @staticmethod
    def is_in(folder: str | Path, target_dtype: str = "float32") -> bool:
        """Whether a folder holds all files of a pool with labels of that type."""
        names = (IMAGE_FILE, TARGET_FILES.get(target_dtype, ""), LABEL_FILE)
        return all((Path(folder) / name).is_file() for name in names)

    @property
    def room(self) -> int:
        """How many more images fit."""
        return self.capacity - self.size

    def append(self, images: Tensor, targets: Tensor, classes: Tensor, sources: Tensor, round_index: int) -> int:
        """Store as many of a batch as there is room for.

        Args:
            images: in [0, 1], shape (B, C, X, Y).
            targets: labels, shape (B, ...) like the target; integers where the pool holds integers.
            classes: flow classes, shape (B,).
            sources: index of the source sample of each image, shape (B,).
            round_index: the round of maximisation that made them.

        Returns:
            How many were stored.

        Raises:
            ValueError: if the shapes differ from the pool's, or the lengths from each other.
            TypeError: if fractional labels are given to a pool of integers.

        """
        count = min(len(images), self.room)
        self.write(self.size, images, targets, classes, sources, round_index, count)
        self.size += count
        return count

    def write(
        self,
        start: int,
        images: Tensor,
        targets: Tensor,
        classes: Tensor,
        sources: Tensor,
        round_index: int,
        count: int | None = None,
    ) -> None:
        """Put a batch, or its first ``count`` images, at a place of its own; they count once :meth:`extend` says so.

        Several processes that share the folder may write to places that do not overlap. Arguments and errors are those
        of :meth:`append`.

        Raises:
            ValueError: also if the place lies beyond the capacity.

        """
        if tuple(images.shape[1:]) != self.image_shape or tuple(targets.shape[1:]) != self.target_shape:
            raise UserError(
                f"The pool holds images {self.image_shape} with targets {self.target_shape}, got "
                f"{tuple(images.shape[1:])} with {tuple(targets.shape[1:])}."
            )
        if self.target_dtype == "int64" and targets.is_floating_point():
            raise UserError(f"The pool holds integer targets, got {targets.dtype}: they would lose their fractions.")
        lengths = [len(part) for part in (images, targets, classes, sources)]
        if len(set(lengths)) > 1:
            raise UserError(
                "A batch needs a target, a class and a source for each image, got "
                "{} images with {} targets, {} classes and {} sources.".format(*lengths)
            )
        count = len(images) if count is None else count
        if not 0 <= start <= self.capacity - count:
            raise UserError(f"The pool takes {self.capacity} images, asked to write {count} from number {start} on.")
        part = slice(start, start + count)
        levels = (images[:count].detach().cpu() * GREY_LEVELS).round().clamp(0, GREY_LEVELS)
        self._images[part] = levels.to(torch.uint8).numpy()
        self._targets[part] = targets[:count].detach().cpu().numpy()
        self._labels[part, 0] = classes[:count].cpu().numpy()
        self._labels[part, 1] = sources[:count].cpu().numpy()
        self._labels[part, 2] = round_index
        for array in (self._images, self._targets, self._labels):
            array.flush()

    def extend(self, sources: Sequence[int]) -> None:
        """Count the images that were written behind the last one, on this process or another that shares the folder.

        Args:
            sources: index of the source sample of each of them.

        Raises:
            ValueError: if they are not there, as where each machine has a folder of its own.

        """
        self._open()  # a network file system shows what others wrote to files that are opened after that
        found = self._labels[self.size : self.size + len(sources), 1]
        if len(found) != len(sources) or not np.array_equal(found, np.asarray(sources, dtype=np.int64)):
            raise UserError(
                f"The images of this round are not all in {self.folder}: where several processes train, they need one "
                "folder that all of them see. Set output_dir to a folder on a file system that they share."
            )
        self.size += len(sources)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One generated sample: image (C, X, Y) in [0, 1], its target, class, source index and round."""
        if not 0 <= index < self.size:
            raise IndexError(f"The pool holds {self.size} images, asked for number {index}.")
        return {
            "image": torch.from_numpy(self._images[index].astype(np.float32) / GREY_LEVELS),
            "target": torch.from_numpy(np.array(self._targets[index])),
            "class": int(self._labels[index, 0]),
            "source": int(self._labels[index, 1]),
            "round": int(self._labels[index, 2]),
        }

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold; the images stay in their files."""
        return {
            "size": self.size,
            "image_shape": list(self.image_shape),
            "target_shape": list(self.target_shape),
            "target_dtype": self.target_dtype,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a checkpoint's size; images appended after it are forgotten.

        Raises:
            ValueError: if the checkpoint's pool had other shapes or labels of another type, or does not fit.

        """
        target_dtype = state.get("target_dtype", "float32")  # checkpoints of landmark runs may not name it
        if target_dtype != self.target_dtype:
            raise UserError(
                f"The checkpoint's pool holds targets of {target_dtype}, this run's of {self.target_dtype}: resume "
                "with the configs that the run was started with."
            )
        shapes = (tuple(state["image_shape"]), tuple(state["target_shape"]))
        if shapes != (self.image_shape, self.target_shape):
            raise UserError(
                f"The checkpoint's pool holds images {shapes[0]} with targets {shapes[1]}, this run's "
                f"{self.image_shape} with {self.target_shape}: resume with the same image size and labels."
            )
        if state["size"] > self.capacity:
            raise UserError(
                f"The checkpoint knows {state['size']} generated images, the pool takes {self.capacity}: "
                "raise max_generated."
            )
        self.size = int(state["size"])

    def _map(self, name: str, dtype: type | np.dtype, shape: tuple[int, ...]) -> np.memmap:
        path = self.folder / name
        wanted = self.capacity * int(np.prod(shape)) * np.dtype(dtype).itemsize
        with open(path, "ab") as file:  # grows an existing pool whose maximum was raised, keeps what it holds
            if file.tell() < wanted:
                file.truncate(wanted)
        return np.memmap(path, dtype=dtype, mode="r+", shape=(self.capacity, *shape))
