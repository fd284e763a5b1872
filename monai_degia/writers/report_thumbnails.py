"""Small pictures for a page that holds thousands of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from monai_degia.transforms.modality import LoadAnyImaged, MatchChannelsd, ScaleModalityd

__all__ = ["ThumbnailEncoder"]

_QUALITY = 70  # of WebP; below, edges of bones begin to smear


class ThumbnailEncoder:
    """Encode images as small WebP pictures; none is enlarged.

    Args:
        side: longer side in pixels, at most.

    Raises:
        ValueError: if the side is less than 16.

    """

    def __init__(self, side: int = 256) -> None:
        if side < 16:
            raise ValueError(f"Thumbnails need a side of at least 16 pixels, got {side}.")
        self.side = side
        self._steps = (LoadAnyImaged("image"), ScaleModalityd("image"), MatchChannelsd("image", 3))

    def from_file(self, file: str | Path, modality: str = "auto") -> bytes:
        """Read an image of any kind that inference reads.

        Args:
            file: the image file.
            modality: ``photo``, ``depth``, ``xray`` or ``auto``, as for :class:`monai_degia.ScaleModalityd`.

        Returns:
            A WebP file.

        Raises:
            ValueError: if the file cannot be read.

        """
        sample: dict[Any, Any] = {"image": str(file), "modality": modality}
        for step in self._steps:
            sample = step(sample)
        return self.from_tensor(sample["image"].as_tensor())

    def from_tensor(self, image: Tensor) -> bytes:
        """Encode an image as a network takes it.

        Args:
            image: shape (C, X, Y) with C = 1 or 3, values in [0, 1]; what lies beyond is clipped.

        Returns:
            A WebP file.

        Raises:
            ValueError: if the shape is another.

        """
        if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
            raise ValueError(f"A thumbnail needs an image (C, X, Y) with C = 1 or 3, got shape {tuple(image.shape)}.")
        values = image.detach().float().cpu().nan_to_num(0.0).clamp(0, 1).mul(255).round().byte()
        rows = np.ascontiguousarray(values.permute(2, 1, 0).expand(-1, -1, 3).numpy())
        picture = Image.fromarray(rows)
        picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=_QUALITY)
        return buffer.getvalue()
