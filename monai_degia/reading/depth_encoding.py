"""Depth that a file packs into colour channels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["DEPTH_ENCODINGS", "DecodeDepthd"]

#: Name of the encoding, and what each channel (R, G, B) counts in mm.
DEPTH_ENCODINGS: dict[str, tuple[float, float, float]] = {"nyu": (0.0, 256.0, 1.0)}


class DecodeDepthd(MapTransform):
    """Turn packed depth into millimetres, and clear what lies before or behind the sample's window.

    The result is float32 (1, X, Y) in mm. A sample with neither encoding nor window is left as it is.

    Args:
        keys: images (3, X, Y) with values 0 to 255, as read from the file.
        encoding_key: key of the encoding's name, one of ``DEPTH_ENCODINGS``; without it values are taken to be mm.
        window_key: key of [near, far] in mm; depth beyond it becomes 0, no measurement. Without it all is kept.
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the encoding is unknown, the image does not have its form, the window is no pair in
            order, or nothing was measured within it.

    """

    def __init__(
        self,
        keys: KeysCollection,
        encoding_key: str = "depth_encoding",
        window_key: str = "depth_window_mm",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.encoding_key, self.window_key = encoding_key, window_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Decode the images."""
        d = dict(data)
        encoding, window = d.get(self.encoding_key), d.get(self.window_key)
        for key in self.key_iterator(d) if (encoding, window) != (None, None) else ():
            image = convert_to_tensor(d[key], track_meta=True)
            name = image.meta.get("filename_or_obj", f"image {key!r}")
            try:
                values = self._decode(image.as_tensor().float(), encoding)
                values = self._clear(values, window)
            except ValueError as error:
                raise UserError(f"{name}: {error}") from None
            d[key] = MetaTensor(values, meta=image.meta, applied_operations=image.applied_operations)
        return d

    def _decode(self, image: Tensor, encoding: Any) -> Tensor:
        if encoding is None:
            return image
        if encoding not in DEPTH_ENCODINGS:
            raise UserError(f"unknown {self.encoding_key} {encoding!r}. Available: {', '.join(DEPTH_ENCODINGS)}.")
        if image.ndim != 3 or len(image) != 3:
            raise UserError(f"depth in encoding {encoding!r} has 3 channels, got shape {tuple(image.shape)}.")
        if not (torch.equal(image, image.round()) and image.min() >= 0 and image.max() <= 255):
            raise UserError("packed depth must be whole numbers from 0 to 255. Decode before anything else.")
        weights = image.new_tensor(DEPTH_ENCODINGS[encoding])[:, None, None]
        return (image * weights).sum(dim=0, keepdim=True)

    def _clear(self, depth_mm: Tensor, window: Any) -> Tensor:
        if window is None:
            return depth_mm
        try:
            near, far = (float(edge) for edge in window)
        except (TypeError, ValueError):
            near, far = 0.0, 0.0
        if not near < far:
            raise UserError(f"{self.window_key} must be [near, far] in mm, got {window!r}.")
        inside = (depth_mm >= near) & (depth_mm <= far) & (depth_mm > 0)
        if not inside.any():
            raise UserError(f"nothing was measured from {near:g} to {far:g} mm. Leave the image out.")
        return torch.where(inside, depth_mm, torch.zeros_like(depth_mm))
