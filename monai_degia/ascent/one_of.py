"""One of several ascents for each batch: the generated images hold the worst cases of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from monai.transforms import Randomizable, RandomizableTrait
from torch import Tensor

from monai_degia.ascent.adversarial import AdversarialAscent
from monai_degia.errors import UserError

__all__ = ["OneOfAscents"]


class OneOfAscents(Randomizable, RandomizableTrait):
    """Draw one of several ascents for each batch, as MONAI's ``OneOf`` draws a transform.

    A round of maximisation climbs many small batches, so that each of its ascents gets its share of a round.

    Args:
        ascents: what is drawn from, each an :class:`AdversarialAscent` with steps and rule of its own.
        weights: how often each is drawn, relative to the others; default: all alike.

    Raises:
        ValueError: if there is no ascent, or not one weight an ascent, none of them negative.

    """

    def __init__(self, ascents: Sequence[AdversarialAscent], weights: Sequence[float] | None = None) -> None:
        if len(ascents) == 0:
            raise UserError("OneOfAscents needs at least one ascent to draw from.")
        weights = [1.0] * len(ascents) if weights is None else list(weights)
        if len(weights) != len(ascents) or min(weights) < 0 or not sum(weights) > 0:
            raise UserError(
                f"OneOfAscents needs a weight, 0 or more, for each of {len(ascents)} ascents, got {weights}."
            )
        self.ascents, self.weights = list(ascents), np.array(weights) / sum(weights)
        self.chosen = self.ascents[0]

    @property
    def steps(self) -> int:
        """Ascent steps of the ascent that was drawn last."""
        return self.chosen.steps

    def randomize(self, data: Any = None) -> None:
        """Draw an ascent, and the seed of what it draws."""
        self.chosen = self.ascents[int(self.R.choice(len(self.ascents), p=self.weights))]
        self.chosen.set_random_state(int(self.R.randint(np.iinfo(np.int32).max)))

    def __call__(
        self,
        image: Tensor,
        target: Tensor,
        classes: Tensor | None = None,
        on_step: Callable[[int], None] | None = None,
        randomize: bool = True,
    ) -> Tensor:
        """Climb one batch by one of the ascents, see :meth:`AdversarialAscent.__call__`."""
        if randomize:
            self.randomize()
        return self.chosen(image, target, classes, on_step, randomize)
