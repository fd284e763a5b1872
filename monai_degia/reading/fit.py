"""From an image of any size to that of the network, in two small matrix products."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.nn import functional

from monai_degia.errors import UserError
from monai_degia.reading.modality import match_channels
from monai_degia.reading.tracked import affine_of_dims

__all__ = ["FitToSized", "resample_weights"]

_NEARLY_SQUARE = 0.01
_BAND = 32  # rows of the small image at once: fewer are more calls, more are more zeros
_TRUNCATED = 4.0  # standard deviations after which the Gaussian is cut off, as in MONAI and scikit-image


class FitToSized(MapTransform):
    """Scale an image until it fits into the network's, centred, its edge repeated beside it; match channels.

    Black bars beside an image would be what its background is not: edges that no scene has, and a false background for
    whatever looks for one at the border.

    Shrinking blurs first, by a Gaussian of standard deviation (factor - 1) / 2 pixels, and interpolates bilinearly, as
    ``monai.transforms.Resized(mode="bilinear", anti_aliasing=True)``. Both are linear and act on one axis at a time, so
    they are two matrix products here, and channels are matched on whichever side has fewer of them. Unlike there, the
    edge is repeated beyond the image: MONAI blurs into black, which draws a dark frame. MONAI's affine follows.

    Pixels that are higher than wide, as ``pixel_aspect`` in the meta data says (height over width), become square.

    Args:
        keys: images (1, 3 or 4, X, Y), tracked.
        spatial_size: (X, Y) of the network's image in pixels.
        channels: 1 or 3: see :class:`monai_degia.MatchChannelsd`.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if the size is not two positive numbers or ``channels`` neither 1 nor 3; on call, if an image is
            empty or has another number of channels.

    """

    def __init__(
        self, keys: KeysCollection, spatial_size: Sequence[int], channels: int, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(spatial_size) != 2 or min(spatial_size) < 1:
            raise UserError(f"spatial_size must be two positive numbers (X, Y), got {tuple(spatial_size)}.")
        if channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {channels}.")
        self.spatial_size, self.channels = (int(spatial_size[0]), int(spatial_size[1])), channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Fit the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self._fit(d[key])
        return d

    def _fit(self, image: Tensor) -> Tensor:
        values = convert_to_tensor(image, dtype=torch.float32, track_meta=False)
        if values.ndim != 3 or 0 in values.shape:
            raise UserError(f"FitToSized takes images (C, X, Y) that are not empty, got shape {tuple(values.shape)}.")
        shape = values.shape[1:]
        lengths = (shape[0], shape[1] * _aspect(image))
        factor = min(wanted / length for wanted, length in zip(self.spatial_size, lengths, strict=True))
        inner = [max(1, round(length * factor)) for length in lengths]
        if len(values) > self.channels:
            values = match_channels(values, self.channels)
        along_x, along_y = (_bands(side, size) for side, size in zip(shape, inner, strict=True))
        rows = torch.cat([weights.to(values) @ values[:, first:last] for first, last, weights in along_x], 1)
        scaled = torch.cat([rows[..., first:last] @ weights.T.to(values) for first, last, weights in along_y], 2)
        scaled = match_channels(scaled, self.channels)
        before = [(wanted - size) // 2 for wanted, size in zip(self.spatial_size, inner, strict=True)]
        after = [w - size - b for w, size, b in zip(self.spatial_size, inner, before, strict=True)]
        result = functional.pad(scaled, (before[1], after[1], before[0], after[0]), mode="replicate")
        if not isinstance(image, MetaTensor):
            return result
        fitted = MetaTensor(result, meta=dict(image.meta))
        fitted.affine = image.affine @ affine_of_dims(_step(shape, inner, before), len(image.affine) - 1).to(
            image.affine
        )
        return fitted


def _aspect(image: Tensor) -> float:
    aspect = float(getattr(image, "meta", {}).get("pixel_aspect") or 1.0)
    # Nearly square is square, and what no scanner makes was never meant.
    return aspect if 0.1 < aspect < 10 and abs(aspect - 1) > _NEARLY_SQUARE else 1.0


def resample_weights(side: int, size: int) -> np.ndarray:
    """Weights that take ``side`` pixels to ``size``: blur before shrinking, then bilinear interpolation.

    Args:
        side: number of pixels now.
        size: number of pixels wanted.

    Returns:
        Float64 matrix (size, side) whose rows add up to 1.

    """
    factor = side / size
    places = ((np.arange(size) + 0.5) * factor - 0.5).clip(0, side - 1)
    first = np.floor(places).astype(np.int64)
    share = places - first
    kernel = _gaussian((factor - 1) / 2) if factor > 1 else np.ones(1)
    reach = len(kernel) // 2
    taps = first[:, None] + np.arange(-reach, reach + 2)
    weights = (1 - share)[:, None] * np.pad(kernel, (0, 1)) + share[:, None] * np.pad(kernel, (1, 0))
    matrix = np.zeros((size, side))
    # Taps beyond the edge fall on the last pixel, several on one.
    np.add.at(matrix, (np.arange(size)[:, None], taps.clip(0, side - 1)), weights)
    return matrix


def _gaussian(sigma: float) -> np.ndarray:
    """Integral of a Gaussian over each pixel, out to ``_TRUNCATED`` standard deviations, adding up to 1."""
    reach = int(max(sigma * _TRUNCATED, 0.5) + 0.5)
    edges = torch.arange(-reach, reach + 2, dtype=torch.float64) - 0.5
    steps = torch.erf(edges / (math.sqrt(2) * sigma)).diff().numpy()
    return steps / steps.sum()


@lru_cache(maxsize=64)  # the images of a folder tend to have few sizes
def _bands(side: int, size: int) -> list[tuple[int, int, Tensor]]:
    """The weights in bands of rows: the first and last pixels that a band's rows take from, and their weights.

    A pixel of the small image comes from few of the large one: most of the matrix is zeros, which take time too.
    """
    bands = []
    for weights in np.array_split(resample_weights(side, size), math.ceil(size / _BAND)):
        used = np.flatnonzero(weights.any(0))
        first, last = int(used[0]), int(used[-1]) + 1
        bands.append((first, last, torch.as_tensor(weights[:, first:last], dtype=torch.float32)))
    return bands


def _step(shape: Sequence[int], inner: Sequence[int], before: Sequence[int]) -> Tensor:
    """Matrix (4, 4) from pixels of the fitted image to those of the image before, pixel centres at integers."""
    matrix = torch.eye(4, dtype=torch.float64)
    for axis, (side, size, start) in enumerate(zip(shape, inner, before, strict=True)):
        matrix[axis, axis] = side / size
        matrix[axis, 3] = (0.5 - start) * side / size - 0.5
    return matrix
