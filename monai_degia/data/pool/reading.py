"""Images read in parallel, each file once, into memory and, between runs, from disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from monai.data import CacheDataset
from monai.transforms import MapTransform, RandomizableTrait, Transform, convert_to_contiguous

from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.bars import WorkBar
from monai_degia.io.disk_cache import DiskCache
from monai_degia.io.files import printable
from monai_degia.io.messages import root_cause, short_message

__all__ = ["ReadOnceDataset"]

_logger = logging.getLogger(__name__)

_ON_ERROR = ("fail", "skip")


class ReadOnceDataset(CacheDataset):
    """MONAI's ``CacheDataset`` that shares the reading of items of the same file, and can keep samples on disk.

    Items of one file that differ in other fields, as those of :func:`monai_degia.shifted_copies` do, go together
    through the transforms up to the first one that is told of such a field, by its keys or by another option. The rest
    is done for each.

    Args:
        data: items; ``image`` is a path, or anything else, which is then read as it is.
        transform: see ``CacheDataset``; results are kept up to the first random transform.
        cache_dir: folder that keeps the results for later runs, see :class:`DiskCache`; ``None`` keeps them in memory
            alone. Files there are never deleted.
        cache_rate: share of the samples to keep in memory; the others are read whenever they are asked for.
        num_workers: threads that read; default: as many as torch computes with.
        progress: show a bar while files are read, where there is a terminal.
        on_error: what an item that cannot be read does: ``fail`` ends the reading with its error, ``skip`` leaves it
            out. The log then says how many and names them with the reason, once; those that are not kept in memory are
            read once to know.

    Attributes:
        skipped: name of the image, and reason, of each item that was left out.

    Raises:
        TypeError: if ``cache_dir`` is given and a transform does not tell its options.
        ValueError: if ``on_error`` is something else, or no item can be read.

    """

    data: Sequence[dict[str, Any]]

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] | None = None,
        cache_dir: str | Path | None = None,
        cache_rate: float = 1.0,
        num_workers: int | None = None,
        progress: bool = True,
        on_error: str = "fail",
    ) -> None:
        if on_error not in _ON_ERROR:
            hint = did_you_mean(on_error, _ON_ERROR)
            raise UserError(f"on_error must be one of {', '.join(_ON_ERROR)}, got {on_error!r}.{hint}")
        self.cache_dir, self.on_error = cache_dir, on_error
        self.skipped: list[tuple[str, str]] = []
        threads = torch.get_num_threads() if num_workers is None else num_workers
        super().__init__(data, transform, cache_rate=cache_rate, num_workers=threads, progress=progress)

    def _fill_cache(self, indices: Sequence[int] | None = None) -> list[Any]:
        kept = list(range(self.cache_num)) if indices is None else list(indices)
        chosen = kept if self.on_error == "fail" else list(range(len(self.data)))
        if not chosen:
            return []
        disk = None if self.cache_dir is None else DiskCache(self.cache_dir, self.transform)
        work = _Reader(self, disk)
        samples: dict[int, Any] = {}
        with (
            ThreadPool(self.num_workers) as pool,
            WorkBar(total=len(chosen), desc="reading images", unit="image", hidden=self._hidden()) as bar,
        ):
            for group in pool.imap_unordered(work, _groups(self.data, chosen)):
                samples |= {index: sample for index, sample in group.items() if index < len(kept)}
                bar.update(len(group))
        if disk is not None:
            _say_where(disk, work, len(chosen))
        self._leave_out(work.failed)
        return [samples[index] for index in kept if index not in work.failed]

    def _leave_out(self, failed: dict[int, str]) -> None:
        if not failed:
            return
        self.skipped = [(_name(self.data[index]), failed[index]) for index in sorted(failed)]
        if len(failed) == len(self.data):
            raise UserError(
                "None of the {} samples can be read. The first is {}: {}".format(len(failed), *self.skipped[0])
            )
        told = "\n".join(f"  {name}: {reason}" for name, reason in dict.fromkeys(self.skipped))
        _logger.warning("%d of %d samples cannot be read and are left out:\n%s", len(failed), len(self.data), told)
        self.cache_num -= sum(index < self.cache_num for index in failed)
        self.data = [item for index, item in enumerate(self.data) if index not in failed]

    def _hidden(self) -> bool | None:
        """Whether there is no bar; ``None`` lets the terminal decide."""
        first = not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
        return None if self.progress and first else True

    def _first_random(self) -> int | None:
        return self.transform.get_index_of_first(
            lambda step: isinstance(step, RandomizableTrait) or not isinstance(step, Transform)
        )

    def read(self, items: Sequence[dict[str, Any]]) -> list[Any]:
        """The samples of items of one file, up to the first random transform."""
        end, fields = self._first_random(), _differing(items)
        shared = _shared_steps(self.transform.transforms[:end], fields) if len(items) > 1 else 0
        if shared:
            whole = self.transform(items[0], end=shared, threading=True)
            kept = {key: value for key, value in whole.items() if key not in fields}
            # Copies, since transforms may write into what they are given.
            items = [{**deepcopy(kept), **{key: item[key] for key in fields & set(item)}} for item in items]
        return [self._finish(item, shared, end) for item in items]

    def _finish(self, item: dict[str, Any], start: int, end: int | None) -> Any:
        sample = self.transform(item, start=start, end=end, threading=True)
        return convert_to_contiguous(sample, memory_format=torch.contiguous_format)


class _Reader:
    """Reads groups of items, from disk where they are there; called by several threads.

    Attributes:
        found: numbers of the samples that came from disk; likewise ``damaged`` and ``unkept``.
        failed: reason why a sample cannot be read, by its number, where that does not end the reading.

    """

    def __init__(self, dataset: ReadOnceDataset, disk: DiskCache | None) -> None:
        self.dataset, self.disk = dataset, disk
        self.found: list[int] = []
        self.damaged: list[int] = []
        self.unkept: list[int] = []
        self.failed: dict[int, str] = {}

    def __call__(self, indices: Sequence[int]) -> dict[int, Any]:
        try:
            return self._all(indices)
        except Exception as error:
            if self.dataset.on_error == "fail":
                raise
            if len(indices) > 1:  # which one of those that share a file?
                return {index: sample for one in indices for index, sample in self([one]).items()}
            self.failed[indices[0]] = _reason(error)
            return {indices[0]: None}

    def _all(self, indices: Sequence[int]) -> dict[int, Any]:
        items = {index: self.dataset.data[index] for index in indices}
        if self.disk is None:
            return dict(zip(indices, self.dataset.read(list(items.values())), strict=True))
        return self._through(self.disk, items)

    def _through(self, disk: DiskCache, items: dict[int, Any]) -> dict[int, Any]:
        paths = {index: disk.path(item) for index, item in items.items()}
        loaded = {index: disk.load(path) for index, path in paths.items() if path is not None and path.is_file()}
        samples = {index: sample for index, sample in loaded.items() if sample is not None}
        self.found += samples
        self.damaged += set(loaded) - set(samples)
        missing = [index for index in items if index not in samples]
        made = self.dataset.read([items[index] for index in missing]) if missing else []
        for index, sample in zip(missing, made, strict=True):
            path = paths[index]
            if path is None or not disk.save(path, sample):
                self.unkept.append(index)
            samples[index] = sample
        return samples


def _say_where(disk: DiskCache, work: _Reader, count: int) -> None:
    damaged = f"; {len(work.damaged)} damaged files there were made anew" if work.damaged else ""
    unkept = f"; {len(work.unkept)} cannot be kept there" if work.unkept else ""
    _logger.info("%d of %d samples came from the cache in %s%s%s", len(work.found), count, disk.folder, damaged, unkept)


def _name(item: Any) -> str:
    image = item.get("image") if isinstance(item, dict) else None
    return printable(os.fspath(image)) if isinstance(image, (str, os.PathLike)) else "an image in memory"


def _reason(error: Exception) -> str:
    cause = root_cause(error)
    return " ".join((short_message(error) or f"{type(cause).__name__}: {cause}").split())


def _groups(data: Sequence[dict[str, Any]], indices: Sequence[int]) -> list[list[int]]:
    """Items of one file stand together, in the order of the first."""
    groups: dict[Any, list[int]] = {}
    for index in indices:
        image = data[index].get("image") if isinstance(data[index], dict) else None
        groups.setdefault(os.fspath(image) if isinstance(image, (str, os.PathLike)) else index, []).append(index)
    return list(groups.values())


def _differing(items: Sequence[dict[str, Any]]) -> set[str]:
    """The fields that are not the same in all items."""
    names: set[str] = set().union(*items)
    first = items[0]
    return {
        name
        for name in names
        if any(name not in item or name not in first or not _same(item[name], first[name]) for item in items)
    }


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and isinstance(a, (str, int, float, bool, os.PathLike)) and a == b)


def _shared_steps(steps: Sequence[Any], fields: set[str]) -> int:
    """How many of the first transforms are told of none of the fields."""
    for number, step in enumerate(steps):
        if not isinstance(step, MapTransform) or not fields.isdisjoint(_names(vars(step).values())):
            return number
    return len(steps)


def _names(options: Any) -> Iterator[str]:
    for option in options:
        if isinstance(option, str):
            yield option
        elif isinstance(option, (list, tuple)):
            yield from _names(option)
