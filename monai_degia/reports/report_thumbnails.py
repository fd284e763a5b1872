"""Small pictures for a page that holds thousands of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from torch import Tensor

from monai_degia.errors import UserError

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
            raise UserError(f"Thumbnails need a side of at least 16 pixels, got {side}.")
        self.side = side

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
            raise UserError(f"A thumbnail needs an image (C, X, Y) with C = 1 or 3, got shape {tuple(image.shape)}.")
        values = image.detach().float().cpu().nan_to_num(0.0).clamp(0, 1).mul(255).round().byte()
        rows = np.ascontiguousarray(values.permute(2, 1, 0).expand(-1, -1, 3).numpy())
        picture = Image.fromarray(rows)
        picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=_QUALITY)
        return buffer.getvalue()
