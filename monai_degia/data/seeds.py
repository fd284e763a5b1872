"""Seeds that follow from other seeds."""

from __future__ import annotations

import numpy as np

__all__ = ["derive_seed"]


def derive_seed(*parts: int) -> int:
    """A seed in [0, 2^32) for a combination of numbers, e.g. (seed, epoch, rank); they do not collide as sums would."""
    return int(np.random.SeedSequence([int(part) for part in parts]).generate_state(1)[0])
