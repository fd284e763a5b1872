"""Random width and sharpness of bright strokes: another pen, another lens, or another scanner's threshold."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor
from torch.nn import functional as F

from monai_degia.augment.convolution import convolve_each
from monai_degia.errors import UserError

__all__ = ["RandStrokesd", "soften_strokes", "widen_strokes"]


def widen_strokes(images: Tensor, amount: Tensor) -> Tensor:
    """Grow what is bright by some pixels to each side, or shrink it: grey dilation and erosion by a cross.

    Args:
        images: shape (B, C, X, Y), any values.
        amount: pixels, shape (B,); fractions mix the two whole numbers beside them, negative ones shrink.

    Returns:
        Images of the same shape; none of its values is new to the image where the amount is whole.

    """
    out, left = images, amount.abs().to(images).view(-1, 1, 1, 1)
    sign = torch.where(amount < 0, -1.0, 1.0).to(images).view(-1, 1, 1, 1)
    while len(rows := torch.nonzero(left.flatten() > 0).flatten()):
        part = out[rows]
        grown = _maximum_of_cross(sign[rows] * part) * sign[rows]
        out = out.index_copy(0, rows, part + left[rows].clamp(0, 1) * (grown - part))
        left = left - 1
    return out


def _maximum_of_cross(images: Tensor) -> Tensor:
    # The pool pads with minus infinity, so that the border neither grows nor shrinks anything.
    along_x = F.max_pool2d(images, (3, 1), 1, (1, 0))
    return torch.maximum(along_x, F.max_pool2d(images, (1, 3), 1, (0, 1)))


def soften_strokes(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image by a Gaussian of its own, then bring its greatest value back to what it was.

    The kernel is sampled at whole pixels up to three of the largest sigma; borders are replicated.

    Args:
        images: shape (B, C, X, Y), values from 0.
        sigma: standard deviations in pixels, shape (B,), at least 0; an image with 0 stays as it is.

    Returns:
        Images of the same shape.

    """
    if not bool((sigma > 0).any()):
        return images
    radius = math.ceil(3 * float(sigma.max()))
    places = torch.arange(-radius, radius + 1).to(images)
    weights = torch.exp(-0.5 * (places / sigma.to(images).clamp(min=1e-3)[:, None]) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    batch, channels = images.shape[:2]
    kernels = weights.repeat_interleave(channels, 0)[:, None, None]
    each = images.flatten(0, 1)[:, None]
    soft = convolve_each(convolve_each(each, kernels[..., None]), kernels[..., None, :]).view_as(images)
    white, whitest = (x.flatten(1).amax(1).view(batch, 1, 1, 1) for x in (images, soft))
    soft = soft * (white / whitest.clamp(min=1e-6))
    return torch.where(sigma.to(images.device).view(-1, 1, 1, 1) > 0, soft, images)


class RandStrokesd(RandomizableTransform, MapTransform):
    """Thicker or thinner strokes, for some images softer ones, then for some black and white alone; labels stay.

    On a batch at once (:meth:`apply_batch`, which :class:`monai_degia.PrepareAugmentedBatch` calls in training). What
    an ascent has generated is left as it is where the batch tells it (``generated_key``): strokes belong to the digit
    before its appearance changes, and a threshold would take from a texture what the ascent has found.

    Args:
        keys: images (C, X, Y) in [0, 1], bright on dark.
        prob: probability of another width, in [0, 1].
        width_range: least and greatest change in pixels to each side of a stroke; negative is thinner.
        soft_prob: probability of a blur, in [0, 1], drawn apart from the width.
        soft_range: least and greatest standard deviation of the blur in pixels; the greatest value stays.
        binarize_prob: probability of a threshold, in [0, 1], drawn apart from the others.
        threshold_range: least and greatest threshold, as a share of the image's greatest value: what lies above
            becomes that value, the rest 0.
        generated_key: key of one flag an image that says whether an ascent has made it; may be missing.
        allow_missing_keys: do nothing where an image is missing.

    Attributes:
        num_draws: random numbers that a sample takes.

    Raises:
        ValueError: if a probability or a range is none.

    """

    num_draws = 6

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 0.5,
        width_range: tuple[float, float] = (-1.0, 1.5),
        soft_prob: float = 0.0,
        soft_range: tuple[float, float] = (0.5, 1.5),
        binarize_prob: float = 0.3,
        threshold_range: tuple[float, float] = (0.0, 0.7),
        generated_key: str = "generated",
        allow_missing_keys: bool = False,
    ) -> None:
        for name, value in (("prob", prob), ("soft_prob", soft_prob), ("binarize_prob", binarize_prob)):
            if not 0 <= value <= 1:
                raise UserError(f"{name} must lie in [0, 1], got {value}.")
        if not width_range[0] <= width_range[1]:
            raise UserError(f"width_range must be two numbers of pixels, the smaller first, got {width_range}.")
        if not 0 < soft_range[0] <= soft_range[1]:
            raise UserError(f"soft_range must be two positive numbers of pixels, the smaller first, got {soft_range}.")
        if not 0 <= threshold_range[0] <= threshold_range[1] < 1:
            raise UserError(f"threshold_range must be two shares in [0, 1), the smaller first, got {threshold_range}.")
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.width_range, self.threshold_range = tuple(width_range), tuple(threshold_range)
        self.soft_prob, self.soft_range = soft_prob, tuple(soft_range)
        self.binarize_prob, self.generated_key = binarize_prob, generated_key
        self.draws = np.zeros(self.num_draws)

    def randomize(self, data: Any = None) -> None:
        """Draw the random numbers of one sample."""
        self.draws = self.R.uniform(size=self.num_draws)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then change the images of one sample."""
        self.randomize(None)
        d = dict(data)
        draws = torch.as_tensor(self.draws)[None]
        for key in self.key_iterator(d):
            image = convert_to_tensor(d[key], track_meta=False)[None]
            d[key] = convert_to_dst_type(self._apply(image, draws)[0], d[key])[0]
        return d

    def apply_batch(self, batch: Mapping[Hashable, Any], draws: Tensor) -> dict[Hashable, Any]:
        """Change the images of a batch, each by random numbers of its own.

        Args:
            batch: images (B, C, X, Y), plain floating point tensors; flags (B,) where there are any.
            draws: numbers in [0, 1), shape (B, num_draws), float64.

        Returns:
            The batch with other images; everything else is kept.

        """
        d = dict(batch)
        generated = d.get(self.generated_key)
        chosen = torch.arange(len(draws)) if generated is None else (~generated.cpu().bool()).nonzero()[:, 0]
        for key in self.key_iterator(d):
            rows = chosen.to(d[key].device)
            d[key] = d[key].index_copy(0, rows, self._apply(d[key][rows], draws[chosen]))
        return d

    def _apply(self, images: Tensor, draws: Tensor) -> Tensor:
        wide, amount, sharp, threshold, soft, sigma = draws.to(images.device).unbind(1)
        (least, greatest), (low, high) = self.width_range, self.threshold_range
        sharpest, softest = self.soft_range
        images = widen_strokes(images, torch.where(wide < self.prob, least + (greatest - least) * amount, 0.0))
        sigma = torch.where(soft < self.soft_prob, sharpest + (softest - sharpest) * sigma, 0.0)
        images = soften_strokes(images, sigma)
        white = images.flatten(1).amax(1).view(-1, 1, 1, 1)
        level = (low + (high - low) * threshold).to(images).view(-1, 1, 1, 1)
        binary = torch.where(images > level * white, white, torch.zeros_like(white))
        return torch.where((sharp < self.binarize_prob).view(-1, 1, 1, 1), binary, images)
