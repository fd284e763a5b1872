"""Seeds that follow from other seeds, and random numbers that can be asked for from any place on."""

from __future__ import annotations

import numpy as np

__all__ = ["derive_seed", "uniform_rows"]

_WORDS = 4  # random numbers that Philox gives for one value of its counter


def derive_seed(*parts: int) -> int:
    """A seed in [0, 2^32) for a combination of numbers, e.g. (seed, epoch, rank); they do not collide as sums would.

    Zeros at the end count for nothing: (seed, epoch, 0) gives what (seed, epoch) gives.
    """
    return int(np.random.SeedSequence([int(part) for part in parts]).generate_state(1)[0])


def uniform_rows(seed: int, first: int, count: int, width: int) -> np.ndarray:
    """Rows ``first`` to ``first + count`` of an endless table of random numbers, in one draw.

    A row is a function of seed and number, whatever rows are asked for with it: a batch draws what its samples draw one
    by one, and several processes what one would.

    Args:
        seed: of the table.
        first: number of the first row, from 0.
        count: number of rows.
        width: random numbers a row.

    Returns:
        Shape (count, width), float64, evenly distributed in [0, 1).

    """
    steps = -(-width // _WORDS)
    generator = np.random.Generator(np.random.Philox(key=seed, counter=first * steps))
    return generator.random((count, steps * _WORDS))[:, :width]
