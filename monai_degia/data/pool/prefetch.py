"""Batches that threads read ahead, while the network works on the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from monai.data import list_data_collate
from torch.utils.data import Dataset

from monai_degia.errors import UserError

__all__ = ["PrefetchLoader"]


class PrefetchLoader:
    """Read a data set in order, in threads, a few batches ahead of what consumes them; for MONAI's evaluators.

    Decoders, NumPy and torch let other threads run while they work on a large image, so threads do here what the worker
    processes of torch's loader do, and need neither time to start nor a dataset that can be pickled. An error of the
    dataset is raised when its batch is asked for. Memory holds the samples of ``batches_ahead`` batches and no more.

    Args:
        dataset: samples by index; it is read by several threads at once, so its transforms must not change themselves.
        batch_size: samples a batch; the last one may be smaller.
        num_workers: threads; 0 reads when a batch is asked for.
        batches_ahead: batches that may wait.
        collate_fn: list of samples to a batch.

    Raises:
        ValueError: if a number is out of range.

    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        num_workers: int = 2,
        batches_ahead: int = 2,
        collate_fn: Callable[[list[Any]], Any] = list_data_collate,
    ) -> None:
        if batch_size < 1 or num_workers < 0 or batches_ahead < 1:
            raise UserError(
                "Need batch_size and batches_ahead of at least 1 and num_workers of at least 0, got "
                f"{batch_size}, {batches_ahead} and {num_workers}."
            )
        self.dataset, self.batch_size, self.num_workers = dataset, batch_size, num_workers
        self.batches_ahead, self.collate_fn = batches_ahead, collate_fn

    def __len__(self) -> int:
        return -(-self._count // self.batch_size)

    @property
    def _count(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Generator[Any, None, None]:
        samples = self._read_ahead() if self.num_workers else map(self.dataset.__getitem__, range(self._count))
        while batch := list(islice(samples, self.batch_size)):
            yield self.collate_fn(batch)

    def _read_ahead(self) -> Iterator[Any]:
        waiting: deque[Future[Any]] = deque()
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="prefetch")
        try:
            for index in range(self._count):
                waiting.append(pool.submit(self.dataset.__getitem__, index))
                if len(waiting) >= self.batches_ahead * self.batch_size:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
