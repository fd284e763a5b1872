"""Seeds and random numbers that do not depend on who asks, or for how many."""

import numpy as np
import pytest

from monai_degia.data.pool.seeds import derive_seed, uniform_rows


def test_a_seed_is_a_number_of_32_bits_that_every_part_decides() -> None:
    seeds = [
        derive_seed(*parts) for parts in [(1,), (2,), (0, 1), (1, 1), (1, 2), (2, 1), (1, 1, 2), (1, 1, 3), (2, 0, 1)]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    assert max(seeds) > 2**24, "vacuous: few bits are used"
    assert derive_seed(np.int64(1), 1) == derive_seed(1, 1)


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 9])
def test_rows_of_the_table_are_the_same_whoever_asks(width: int) -> None:
    whole = uniform_rows(7, 0, 12, width)
    assert whole.shape == (12, width) and whole.dtype == np.float64
    for first, count in [(0, 1), (1, 1), (5, 4), (11, 1), (3, 9)]:
        assert np.array_equal(uniform_rows(7, first, count, width), whole[first : first + count])
    assert len(np.unique(whole)) == whole.size, "a row repeats numbers of another"
    assert not np.array_equal(uniform_rows(8, 0, 12, width), whole)


def test_numbers_are_evenly_distributed() -> None:
    numbers = uniform_rows(0, 0, 5000, 2)
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert counts.sum() == 10000 and abs(counts - 1000).max() < 150
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.06
