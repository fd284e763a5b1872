"""How many fingers a hand stretches, which says most about its pose: a class for the flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_names
from monai_degia.errors import UserError

__all__ = ["classes_by_extended_fingers", "count_extended_fingers"]

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_STRAIGHT = 0.9  # distance of the ends over the way along the joints: 1 is straight, a right angle is about 0.75


def count_extended_fingers(points: NDArray[Any], landmarks: Landmarks = "hand21") -> int:
    """Count the fingers whose joints lie on a line, as seen.

    Args:
        points: landmarks, shape (K, 2).
        landmarks: their names: a set or the K names; a finger needs three joints named ``<finger>_<joint>``.

    Returns:
        A number from 0 to 5.

    Raises:
        ValueError: if the names hold no finger.

    """
    names = landmark_names(landmarks)
    fingers = [[i for i, name in enumerate(names) if name.startswith(f"{finger}_")] for finger in _FINGERS]
    chains = [np.asarray(points, dtype=float)[indices] for indices in fingers if len(indices) > 2]
    if not chains:
        raise UserError(f"No finger has three joints among {', '.join(names)}: leave the class out.")
    return sum(_straightness(chain) > _STRAIGHT for chain in chains)


def classes_by_extended_fingers(
    items: Sequence[dict[str, Any]], landmarks: Landmarks = "hand21"
) -> list[dict[str, Any]]:
    """Items of a data list with the number of extended fingers as their ``class``, 0 to 5: six classes.

    Args:
        items: items with ``landmarks``; they are left as they are.
        landmarks: names of the landmarks.

    Raises:
        ValueError: if the names hold no finger.

    """
    return [{**item, "class": count_extended_fingers(item["landmarks"], landmarks)} for item in items]


def _straightness(chain: NDArray[Any]) -> float:
    way = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
    return float(np.linalg.norm(chain[-1] - chain[0]) / max(way, 1e-9))
