"""Ask a landmark network under many framings, and believe it where it agrees with itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from monai_degia.inferers.motions import Motions
from monai_degia.metrics.errors import hand_size
from monai_degia.networks.inference_copy import InferenceCopies

__all__ = ["SelfConsistent", "SelfConsistentInferer"]

_BATCH = 64  # images that the network gets at once, where there are fewer
_SMALLEST = 1e-4  # of the hand size; predictions that agree better than that agree


class SelfConsistent(NamedTuple):
    """What copies of an image say together.

    Args:
        landmarks: shape (B, K, 2), normalised to the image side.
        disagreement: root mean square distance from their mean of the predictions of neighbouring copies, weighed as
            the landmarks are, as a fraction of the hand size, shape (B, K), positive.
        mirrored: whether the mirrored copies were believed, shape (B,).

    """

    landmarks: Tensor
    disagreement: Tensor
    mirrored: Tensor


class SelfConsistentInferer(Inferer):
    """Landmarks from turned, scaled and moved copies of an image, weighed by how well neighbouring copies agree.

    An unseen domain frames its object otherwise than the source does. Where a copy comes near to the source's framing,
    the network finds the same landmarks in that copy and in those moved a little further; elsewhere it guesses, and the
    guesses differ. So each copy's prediction is the mean over its nearest motions, and its weight is a negative power
    of their spread. No label and no further training is needed; the cost is ``num_views`` passes in place of one.

    A network that learned hands of one side guesses on those of the other. With ``either_side`` every image is asked in
    both ways, which doubles the cost, and the side whose copies have the larger sum of weights is believed.

    Args:
        num_views: copies N of each image.
        rotation: largest turn in radians.
        scale_range: least and greatest factor of size.
        translation: largest move, as a fraction of the side.
        num_neighbours: copies, nearest in motion, whose predictions are compared, 2 or more.
        sharpness: power of the spread that makes the weights; 0 weighs all copies alike.
        either_side: also ask with images mirrored (x reversed), for objects of which only one side was trained on.
        side_factor: how much better mirrored copies must agree to be believed, above 1 where images of the trained side
            are the more likely ones.
        seed: decides the motions, which are the same for every image, so that what an image gets does not depend on
            those beside it.
        autocast_dtype: ``torch.bfloat16`` runs a :class:`LandmarkRegressor` in that precision; ``None`` in its own.

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
        num_views: int = 64,
        rotation: float = 0.6,
        scale_range: tuple[float, float] = (0.8, 1.9),
        translation: float = 0.15,
        num_neighbours: int = 4,
        sharpness: float = 8.0,
        either_side: bool = False,
        side_factor: float = 1.16,
        seed: int = 0,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 2 <= num_neighbours <= num_views:
            raise ValueError(
                "num_neighbours must be at least 2, since one prediction has nothing to disagree with, and at most "
                f"num_views={num_views}, got {num_neighbours}."
            )
        if not 0 < scale_range[0] <= scale_range[1]:
            raise ValueError(f"scale_range must be two positive numbers, the smaller first, got {tuple(scale_range)}.")
        if either_side and not (sharpness > 0 and side_factor > 0):
            raise ValueError(
                "either_side compares weights, so it needs sharpness and side_factor above 0, got "
                f"sharpness={sharpness:g} and side_factor={side_factor:g}."
            )
        self.sharpness, self.either_side, self.side_factor = sharpness, either_side, side_factor
        self.motions = Motions.spread_evenly(num_views, rotation, scale_range, translation, seed)
        self.groups = self.motions.neighbours(num_neighbours)
        self._copies = InferenceCopies(autocast_dtype)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict landmarks.

        Args:
            inputs: images, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side; it gets several copies at once.
            *args: further arguments of the network, the same for all copies.
            **kwargs: further arguments of the network.

        Returns:
            Shape (B, K, 2), normalised to the image side.

        """
        return self.predict(inputs, network, *args, **kwargs).landmarks

    @torch.no_grad()
    def predict(
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        *args: Any,
        side_known: Tensor | None = None,
        **kwargs: Any,
    ) -> SelfConsistent:
        """Predict landmarks, and tell how far the copies that were believed are apart.

        Args:
            inputs: images, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side; it gets several copies at once.
            *args: further arguments of the network, the same for all copies.
            side_known: images that show the trained side for certain and are not asked mirrored, boolean, shape (B,);
                default: none.
            **kwargs: further arguments of the network.

        Returns:
            Landmarks, how far they disagree, and which images were believed mirrored.

        """
        images = convert_to_tensor(inputs, track_meta=False)
        landmarks, variance, weight = self._look(images, network, *args, **kwargs)
        mirrored = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        unknown = ~mirrored if side_known is None else ~side_known.to(mirrored)
        if self.either_side and unknown.any():
            others, other_variance, other_weight = self._look(images[unknown].flip(2), network, *args, **kwargs)
            margin = self.sharpness * math.log(self.side_factor)
            mirrored[unknown] = other_weight > weight[unknown] + margin
            chosen = mirrored[unknown]
            others[..., 0] = 1 - others[..., 0]
            landmarks[mirrored], variance[mirrored] = others[chosen], other_variance[chosen]
        return SelfConsistent(landmarks, variance.sqrt().clamp_min(_SMALLEST), mirrored)

    def _look(
        self, images: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        size, predict = images.shape[2:], self._copies(network) if isinstance(network, nn.Module) else network
        views = []
        # One image at a time leaves a processor idle: several motions of it make a batch.
        for motions in self.motions.split(max(1, _BATCH // len(images))):
            prediction = predict(motions.move(images).flatten(0, 1), *args, **kwargs)
            views.append(motions.carry_back(prediction.unflatten(0, (len(motions), len(images))), size))
        return self.believe(torch.cat(views).transpose(0, 1), size)

    def believe(self, views: Tensor, image_size: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Weigh predictions that were carried back to the image.

        Args:
            views: a prediction for each motion, shape (B, N, K, 2), normalised to the image side.
            image_size: (X, Y) in pixels.

        Returns:
            Landmarks, shape (B, K, 2), normalised to the image side; the variance of neighbours that goes with them, in
            hand sizes squared, shape (B, K); the logarithm of the sum of weights before they are normalised,
            shape (B,).

        """
        sides = torch.tensor(image_size).to(views)
        groups = (views * sides)[:, self.groups]  # (B, N, G, K, 2)
        means = groups.mean(2)
        variance = (groups - means[:, :, None]).square().sum(-1).mean(2)  # (B, N, K)
        variance = variance / hand_size(means.flatten(0, 1)).view(means.shape[:2])[..., None].clamp_min(1e-6).square()
        log_weights = -self.sharpness * variance.mean(2).sqrt().clamp_min(_SMALLEST).log()
        weights = torch.softmax(log_weights, 1)
        landmarks = (weights[:, :, None, None] * means).sum(1) / sides
        return landmarks, (weights[:, :, None] * variance).sum(1), log_weights.logsumexp(1)
