"""Generated images on disk: 8-bit, memory-mapped, append-only, with a stated maximum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["GeneratedPool"]

GREY_LEVELS = 255
FILES = ("images.u8", "targets.f32", "labels.i64")


class GeneratedPool:
    """The images of all rounds so far with their labels, in memory-mapped files of one folder.

    Images in [0, 1] are stored as 8 bits a channel. Only ``size`` says what counts: files are written before it moves,
    so a run that is killed while appending loses that batch and nothing else, and a resumed run overwrites what its
    checkpoint does not know.

    Args:
        folder: where the files are kept; made if missing.
        capacity: largest number of images; the files are sparse, so unused room costs no disk.
        image_shape: (C, X, Y).
        target_shape: shape of one label, e.g. (K, 2).

    Raises:
        ValueError: if ``capacity`` is not positive.

    """

    def __init__(
        self, folder: str | Path, capacity: int, image_shape: tuple[int, ...], target_shape: tuple[int, ...]
    ) -> None:
        if capacity < 1:
            raise ValueError(f"The pool's capacity must be positive, got {capacity}.")
        self.folder, self.capacity = Path(folder), capacity
        self.image_shape, self.target_shape = tuple(image_shape), tuple(target_shape)
        self.size = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._images = self._map(FILES[0], np.uint8, self.image_shape)
        self._targets = self._map(FILES[1], np.float32, self.target_shape)
        self._labels = self._map(FILES[2], np.int64, (3,))  # class, index of the source sample, round

    def __len__(self) -> int:
        return self.size

    @staticmethod
    def is_in(folder: str | Path) -> bool:
        """Whether a folder holds all files of a pool."""
        return all((Path(folder) / name).is_file() for name in FILES)

    @property
    def room(self) -> int:
        """How many more images fit."""
        return self.capacity - self.size

    def append(self, images: Tensor, targets: Tensor, classes: Tensor, sources: Tensor, round_index: int) -> int:
        """Store as many of a batch as there is room for.

        Args:
            images: in [0, 1], shape (B, C, X, Y).
            targets: labels, shape (B, *target_shape).
            classes: flow classes, shape (B,).
            sources: index of the source sample of each image, shape (B,).
            round_index: the round of maximisation that made them.

        Returns:
            How many were stored.

        Raises:
            ValueError: if the shapes differ from the pool's, or the lengths from each other.

        """
        if tuple(images.shape[1:]) != self.image_shape or tuple(targets.shape[1:]) != self.target_shape:
            raise ValueError(
                f"The pool holds images {self.image_shape} with targets {self.target_shape}, got "
                f"{tuple(images.shape[1:])} with {tuple(targets.shape[1:])}."
            )
        lengths = [len(part) for part in (images, targets, classes, sources)]
        if len(set(lengths)) > 1:
            raise ValueError(
                "A batch needs a target, a class and a source for each image, got "
                "{} images with {} targets, {} classes and {} sources.".format(*lengths)
            )
        count = min(len(images), self.room)
        part = slice(self.size, self.size + count)
        levels = (images[:count].detach().cpu() * GREY_LEVELS).round().clamp(0, GREY_LEVELS)
        self._images[part] = levels.to(torch.uint8).numpy()
        self._targets[part] = targets[:count].detach().cpu().numpy()
        self._labels[part, 0] = classes[:count].cpu().numpy()
        self._labels[part, 1] = sources[:count].cpu().numpy()
        self._labels[part, 2] = round_index
        for array in (self._images, self._targets, self._labels):
            array.flush()
        self.size += count
        return count

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
        return {"size": self.size, "image_shape": list(self.image_shape), "target_shape": list(self.target_shape)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a checkpoint's size; images appended after it are forgotten.

        Raises:
            ValueError: if the checkpoint's pool had other shapes or does not fit.

        """
        shapes = (tuple(state["image_shape"]), tuple(state["target_shape"]))
        if shapes != (self.image_shape, self.target_shape):
            raise ValueError(
                f"The checkpoint's pool holds images {shapes[0]} with targets {shapes[1]}, this run's "
                f"{self.image_shape} with {self.target_shape}: resume with the same image size and landmarks."
            )
        if state["size"] > self.capacity:
            raise ValueError(
                f"The checkpoint knows {state['size']} generated images, the pool takes {self.capacity}: "
                "raise max_generated."
            )
        self.size = int(state["size"])

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.memmap:
        path = self.folder / name
        wanted = self.capacity * int(np.prod(shape)) * np.dtype(dtype).itemsize
        with open(path, "ab") as file:  # grows an existing pool whose maximum was raised, keeps what it holds
            if file.tell() < wanted:
                file.truncate(wanted)
        return np.memmap(path, dtype=dtype, mode="r+", shape=(self.capacity, *shape))
