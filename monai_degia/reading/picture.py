"""A picture to look at, made while the file is open, so that nobody has to read it again."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.nn.functional import interpolate

from monai_degia.errors import UserError
from monai_degia.reading.modality import match_channels
from monai_degia.reading.tracked import affine_of_dims

__all__ = ["KeepPictured", "Picture", "picture_of", "shrink"]


class Picture(NamedTuple):
    """A picture of a file, upright, and where it lies in it.

    Args:
        image: shape (3, X, Y), float32 in [0, 1].
        to_picture: matrix (3, 3) from pixels of the file (x, y, 1) to those of the picture, float64.

    """

    image: Tensor
    to_picture: Tensor

    def carry(self, points: Tensor) -> Tensor:
        """Points (..., 2) in pixels of the file, in pixels of the picture; float64."""
        matrix = self.to_picture
        return points.double() @ matrix[:2, :2].T + matrix[:2, 2]

    def upright(self, size: tuple[int, int], points: Tensor) -> tuple[tuple[int, int], Tensor]:
        """Size of the whole file once it stands upright, and points of the file in pixels of that.

        Args:
            size: (X, Y) of the file as it is stored, in pixels.
            points: shape (..., 2), pixels of the file as it is stored.

        Returns:
            (X, Y), and the points, float64 of the same shape.

        """
        lies = self.to_picture[0, 0].abs() < self.to_picture[0, 1].abs()
        whole = (size[1], size[0]) if lies else size
        factors = torch.tensor(whole, dtype=torch.float64) / torch.tensor(self.image.shape[1:], dtype=torch.float64)
        return whole, (self.carry(points) + 0.5) * factors - 0.5


class KeepPictured(MapTransform):
    """Add a small upright picture of the image to its sample, for overlays and reports.

    Goes behind what turns the image upright and scales its values to [0, 1], before what mirrors or shrinks it. The
    picture is bytes under ``picture``, which collate whatever their size; :func:`picture_of` unpacks them.

    Args:
        keys: images (1, 3 or 4, X, Y) in [0, 1], tracked, with ``original_affine``.
        side: longer side of the picture in pixels; smaller images are kept as they are.
        picture_key: where the picture goes; ``<picture_key>_affine`` holds the matrix from the file's pixels to it.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if the side is not positive; on call, if the image does not know its original affine.

    """

    def __init__(
        self, keys: KeysCollection, side: int, picture_key: str = "picture", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if side < 1:
            raise UserError(f"side must be at least 1 pixel, got {side}.")
        self.side, self.picture_key = side, picture_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Keep the picture of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            meta = getattr(d[key], "meta", {})
            if "original_affine" not in meta:
                raise UserError(f"KeepPictured needs {key!r} with a tracked original_affine: load by LoadAnyImaged.")
            image = match_channels(convert_to_tensor(d[key], dtype=torch.float32, track_meta=False), 3)
            picture = shrink(image, self.side)
            now, then = (affine_of_dims(meta[name], 2) for name in ("affine", "original_affine"))
            whole = torch.linalg.solve(now, then)
            d[self.picture_key] = _pack(picture)
            d[f"{self.picture_key}_affine"] = _resizing(image, picture) @ whole
        return d


def shrink(image: Tensor, side: int) -> Tensor:
    """An image (C, X, Y) in [0, 1] whose longer side is at most ``side`` pixels, by area-aware interpolation."""
    factor = side / max(image.shape[1:])
    if factor >= 1:
        return image
    size = [max(1, round(length * factor)) for length in image.shape[1:]]
    return interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def picture_of(sample: Mapping[Any, Any], key: str = "picture") -> Picture | None:
    """The picture that :class:`KeepPictured` put into a sample, or one row of a batch; None if there is none."""
    packed = sample.get(key)
    if not packed:
        return None
    values = torch.from_numpy(np.load(io.BytesIO(packed), allow_pickle=False))
    return Picture(values.float() / 255, torch.as_tensor(sample[f"{key}_affine"], dtype=torch.float64))


def _pack(image: Tensor) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image.mul(255).round().byte().numpy())
    return buffer.getvalue()


def _resizing(before: Tensor, after: Tensor) -> Tensor:
    """Matrix (3, 3) from pixels of an image to those of it resized, pixel centres at integers."""
    factors = torch.tensor([a / b for a, b in zip(after.shape[1:], before.shape[1:], strict=True)], dtype=torch.float64)
    matrix = torch.diag(torch.cat([factors, factors.new_ones(1)]))
    matrix[:2, 2] = 0.5 * factors - 0.5
    return matrix
