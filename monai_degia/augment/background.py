"""Another background behind what was photographed on a plain one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.plain_ground import separate_ground
from monai_degia.augment.resampling import image_size
from monai_degia.augment.scenery import random_scenery
from monai_degia.errors import UserError

__all__ = ["RandBackgroundd"]

_SEEDS = 2**31


class RandBackgroundd(RandomizableTransform, MapTransform):
    """Put a random scene behind what was photographed on a plain background, such as a wall, a table or a green screen.

    Photographs that are easy to label are often taken so, and a network that sees no other takes every edge for the
    object's. The background is found by :func:`separate_ground`; an image that has none, or whose landmarks it would
    cut away, is left as it is, so the transform can be given photographs of all kinds. For training only.

    Args:
        keys: images (C, X, Y) in [0, 1].
        landmark_keys: landmarks (K, 2) in pixels of the image, which stay; the first key's lie on the object.
        prob: probability for an image on a plain background.
        allow_missing_keys: do nothing where an image is missing.

    Attributes:
        num_draws: random numbers that a sample takes: whether, and the seed of the scene.

    Raises:
        ValueError: if ``prob`` is out of range; on call, if images differ in size.

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
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.landmark_keys = (landmark_keys,) if isinstance(landmark_keys, str) else tuple(landmark_keys)
        self.draws = np.zeros(self.num_draws)

    def randomize(self, data: Any = None) -> None:
        """Draw the random numbers of one sample."""
        self.draws = self.R.uniform(size=self.num_draws)
        self._do_transform = bool(self.draws[0] < self.prob)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then replace the background or not."""
        d = dict(data)
        images = list(self.key_iterator(d))
        image_size(type(self).__name__, {key: d[key] for key in images})
        self.randomize(None)
        if not self._do_transform:
            return d
        named = [*images, *(key for key in self.landmark_keys[:1] if key in d or not self.allow_missing_keys)]
        batch = {key: convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)[None] for key in named}
        changed = self.apply_batch(batch, torch.as_tensor(self.draws)[None])
        return {**d, **{key: convert_to_dst_type(changed[key][0], d[key])[0] for key in images}}

    def apply_batch(self, batch: Mapping[Any, Any], draws: Tensor) -> dict[Any, Any]:
        """Replace backgrounds in a collated batch of plain tensors, see :class:`BatchAugmentation`."""
        d = dict(batch)
        chosen = (draws[:, 0] < self.prob).nonzero()[:, 0]
        if len(chosen) == 0:
            return d
        seeds = (draws[chosen, 1] * _SEEDS).long().tolist()
        points = d.get(self.landmark_keys[0])
        for key in self.key_iterator(d):
            taken = chosen.to(d[key].device)
            changed = _before_scenes(d[key][taken], None if points is None else points[taken], seeds)
            d[key] = d[key].index_copy(0, taken, changed)
        return d


def _before_scenes(images: Tensor, points: Tensor | None, seeds: Sequence[int]) -> Tensor:
    ground, share, plain = separate_ground(images, points)
    changed = images.clone()
    for index in plain.nonzero()[:, 0].tolist():
        scene = random_scenery(images[index], torch.Generator().manual_seed(seeds[index]))
        # What is half ground, at an edge or in a shadow, gets half of the difference: no rim of the old one is left.
        changed[index] += share[index] * (scene - ground[index])
    return changed.clamp(0, 1)
