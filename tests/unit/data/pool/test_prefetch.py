"""Batches that threads read ahead."""

import threading
import time

import pytest
import torch
from torch.utils.data import Dataset

from monai_degia.data.pool.prefetch import PrefetchLoader


class Numbers(Dataset):
    """Numbers that take longer the smaller they are, and what was asked for when."""

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.count, self.broken = count, broken
        self.asked: list[int] = []
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.asked.append(index)
        self.threads.add(threading.current_thread().name)
        time.sleep(0.002 * (self.count - index) / self.count)
        if index == self.broken:
            raise ValueError(f"sample {index} is broken")
        return {"number": torch.tensor(index)}


@pytest.mark.parametrize("num_workers", [0, 1, 4])
def test_batches_come_in_order_and_again(num_workers: int) -> None:
    loader = PrefetchLoader(Numbers(10), batch_size=4, num_workers=num_workers)
    for _ in range(2):
        assert [batch["number"].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


def test_it_reads_ahead_in_threads_and_no_further_than_it_may() -> None:
    numbers = Numbers(100)
    batches = iter(PrefetchLoader(numbers, batch_size=4, num_workers=2, batches_ahead=3))
    next(batches)
    time.sleep(0.1)
    assert 4 < len(numbers.asked) <= 4 + 3 * 4
    assert all(name.startswith("prefetch") for name in numbers.threads)
    batches.close()  # type: ignore[attr-defined]
    asked = len(numbers.asked)
    time.sleep(0.05)
    assert len(numbers.asked) == asked, "a loop that was left goes on reading"


def test_an_error_comes_with_its_batch() -> None:
    batches = iter(PrefetchLoader(Numbers(12, broken=5), batch_size=3))
    assert next(batches)["number"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="sample 5 is broken"):
        next(batches)


def test_an_empty_set_has_no_batch() -> None:
    loader = PrefetchLoader(Numbers(0), batch_size=3)
    assert list(loader) == [] and len(loader) == 0


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}, {"batches_ahead": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PrefetchLoader(Numbers(3), **options)
