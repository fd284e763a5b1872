"""Another background behind what was photographed on a plain one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.drawn import RandDrawnd
from monai_degia.augment.plain_ground import separate_ground
from monai_degia.augment.scenery import random_scenery
from monai_degia.errors import UserError

__all__ = ["RandBackgroundd"]

_SEEDS = 2**31


class RandBackgroundd(RandDrawnd):
    """Put a random scene behind what was photographed on a plain background, such as a wall, a table or a green screen.

    Photographs that are easy to label are often taken so, and a network that sees no other takes every edge for the
    object's. Each image's background is found by :func:`separate_ground`. An image that has none stays as it is, and so
    does one that shows none of its landmarks or whose background would take more than a tenth of them; so the transform
    can be given photographs of all kinds. For training only.

    Args:
        keys: images (C, X, Y), floating point, about [0, 1]; those that change are clipped to it.
        landmark_keys: landmarks (K, 2) in pixels of the image, on the object, which stay; the first key that is there
            counts. With none, the background is what the image's border shows.
        prob: probability for an image on a plain background.
        allow_missing_keys: do nothing where an image is missing, and do without landmarks where they are.

    Attributes:
        num_draws: random numbers that a sample takes: whether, and the seed of the scene.
        draws: those of the last sample, numbers in [0, 1).

    Raises:
        ValueError: if ``prob`` is out of range; on call, if images are not flat or of another scale, or landmarks are
            not (K, 2).

    """

    num_draws = 2

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f"prob must lie in [0, 1], got {prob}.")
        super().__init__(keys, landmark_keys, prob, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then replace the background or not."""
        d = dict(data)
        images = list(self.key_iterator(d))
        self.randomize(None)
        one = {key: convert_to_tensor(d[key], track_meta=False)[None] for key in (*images, *self._marked(d))}
        changed = self.apply_batch(one, torch.as_tensor(self.draws)[None])
        return {**d, **{key: convert_to_dst_type(changed[key][0], d[key])[0] for key in images}}

    def apply_batch(self, batch: Mapping[Any, Any], draws: Tensor) -> dict[Any, Any]:
        """Replace backgrounds in a batch, each by random numbers of its own.

        Args:
            batch: images (B, C, X, Y) and landmarks (B, K, 2) in their pixels, plain tensors.
            draws: numbers in [0, 1), shape (B, num_draws), float64, on the CPU.

        Returns:
            The batch with other images; everything else is kept.

        """
        d = dict(batch)
        marked = self._marked(d)
        chosen = (draws[:, 0] < self.prob).nonzero()[:, 0]
        seeds = (draws[chosen, 1] * _SEEDS).long().tolist()
        for key in self.key_iterator(d):
            _check_images(key, d[key])
            taken = chosen.to(d[key].device)
            points = None
            if marked:
                _check_points(marked[0], d[marked[0]])
                points = d[marked[0]].to(d[key])[taken]
            if len(chosen) > 0:
                d[key] = d[key].index_copy(0, taken, _before_scenes(d[key][taken], points, seeds))
        return d

    def _marked(self, data: Mapping[Hashable, Any]) -> list[Hashable]:
        return [key for key in self.landmark_keys if key in data or not self.allow_missing_keys][:1]


def _before_scenes(images: Tensor, points: Tensor | None, seeds: Sequence[int]) -> Tensor:
    ground, share, plain = separate_ground(images, points)
    changed = images.clone()
    for index in plain.nonzero()[:, 0].tolist():
        scene = random_scenery(images[index], torch.Generator().manual_seed(seeds[index]))
        # What is half ground, at an edge or in a shadow, gets half of the difference: no rim of the old one is left.
        changed[index] = (images[index] + share[index] * (scene - ground[index])).clamp(0, 1)
    return changed


def _check_images(key: Hashable, images: Tensor) -> None:
    shape = tuple(images.shape[1:])
    if images.ndim != 4 or 0 in shape:
        raise UserError(f"RandBackgroundd takes flat images (C, X, Y), not empty, got shape {shape} under {key!r}.")
    if not images.is_floating_point():
        raise UserError(
            f"RandBackgroundd takes images of floating point numbers in [0, 1], got {images.dtype} under {key!r}: "
            "divide grey levels by 255 first."
        )
    low, high = (float(bound) for bound in images.aminmax()) if images.numel() else (0.0, 0.0)
    # Overshoots of interpolation and noise pass; grey levels of 8 bits and NaN do not.
    if not (low >= -1 and high <= 2):
        raise UserError(
            f"RandBackgroundd got values in [{low:g}, {high:g}] under {key!r}: scale the image to [0, 1] first "
            "(ScaleIntensityd), and leave out images with NaN."
        )


def _check_points(key: Hashable, points: Tensor) -> None:
    if points.ndim != 3 or points.shape[1] == 0 or points.shape[2] != 2:
        raise UserError(
            f"RandBackgroundd needs landmarks (K, 2) in pixels of the image, got shape {tuple(points.shape[1:])} "
            f"under {key!r}."
        )
