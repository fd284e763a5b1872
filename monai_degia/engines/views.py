"""Random views of a batch on the way into the network: augmentation on the fly, where the batch is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.transforms import Randomizable
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.augment.convolution import random_convolution
from monai_degia.errors import UserError

__all__ = ["ViewsInferer"]


class ViewsInferer(Inferer, Randomizable):
    """Augment a batch V times and run the network once on all views; for the trainer, in place of ``SimpleInferer``.

    Everything but the network sees the images as they are: labels, the flow, and what is logged. Layers that use
    statistics of the batch see all views together. Name it to :class:`monai_degia.EpochSeedHandler`, so that a resumed
    run draws what an uninterrupted one would have drawn.

    Args:
        num_views: views V, 1 or more.
        augment: images (B, C, ...) and a generator on the CPU to images of the same shape.
        prob: share of samples that are augmented, drawn for every view of every sample.
        include_source: let the first of the V views be the images as they are.
        seed: decides the draws until ``set_random_state`` is called.

    Raises:
        ValueError: if an option is out of range; on call, if ``augment`` changes the shape or the network does not give
            one prediction for each image.

    """

    def __init__(
        self,
        num_views: int = 3,
        augment: Callable[[Tensor, torch.Generator], Tensor] = random_convolution,
        prob: float = 1.0,
        include_source: bool = False,
        seed: int = 0,
    ) -> None:
        if num_views < 1 + include_source:
            raise UserError(
                f"num_views must be at least {1 + include_source} with include_source={include_source}, which takes "
                f"one of them if set, got {num_views}."
            )
        if not 0 <= prob <= 1:
            raise UserError(f"prob must lie in [0, 1], got {prob}.")
        super().__init__()
        self.num_views, self.augment, self.prob, self.include_source = num_views, augment, prob, include_source
        self.seed = 0
        self.set_random_state(seed)

    def randomize(self, data: Any = None) -> None:
        """Draw the seed of the batch's views."""
        self.seed = int(self.R.randint(np.iinfo(np.int32).max))

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict for all views.

        Args:
            inputs: images (B, C, ...).
            network: images (V * B, C, ...) to predictions (V * B, ...); called once.
            *args: passed to the network.
            **kwargs: passed to the network.

        Returns:
            Predictions (V, B, ...), view by view; (B, ...) if there is one view.

        """
        self.randomize()
        generator = torch.Generator().manual_seed(self.seed)
        images = convert_to_tensor(inputs, track_meta=False)
        views = [images] if self.include_source else []
        views += [self._view(images, generator) for _ in range(self.num_views - len(views))]
        stacked = torch.cat(views)
        prediction = network(stacked, *args, **kwargs)
        if not isinstance(prediction, Tensor) or prediction.shape[:1] != stacked.shape[:1]:
            found = tuple(prediction.shape) if isinstance(prediction, Tensor) else type(prediction).__name__
            raise UserError(
                f"ViewsInferer needs a network that gives one tensor of {len(stacked)} predictions, one for each image "
                f"of {self.num_views} views, got {found}."
            )
        return prediction if self.num_views == 1 else prediction.unflatten(0, (self.num_views, len(images)))

    def _view(self, images: Tensor, generator: torch.Generator) -> Tensor:
        augmented = self.augment(images, generator)
        if augmented.shape != images.shape:
            raise UserError(
                f"augment must keep the shape of the images {tuple(images.shape)}, got {tuple(augmented.shape)}."
            )
        if self.prob == 1:
            return augmented
        chosen = torch.rand(len(images), generator=generator) < self.prob
        return torch.where(chosen.to(images.device).view(-1, *[1] * (images.ndim - 1)), augmented, images)
