"""How hands are predicted: the options that source validation chose, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from monai_degia.inferers.self_consistent import SelfConsistentInferer

__all__ = ["hand_inferer", "picture_size"]

#: Side of the pictures over that of the network's images: a hand that fills a quarter of a picture is cut from it at
#: the network's own resolution.
_PICTURE_SCALE = 4
_OPTIONS: dict[str, Any] = {
    "search_views": 16,
    "closer_looks": 1,
    "margin": 1.6,
    "rotation": 0.5,
    "scale_range": (0.75, 1.5),
    "translation": 0.12,
    "curves": ("as it is", "x3", "5% x3"),
    "curve_factor": 1.3,
    "num_curves": 2,
}


def hand_inferer(
    image_size: Sequence[int],
    num_views: int = 8,
    either_side: bool = False,
    autocast_dtype: torch.dtype | None = None,
) -> SelfConsistentInferer:
    """The inferer of the bundle: the whole picture under three tone curves, and a crop under two of them.

    Its options were chosen on source validation (docs/trials.md).

    Args:
        image_size: (X, Y) of the network's images; pictures may be larger, see :func:`picture_size`.
        num_views: views of the crop under each curve, 4 or more.
        either_side: also predict the mirrored picture, for hands whose side is not known.
        autocast_dtype: see :class:`SelfConsistentInferer`.

    Raises:
        ValueError: if an option is out of range.

    """
    return SelfConsistentInferer(
        num_views, image_size=image_size, either_side=either_side, autocast_dtype=autocast_dtype, **_OPTIONS
    )


def picture_size(image_size: Sequence[int]) -> list[int]:
    """Size (X, Y) of the pictures that :func:`hand_inferer` cuts its copies from.

    Args:
        image_size: (X, Y) of the network's images.

    """
    return [_PICTURE_SCALE * int(side) for side in image_size]
