"""How many forward passes stand behind a prediction."""

from __future__ import annotations

from monai.inferers import Inferer, SimpleInferer

__all__ = ["passes_of"]


def passes_of(inferer: Inferer | None) -> int | None:
    """Forward passes that an inferer takes for each image: what stands beside every accuracy.

    Args:
        inferer: one of this package tells it by ``num_passes``; MONAI's ``SimpleInferer`` takes one. None if there is
            none.

    Returns:
        The number, or None for an inferer that does not tell it, such as one of sliding windows.

    """
    if type(inferer) is SimpleInferer:
        return 1
    return getattr(inferer, "num_passes", None)
