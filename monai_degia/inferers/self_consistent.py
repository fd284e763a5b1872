"""Ask a landmark network under many framings, and believe it where it agrees with itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.inferers.motions import Motions
from monai_degia.metrics.errors import hand_size

__all__ = ["SelfConsistentInferer"]

_SMALLEST = 1e-4  # of the hand size; predictions that agree better than that agree


class SelfConsistentInferer(Inferer):
    """Landmarks from turned, scaled and moved copies of an image, weighed by how well neighbouring copies agree.

    An unseen domain frames its object otherwise than the source does. Where a copy comes near to the source's framing,
    the network finds the same landmarks in that copy and in those moved a little further; elsewhere it guesses, and the
    guesses differ. So each copy's prediction is the mean over its nearest motions, and its weight is a negative power
    of their spread. No label and no further training is needed; the cost is ``num_views`` passes in place of one.

    Args:
        num_views: copies N of each image.
        rotation: largest turn in radians.
        scale_range: least and greatest factor of size.
        translation: largest move, as a fraction of the side.
        num_neighbours: copies, nearest in motion, whose predictions are compared, 2 or more.
        sharpness: power of the spread that makes the weights; 0 weighs all copies alike.
        seed: decides the motions, which are the same for every image, so that what an image gets does not depend on
            those beside it.

    Raises:
        ValueError: if an option is out of range.

    Example:
        >>> inferer = SelfConsistentInferer(num_views=8)
        >>> network = lambda images: images.mean((1, 2, 3))[:, None, None].expand(-1, 5, 2)
        >>> inferer(torch.rand(2, 1, 32, 32), network).shape
        torch.Size([2, 5, 2])

    """

    def __init__(
        self,
        num_views: int = 32,
        rotation: float = 0.6,
        scale_range: tuple[float, float] = (0.8, 1.9),
        translation: float = 0.15,
        num_neighbours: int = 4,
        sharpness: float = 8.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 2 <= num_neighbours <= num_views:
            raise ValueError(
                "num_neighbours must be at least 2, since one prediction has nothing to disagree with, and at most "
                f"num_views={num_views}, got {num_neighbours}."
            )
        if not 0 < scale_range[0] <= scale_range[1]:
            raise ValueError(f"scale_range must be two positive numbers, the smaller first, got {tuple(scale_range)}.")
        self.sharpness = sharpness
        self.motions = Motions.spread_evenly(num_views, rotation, scale_range, translation, seed)
        self.groups = self.motions.neighbours(num_neighbours)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict landmarks.

        Args:
            inputs: images, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side.
            *args: further arguments of the network.
            **kwargs: further arguments of the network.

        Returns:
            Shape (B, K, 2), normalised to the image side.

        """
        return self.predict(inputs, network, *args, **kwargs)[0]

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Predict landmarks, and tell how far the copies that were believed are apart.

        Args:
            inputs: images, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side.
            *args: further arguments of the network.
            **kwargs: further arguments of the network.

        Returns:
            Landmarks, shape (B, K, 2), normalised to the image side; and the root mean square distance from their mean
            of the predictions of neighbouring copies, weighed as the landmarks are, as a fraction of the hand size,
            shape (B, K), positive.

        """
        images = convert_to_tensor(inputs, track_meta=False)
        size = images.shape[2:]
        views = [
            self.motions.carry_back(network(self.motions.move(images, index), *args, **kwargs), index, size)
            for index in range(len(self.motions))
        ]
        return self.believe(torch.stack(views, 1), size)

    def believe(self, views: Tensor, image_size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Weigh predictions that were carried back to the image.

        Args:
            views: a prediction for each motion, shape (B, N, K, 2), normalised to the image side.
            image_size: (X, Y) in pixels.

        Returns:
            As :meth:`predict`.

        """
        sides = torch.tensor(image_size).to(views)
        groups = (views * sides)[:, self.groups]  # (B, N, G, K, 2)
        means = groups.mean(2)
        variance = (groups - means[:, :, None]).square().sum(-1).mean(2)  # (B, N, K)
        variance = variance / hand_size(means.flatten(0, 1)).view(means.shape[:2])[..., None].clamp_min(1e-6).square()
        spread = variance.mean(2).sqrt().clamp_min(_SMALLEST)
        weights = torch.softmax(-self.sharpness * spread.log(), 1)
        landmarks = (weights[:, :, None, None] * means).sum(1) / sides
        return landmarks, (weights[:, :, None] * variance).sum(1).sqrt().clamp_min(_SMALLEST)
