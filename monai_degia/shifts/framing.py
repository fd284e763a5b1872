"""Fixed changes of framing that stand in for another camera on source validation images."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from monai.config import KeysCollection
from monai.transforms import Affine, MapTransform

from monai_degia.errors import UserError

__all__ = ["FRAMINGS", "FURTHER_FRAMINGS", "Framing", "Reframed"]


class Framing(NamedTuple):
    """Where the camera points, compared with the image as it was.

    Args:
        view: how much of the scene the image shows; 2 makes everything half as large.
        down: how far the view moves down, as a share of the side.
        right: how far it moves right, as a share of the side.
        turn: how far it turns, in radians.

    """

    view: float = 1.0
    down: float = 0.0
    right: float = 0.0
    turn: float = 0.0


#: What the other camera might do. Beyond the edge the border is repeated.
FRAMINGS: dict[str, Framing] = {
    "as is": Framing(),
    "far": Framing(view=1.35),
    "farther": Framing(view=1.8),
    "near": Framing(view=0.8),
    "high": Framing(view=1.1, down=0.12),
    "higher": Framing(view=1.1, down=0.2),
    "aside": Framing(view=1.1, right=0.12),
    "turned": Framing(view=1.2, turn=0.6),
}
#: More of them, for :func:`monai_degia.calibration_copies`: as a camera, or a hand, may also be held.
FURTHER_FRAMINGS: dict[str, Framing] = {
    "on its side": Framing(turn=math.pi / 2),
    "upside down": Framing(turn=math.pi),
}
_KNOWN = {**FRAMINGS, **FURTHER_FRAMINGS}


class Reframed(MapTransform):
    """Frame an image anew as its sample says; MONAI tracks it, so landmarks must be in world coordinates.

    Args:
        keys: images (C, X, Y).
        framing_key: key of the name, one of ``FRAMINGS`` or ``FURTHER_FRAMINGS``; a sample without it is left as it is.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the framing is unknown.

    """

    def __init__(self, keys: KeysCollection, framing_key: str = "framing", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.framing_key = framing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Reframe the images."""
        d = dict(data)
        name = d.get(self.framing_key, "as is")
        if name not in _KNOWN:
            raise UserError(f"Unknown framing {name!r}. Available: {', '.join(_KNOWN)}.")
        framing = _KNOWN[name]
        if framing == Framing():
            return d
        for key in self.key_iterator(d):
            affine = Affine(
                rotate_params=framing.turn,
                scale_params=(framing.view, framing.view),
                translate_params=(framing.right * d[key].shape[1], framing.down * d[key].shape[2]),
                padding_mode="border",
                image_only=True,
            )
            d[key] = affine(d[key])
        return d
