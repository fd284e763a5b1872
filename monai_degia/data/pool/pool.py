"""Generated images on disk: 8-bit, memory-mapped, append-only, with a stated maximum."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_degia.data.pool.pool_owner import check_owner
from monai_degia.errors import UserError
from monai_degia.io.files import make_folder, write_error

__all__ = ["GeneratedPool"]

GREY_LEVELS = 255
IMAGE_FILE, LABEL_FILE, COUNT_FILE = "images.u8", "labels.i64", "count.i64"
TARGET_FILES = {"float32": "targets.f32", "int64": "targets.i64", "uint8": "targets.u8"}


class GeneratedPool:
    """The images of all rounds so far with their labels, in memory-mapped files of one folder.

    Images in [0, 1] are stored as 8 bits a channel. Only ``size`` says what counts: files are written before it moves,
    so a run that is killed while appending loses that batch and nothing else, and a resumed run overwrites what its
    checkpoint does not know. A pickled pool, such as that of a loader's worker process, holds no images: it opens the
    files anew, sees what is written to them later, and counts as many images as the pool that it is a copy of.

    Args:
        folder: where the files are kept; made if missing.
        capacity: largest number of images; the files are sparse, so unused room costs no disk.
        image_shape: (C, X, Y), or (C, X, Y, Z) of volumes.
        target_shape: shape of one label, e.g. (K, 2) for landmarks, () for a class, (1, X, Y, Z) for a mask.
        target_dtype: ``float32``, ``int64`` for classes, or ``uint8`` for masks.
        run_id: of the run that the images belong to; ``None`` asks and tells nobody.

    Raises:
        ValueError: if ``capacity`` is not positive, ``target_dtype`` is another one, the folder holds images of another
            run, or the files cannot be written.

    """

    def __init__(
        self,
        folder: str | Path,
        capacity: int,
        image_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_dtype: str = "float32",
        run_id: str | None = None,
    ) -> None:
        if capacity < 1:
            raise UserError(f"The pool's capacity must be positive, got {capacity}.")
        if target_dtype not in TARGET_FILES:
            raise UserError(f"target_dtype must be one of {', '.join(TARGET_FILES)}, got {target_dtype!r}.")
        self.folder, self.capacity, self.target_dtype = Path(folder), capacity, target_dtype
        self.image_shape, self.target_shape = tuple(image_shape), tuple(target_shape)
        make_folder(self.folder)
        if run_id is not None:
            check_owner(self.folder, run_id, used=self.is_in(self.folder, target_dtype))
        self._size: int | None = 0
        for name, kind, shape in self._files():
            self._make(name, capacity * int(np.prod(shape)) * np.dtype(kind).itemsize)
        self._open()
        self.size = 0

    def _files(self) -> list[tuple[str, Any, tuple[int, ...]]]:
        """Name, type and shape of a row of each file; a row of labels is class, index of the source sample, round."""
        targets = (TARGET_FILES[self.target_dtype], np.dtype(self.target_dtype), self.target_shape)
        return [(IMAGE_FILE, np.uint8, self.image_shape), targets, (LABEL_FILE, np.int64, (3,))]

    def _open(self) -> None:
        self._images, self._targets, self._labels = (self._map(*file) for file in self._files())

    def __getstate__(self) -> dict[str, Any]:
        maps = ("_images", "_targets", "_labels")
        return {**{key: value for key, value in vars(self).items() if key not in maps}, "_size": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    @property
    def size(self) -> int:
        """Number of images; a copy from another process asks the file that the pool it is a copy of keeps."""
        if self._size is None:
            return int(np.fromfile(self.folder / COUNT_FILE, dtype=np.int64, count=1)[0])
        return self._size

    @size.setter
    def size(self, value: int) -> None:
        self._put(COUNT_FILE, 0, np.array([value], dtype=np.int64))
        self._size = int(value)

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
            images: in [0, 1], shape ``(B, *image_shape)``.
            targets: labels, shape ``(B, *target_shape)``; integers where the pool holds integers.
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
        if self.target_dtype != "float32" and targets.is_floating_point():
            raise UserError(f"The pool holds integer targets, got {targets.dtype}: they would lose their fractions.")
        if self.target_dtype == "uint8" and targets.dtype not in (torch.uint8, torch.bool):
            raise UserError(f"The pool holds targets of 8 bits, got {targets.dtype}, which may not fit.")
        lengths = [len(part) for part in (images, targets, classes, sources)]
        if len(set(lengths)) > 1:
            raise UserError(
                "A batch needs a target, a class and a source for each image, got "
                "{} images with {} targets, {} classes and {} sources.".format(*lengths)
            )
        count = len(images) if count is None else count
        if not 0 <= start <= self.capacity - count:
            raise UserError(f"The pool takes {self.capacity} images, asked to write {count} from number {start} on.")
        levels = (images[:count].detach().cpu() * GREY_LEVELS).round().clamp(0, GREY_LEVELS)
        rounds = torch.full((count,), round_index, dtype=torch.int64)
        labels = torch.stack([part[:count].cpu().long() for part in (classes, sources)] + [rounds], dim=1)
        parts = (levels.to(torch.uint8), targets[:count].detach().cpu(), labels)
        for (name, kind, _), part in zip(self._files(), parts, strict=True):
            self._put(name, start, part.numpy().astype(kind, copy=False))

    def reserve(self, count: int) -> None:
        """Ask the disk for the room of the next images before they are made, where it can be asked.

        Args:
            count: of images.

        Raises:
            WriteError: if there is no such room; the message names the file.

        """
        for name, kind, shape in self._files():
            row = int(np.prod(shape)) * np.dtype(kind).itemsize
            _reserve(self.folder / name, self.size * row, min(count, self.room) * row)

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
        """One generated sample: image ``(C, *spatial_shape)`` in [0, 1], its target, class, source index and round."""
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

    def _make(self, name: str, wanted: int) -> None:
        try:
            with open(self.folder / name, "ab") as file:  # grows a pool whose maximum was raised, keeps what it holds
                if file.tell() < wanted:
                    file.truncate(wanted)
        except OSError as error:
            raise write_error(self.folder / name, error) from error

    def _map(self, name: str, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
        return np.memmap(self.folder / name, dtype=dtype, mode="r", shape=(self.capacity, *shape))

    def _put(self, name: str, row: int, values: np.ndarray) -> None:
        """Write rows, not through the map: where the disk is full, that ends the process without a word."""
        if not len(values):
            return
        path, data = self.folder / name, memoryview(np.ascontiguousarray(values).data).cast("B")
        place = row * (len(data) // len(values))
        _reserve(path, place, len(data))
        try:
            with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
                file.seek(place)
                while data:
                    data = data[file.write(data) or 0 :]
                os.fsync(file.fileno())
        except OSError as error:
            raise write_error(path, error) from error


def _reserve(path: Path, start: int, length: int) -> None:
    if length < 1 or not path.exists() or not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), start, length)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a disk that cannot be asked
                raise write_error(path, error) from error
