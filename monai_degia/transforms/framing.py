"""Fixed changes of framing that stand in for another camera on source validation images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Affine, MapTransform

__all__ = ["FRAMINGS", "ReframeD", "ReframeDict", "Reframed"]

#: Name to how much of the scene the image shows (1 is as it was), and how far down the view moves, as a share of the
#: side. Beyond the edge the border is repeated.
FRAMINGS: dict[str, tuple[float, float]] = {
    "as is": (1.0, 0.0),
    "far": (1.35, 0.0),
    "near": (0.8, 0.0),
    "high": (1.1, 0.12),
}


class Reframed(MapTransform):
    """Frame an image anew as its sample says; MONAI tracks it, so landmarks must be in world coordinates.

    Args:
        keys: images (C, X, Y).
        framing_key: key of the name, one of ``FRAMINGS``; a sample without it is left as it is.
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
        if name not in FRAMINGS:
            raise ValueError(f"Unknown framing {name!r}. Available: {', '.join(FRAMINGS)}.")
        view, down = FRAMINGS[name]
        if (view, down) == (1.0, 0.0):
            return d
        for key in self.key_iterator(d):
            affine = Affine(
                scale_params=(view, view),
                translate_params=(0.0, down * d[key].shape[2]),
                padding_mode="border",
                image_only=True,
            )
            d[key] = affine(d[key])
        return d


ReframeD = ReframeDict = Reframed
