"""Source validation digits as another writer, another scanner and another world of colours would show them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor

from monai_degia.errors import UserError, did_you_mean
from monai_degia.shifts.appearance import SHIFTS
from monai_degia.shifts.shapes import RECORDINGS, SHAPES

__all__ = ["DigitShiftd", "shifted_digits"]

#: All maps by name; the lists are gone through in this order: shape, then appearance, then recording.
_MAPS = {**SHAPES, **SHIFTS, **RECORDINGS}
#: Where nothing changes.
_SAME = ""


class DigitShiftd(MapTransform):
    """Apply the shifts that a sample names, one after the other; a sample that names none is left as it is.

    Args:
        keys: images (C, X, Y) in [0, 1], bright strokes on black.
        shift_key: key of the names, a sequence.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if a shift is unknown.

    """

    def __init__(self, keys: KeysCollection, shift_key: str = "shifts", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shift_key = shift_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Shift the images."""
        d = dict(data)
        for name in d.get(self.shift_key, ()):
            if name not in _MAPS:
                raise UserError(f"Unknown shift {name!r}.{did_you_mean(name, _MAPS)} Available: {', '.join(_MAPS)}.")
            for key in self.key_iterator(d):
                plain = convert_to_tensor(d[key], track_meta=False)
                d[key] = convert_to_dst_type(_MAPS[name](plain).clamp(0, 1).contiguous(), d[key])[0]
        return d


def shifted_digits(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each item as it is, and once more with a shape, an appearance and a recording in turn, or without one of them.

    Every shape meets every appearance and every recording, so that no one kind of domain decides; a copy without any
    change does not come up. It is made of source images alone, so settings and checkpoints may be chosen by it.

    Args:
        items: validation items of digits.

    Returns:
        Twice as many items, the copies with ``shifts`` (names) and their own ``domain``.

    """
    choices = [[_SAME, *names] for names in (SHAPES, SHIFTS, RECORDINGS)]
    combinations = [
        (shape, appearance, recording) for recording in choices[2] for shape in choices[0] for appearance in choices[1]
    ]
    changes = [tuple(name for name in names if name) for names in combinations if any(names)]
    copies = []
    for index, item in enumerate(items):
        # A stride that shares no factor with their number: neighbours differ in all three.
        names = changes[index * _stride(len(changes)) % len(changes)]
        copies.append({**item, "shifts": names, "domain": f"{item.get('domain', 'source')}, {' '.join(names)}"})
    return [*items, *copies]


def _stride(count: int) -> int:
    from math import gcd

    return next(step for step in range(round(0.38 * count), count + 1) if gcd(step, count) == 1)
