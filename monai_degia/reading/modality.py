"""Photographs, depth maps and X-rays read and brought to one range, [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.reading.modality_guess import guess_modality

__all__ = ["MatchChannelsd", "ScaleBytesd", "ScaleModalityd", "depth_to_image"]

_DEEP = "I"  # PIL's 16- and 32-bit integer modes
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, the weights of PIL's conversion to grey


def depth_to_image(depth_mm: Tensor, depth_range_mm: float = 200.0, floor: float = 0.2) -> Tensor:
    """Depth in millimetres to brightness: near is bright, no measurement and background are black.

    The nearest surface (first percentile of what was measured, so that single stray pixels do not count) becomes 1;
    brightness falls linearly to ``floor`` at ``depth_range_mm`` behind it, and is 0 beyond.

    Args:
        depth_mm: depth of any shape in mm; 0 is no measurement.
        depth_range_mm: how deep the object is, in mm.
        floor: brightness of the farthest point of the object, in [0, 1), which sets it off from the background.

    Returns:
        Float32 image of the same shape in [0, 1].

    Raises:
        ValueError: if nothing was measured, a value is negative or NaN, or an option is out of range.

    """
    if not depth_range_mm > 0 or not 0 <= floor < 1:
        raise UserError(f"Need depth_range_mm > 0 and 0 <= floor < 1, got {depth_range_mm} and {floor}.")
    depth = depth_mm.float()
    if not (torch.isfinite(depth).all() and (depth >= 0).all()):
        raise UserError("Depth must be finite and at least 0 mm. Mark pixels without measurement by 0.")
    measured = depth > 0
    if not measured.any():
        raise UserError("The depth map holds no measurement, all pixels are 0. Leave it out.")
    near = float(np.percentile(depth[measured].cpu().numpy(), 1))  # torch.quantile refuses large inputs
    behind = (depth - near) / depth_range_mm
    bright = (1 - (1 - floor) * behind).clamp(max=1.0)
    return torch.where(measured & (behind <= 1), bright, torch.zeros_like(depth))


class ScaleModalityd(MapTransform):
    """Bring the values of a photograph, depth map or X-ray to [0, 1], float32.

    Depth goes through :func:`depth_to_image`. For the others the range follows from the values, since readers
    deliver float32 whatever the file's type: within [0, 1] they are kept; whole numbers up to 255 count as 8 bit and
    are divided by 255, photographs up to 65535 by 65535; any other X-ray is stretched from its minimum to its
    maximum. So an 8-bit image with only 0 and 1, a mask, is kept; and a 16-bit X-ray whose values stay below 256
    counts as 8 bit, unless the file's mode (``mode`` in the meta data of pictures) says 16 bit.

    Args:
        keys: images (C, X, Y).
        modality_key: key of the sample's modality, ``photo``, ``depth`` or ``xray``; or ``auto``, which is replaced by
            what :func:`monai_degia.reading.modality_guess.guess_modality` finds.
        depth_range_mm: see :func:`depth_to_image`.
        floor: see :func:`depth_to_image`.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: on call, if values are not finite, out of range, or the modality is unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        modality_key: str = "modality",
        depth_range_mm: float = 200.0,
        floor: float = 0.2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modality_key, self.depth_range_mm, self.floor = modality_key, depth_range_mm, floor

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            image = convert_to_tensor(d[key], track_meta=True)
            name = image.meta.get("filename_or_obj", f"image {key!r}")
            if d.get(self.modality_key) == "auto":
                d[self.modality_key] = guess_modality(image.as_tensor().float(), image.meta)
            try:
                values = self._scale(
                    image.as_tensor().float(), d.get(self.modality_key), str(image.meta.get("mode", ""))
                )
            except ValueError as error:
                raise UserError(f"{name}: {error}") from None
            d[key] = convert_to_dst_type(values, image, dtype=torch.float32)[0]
        return d

    def _scale(self, values: Tensor, modality: Any, mode: str) -> Tensor:
        if not values.numel():
            raise UserError(f"an image of shape {tuple(values.shape)} has no pixels to scale.")
        low, high = (float(end) for end in torch.aminmax(values))  # NaN if any value is
        if not math.isfinite(low + high):
            raise UserError(f"{int((~torch.isfinite(values)).sum())} pixels are NaN or infinite. Repair or leave out.")
        if modality == "depth":
            return depth_to_image(values, self.depth_range_mm, self.floor)
        if modality not in ("photo", "xray"):
            raise UserError(f"{self.modality_key} must be photo, depth or xray, got {modality!r}.")
        deep = mode.startswith(_DEEP)
        if low >= 0 and high <= 1 and not deep:
            return values
        if low >= 0 and high <= 255 and not deep:
            return values / 255
        if modality == "xray":
            return (values - low) / max(high - low, 1e-6)
        if low < 0 or high > 65535:
            raise UserError(f"a photograph has values in [{low:g}, {high:g}], expected 0 to 255 or 65535.")
        return values / 65535


class ScaleBytesd(MapTransform):
    """Divide grey levels 0 to 255 by 255, whatever the image's own range.

    Args:
        keys: images of floating point numbers.
        allow_missing_keys: do not fail if a key is missing.

    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = d[key] / 255
        return d


class MatchChannelsd(MapTransform):
    """Give images the number of channels that the network takes.

    Grey is repeated, RGBA loses its alpha, RGB becomes grey by its luma (0.299, 0.587, 0.114).

    Args:
        keys: images (C, X, Y) with 1, 3 or 4 channels.
        channels: 1 or 3.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if ``channels`` is neither 1 nor 3; on call, if an image has another number of channels.

    """

    def __init__(self, keys: KeysCollection, channels: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {channels}.")
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Match the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            matched = match_channels(convert_to_tensor(d[key], track_meta=False), self.channels)
            d[key] = convert_to_dst_type(matched, d[key])[0]
        return d


def match_channels(image: Tensor, channels: int) -> Tensor:
    """An image (1, 3 or 4, X, Y) with 1 or 3 channels: see :class:`MatchChannelsd`.

    Raises:
        ValueError: if the image has another number of channels.

    """
    if image.ndim != 3 or len(image) not in (1, 3, 4):
        raise UserError(f"An image must have 1, 3 or 4 channels (C, X, Y), got shape {tuple(image.shape)}.")
    if len(image) == 1:
        return image.expand(channels, -1, -1).clone()
    rgb = image[:3]
    return rgb if channels == 3 else (rgb * rgb.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)
