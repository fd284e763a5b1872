"""Random transforms of images with landmarks that draw a fixed count of numbers for each sample, batched or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandDrawnd"]


class RandDrawnd(RandomizableTransform, MapTransform):
    """Takes ``num_draws`` numbers for a sample, the first of which decides whether it changes.

    Args:
        keys: images.
        landmark_keys: their landmarks.
        prob: probability of the transform.
        allow_missing_keys: do not fail if a key is missing.

    Attributes:
        num_draws: random numbers that a sample takes.
        draws: those of the last sample, numbers in [0, 1).

    """

    num_draws: int

    def __init__(
        self, keys: KeysCollection, landmark_keys: KeysCollection, prob: float, allow_missing_keys: bool
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.landmark_keys = (landmark_keys,) if isinstance(landmark_keys, str) else tuple(landmark_keys)
        self.draws = np.zeros(0)

    def randomize(self, data: Any = None) -> None:
        """Draw the random numbers of one sample."""
        self.draws = self.R.uniform(size=self.num_draws)
        self._do_transform = bool(self.draws[0] < self.prob)
