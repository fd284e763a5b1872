"""The growing training set: source samples, cached, and generated samples, on disk, behind one dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Randomizable
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from monai_degia.data.pool.patches import PatchCutter
from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.data.pool.reading import ReadOnceDataset
from monai_degia.data.pool.seeds import derive_seed
from monai_degia.errors import UserError

__all__ = ["GrowingDataset", "SourceView"]

Pipeline = Callable[[Any], Any]


class GrowingDataset(Dataset, Randomizable):
    """Source samples followed by all generated samples; both pass the same random augmentation.

    Args:
        data: list of source samples.
        transform: deterministic pipeline of a source sample, from file to an image (C, X, Y), or a volume (C, X, Y, Z),
            of the network's size, with landmarks in its pixels, a class or a mask. It runs once a sample: the results
            are cached.
        augmentation: random pipeline of every sample drawn, source and generated alike; images come to it with their
            affine. Without one, batches hold plain tensors, which takes a fraction of the time for small images.
        patches: cuts a patch of one size out of image and label of a source sample, e.g. MONAI's
            ``RandCropByPosNegLabeld`` or ``RandSpatialCropSamplesd`` with one patch a sample: anew for each draw, and
            before an ascent, whose images are then patches, too. ``None`` keeps whole images.
        pool_dir: folder of the generated images; ``None`` keeps the dataset at its source samples.
        max_generated: largest number of generated images.
        target_key: key of the labels that generated images inherit: landmarks, classes as integers, or masks as
            ``uint8``.
        cache_rate: share of the source samples to keep in memory.
        num_workers: threads that read; default: as many as torch computes with.
        progress: show a bar while files are read, where there is a terminal.
        cache_dir: folder that keeps the source samples for later runs, see :class:`ReadOnceDataset`.
        on_error: ``fail`` or ``skip``, for source samples that cannot be read, see :class:`ReadOnceDataset`.
        run_id: of the run, see :func:`monai_degia.claim_run`: images of another one in ``pool_dir`` are refused.

    Attributes:
        rounds: rounds of maximisation done.

    Raises:
        ValueError: if ``data`` is empty.

    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Sequence[Pipeline] | Pipeline = (),
        augmentation: Sequence[Pipeline] | Pipeline = (),
        pool_dir: str | Path | None = None,
        max_generated: int = 20000,
        target_key: str = "landmarks",
        cache_rate: float = 1.0,
        num_workers: int | None = None,
        progress: bool = False,
        cache_dir: str | Path | None = None,
        on_error: str = "fail",
        run_id: str | None = None,
        patches: Pipeline | None = None,
    ) -> None:
        if len(data) == 0:
            raise UserError("The training set is empty: the data list holds no sample. Check its path and its filters.")
        self.source = ReadOnceDataset(data, transform, cache_dir, cache_rate, num_workers, progress, on_error)
        self.augmentation = Compose(augmentation).flatten()
        self.pool_dir, self.max_generated, self.target_key = pool_dir, max_generated, target_key
        self.run_id = run_id
        self.patches = None if patches is None else PatchCutter(patches, target_key)
        self.pool: GeneratedPool | None = None
        self.rounds = 0

    @property
    def data(self) -> Sequence[dict[str, Any]]:
        """The list of source samples."""
        return self.source.data

    @property
    def num_source(self) -> int:
        """Number of source samples; generated ones follow them."""
        return len(self.source)

    @property
    def source_weights(self) -> list[float] | None:
        """How often each source sample is drawn compared with the others; ``None`` if the list has no weights."""
        if not any("weight" in item for item in self.data):
            return None
        return [float(item.get("weight", 1.0)) for item in self.data]

    @property
    def num_generated(self) -> int:
        """Number of generated samples so far."""
        return 0 if self.pool is None else len(self.pool)

    @property
    def room(self) -> int:
        """How many more generated images fit."""
        return self.max_generated - self.num_generated

    def __len__(self) -> int:
        return self.num_source + self.num_generated

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.plain_sample(index)
        return self.augmentation(sample if self.patches is None else self.patches(sample))

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The samples of one batch, as torch's loaders ask for them; to be collated, not to be written into."""
        if self.augmentation.transforms or self.patches is not None:
            return [self[index] for index in indices]
        return [self.bare_sample(index) for index in indices]

    def plain_sample(self, index: int) -> dict[str, Any]:
        """The sample before augmentation: image, target, class, and whether an ascent has generated it."""
        sample = self._kept(index)
        image = sample["image"]
        # A cached sample is one object for the whole run: what follows must not write into it. Not deepcopy, which
        # copies all of the memory that a tensor is a view of, be it one image or the whole set.
        if isinstance(image, MetaTensor):
            image = image.clone()
        else:
            image = MetaTensor(torch.as_tensor(image).clone(), affine=torch.eye(4, dtype=torch.float64))
        return {**sample, "image": image, self.target_key: sample[self.target_key].clone()}

    def patch(self, index: int, seed: int) -> dict[str, Any]:
        """The sample before augmentation, a patch of it where the set has patches: the same one for the same seed."""
        sample = self.plain_sample(index)
        return sample if self.patches is None else self.patches.set_random_state(seed)(sample)

    def bare_sample(self, index: int) -> dict[str, Any]:
        """The same as plain tensors and not copied: for collating, which copies; nothing may write into it."""
        sample = self._kept(index)
        return {**sample, "image": convert_to_tensor(sample["image"], track_meta=False)}

    def _kept(self, index: int) -> dict[str, Any]:
        # The types of generated samples, whatever the pipeline gave, so that one batch can hold both kinds.
        if index < self.num_source:
            sample = self.source[index]
            label = _label(sample[self.target_key])
            shown = {"image": sample["image"], self.target_key: label, "class": sample.get("class", 0)}
            return {**shown, "generated": False}
        if self.pool is None:
            raise IndexError(f"There are no generated samples, asked for sample {index} of {len(self)}.")
        sample = self.pool[index - self.num_source]
        shown = {"image": sample["image"], self.target_key: sample["target"], "class": sample["class"]}
        return {**shown, "generated": True}

    def source_view(self) -> SourceView:
        """All samples so far without augmentation: where an ascent starts."""
        return SourceView(self)

    def set_random_state(self, seed: int | None = None, state: Any = None) -> GrowingDataset:
        """Seed the augmentation and the patches."""
        self.augmentation.set_random_state(seed, state)
        if self.patches is not None:
            self.patches.set_random_state(seed, state)
        return self

    def append(self, images: Tensor, targets: Tensor, classes: Tensor, sources: Tensor) -> int:
        """Add generated images of the current round, see :meth:`GeneratedPool.append`.

        Raises:
            ValueError: if the dataset has no ``pool_dir``.

        """
        return self._pool_for(images, targets).append(images, targets, classes, sources, self.rounds)

    def write(self, position: int, images: Tensor, targets: Tensor, classes: Tensor, sources: Tensor) -> None:
        """Put generated images of the current round at their place in it; they count from :meth:`end_round` on.

        Args:
            position: of the first image in the round. Processes that share ``pool_dir`` write to different places.
            images: see :meth:`GeneratedPool.append`, as for the others.
            targets: labels.
            classes: flow classes.
            sources: index of each image's source sample.

        """
        pool = self._pool_for(images, targets)
        pool.write(len(pool) + position, images, targets, classes, sources, self.rounds)

    def reserve(self, count: int) -> None:
        """Ask the disk for the room of a round before it is climbed, see :meth:`GeneratedPool.reserve`."""
        self._own_pool().reserve(count)

    def end_round(self, sources: Sequence[int]) -> None:
        """Take the images of a round, written by whatever process, into the set.

        Args:
            sources: index of the source sample of each image of the round; none if there was no room.

        Raises:
            ValueError: if they are not in the pool, see :meth:`GeneratedPool.extend`.

        """
        if len(sources) > 0:
            self._own_pool().extend(sources)
        self.rounds += 1

    def _own_pool(self) -> GeneratedPool:
        if self.pool is not None:
            return self.pool
        first = self.bare_sample(0) if self.patches is None else self.patch(0, seed=0)
        image = convert_to_tensor(first["image"], track_meta=False)
        return self._pool_for(image[None], first[self.target_key][None])

    def _pool_for(self, images: Tensor, targets: Tensor) -> GeneratedPool:
        if self.pool is None:
            self.pool = self._open_pool(tuple(images.shape[1:]), tuple(targets.shape[1:]), _stored_as(targets))
        return self.pool

    def state_dict(self) -> dict[str, Any]:
        """Rounds done and the state of the pool, for a checkpoint; the images stay in their files."""
        return {"rounds": self.rounds, "pool": {} if self.pool is None else self.pool.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the pool that a checkpoint knows.

        Raises:
            ValueError: if the files of that pool are missing or of other shapes.

        """
        self.rounds, self.pool = int(state["rounds"]), None
        pool = state["pool"]
        if not pool:
            return
        target_dtype = pool.get("target_dtype", "float32")
        if self.pool_dir is not None and not GeneratedPool.is_in(self.pool_dir, target_dtype):
            raise UserError(
                f"The checkpoint continues with the generated images in {self.pool_dir}, which are not there: point "
                "pool_dir at the folder of the run that is resumed, or start anew."
            )
        self.pool = self._open_pool(tuple(pool["image_shape"]), tuple(pool["target_shape"]), target_dtype)
        self.pool.load_state_dict(pool)

    def _open_pool(
        self, image_shape: tuple[int, ...], target_shape: tuple[int, ...], target_dtype: str
    ) -> GeneratedPool:
        if self.pool_dir is None:
            raise UserError(
                "GrowingDataset has no pool_dir, so it cannot keep generated images: name a folder for them."
            )
        return GeneratedPool(self.pool_dir, self.max_generated, image_shape, target_shape, target_dtype, self.run_id)


class SourceView(Dataset):
    """Samples of a :class:`GrowingDataset` before augmentation, each with its index there under ``source``.

    Of a set with patches it holds patches: that of a sample is a function of its index and of the rounds done.
    """

    def __init__(self, dataset: GrowingDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.dataset.patch(index, derive_seed(self.dataset.rounds, index)), "source": index}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The samples of one batch as plain tensors, as torch's loaders ask for them."""
        if self.dataset.patches is not None:
            return [self[index] for index in indices]
        return [{**self.dataset.bare_sample(index), "source": index} for index in indices]


def _label(value: Any) -> Tensor:
    """A label as a plain tensor of one of the types that the pool stores."""
    label = torch.as_tensor(convert_to_tensor(value, wrap_sequence=True, track_meta=False))
    # One number is a class, of whatever type it comes.
    return label.to(getattr(torch, _stored_as(label if label.ndim or label.is_floating_point() else label.long())))


def _stored_as(label: Tensor) -> str:
    # Masks are large: theirs are the two types of 8 bits.
    if label.is_floating_point():
        return "float32"
    return "uint8" if label.dtype in (torch.uint8, torch.bool) else "int64"
