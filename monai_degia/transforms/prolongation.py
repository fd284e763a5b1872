"""What lies beyond the image: an object that the edge cuts off goes on, narrower or wider."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.transforms import Randomizable
from torch import Tensor

__all__ = ["RandProlongation", "prolong"]

_LEAST_FACTOR = 0.2  # of what is widened, so that the cut edge never shrinks to a point


def prolong(points: Tensor, image_size: Sequence[int], middles: Tensor, taper: float, turn_back: float) -> Tensor:
    """Map places beyond the edge to those in the image that stand in for them; places inside stay.

    The edge is followed as it is (``turn_back`` 0), or back into the image, slower than a mirror does (``turn_back``
    1 is the mirror), so that what continues has a texture. What the edge cuts off narrows around its middle.

    Args:
        points: where pixels are fetched from, shape (..., 2), in pixels (x, y).
        image_size: (X, Y) in pixels.
        middles: middle of the object on each edge, shape (2, 2): that on the edge where axis 0 or 1 is least and
            greatest, as the coordinate of the other axis in pixels.
        taper: by how much of its width the object narrows within one side's length; negative widens it.
        turn_back: steps back into the image for each step beyond the edge, 0 to 1.

    Returns:
        Shape (..., 2), pixels; to be sampled with the border repeated.

    """
    sides = points.new_tensor(image_size)
    before, after = (-points).clamp_min(0), (points - (sides - 1)).clamp_min(0)
    moved = points
    for axis in (0, 1):
        for edge, over in ((0, before[..., axis]), (1, after[..., axis])):
            factor = (1 + taper * over / sides[axis]).clamp_min(_LEAST_FACTOR)
            other = middles[axis, edge] + (moved[..., 1 - axis] - middles[axis, edge]) * factor
            moved = torch.stack([moved[..., 0], other] if axis == 0 else [other, moved[..., 1]], -1)
    beyond = (-moved).clamp_min(0) - (moved - (sides - 1)).clamp_min(0)
    return moved + (1 + turn_back) * beyond


class RandProlongation(Randomizable):
    """Draw how an object goes on beyond the image: photographs end at the wrist, other images show the arm.

    Args:
        prob: probability of anything but the repeated border.
        taper_range: least and greatest taper, see :func:`prolong`.
        turn_back_range: least and greatest speed of the way back into the image.

    Raises:
        ValueError: if the speed leaves [0, 1], or a range is upside down.

    """

    def __init__(
        self,
        prob: float = 0.7,
        taper_range: tuple[float, float] = (-0.5, 2.0),
        turn_back_range: tuple[float, float] = (0.0, 0.6),
    ) -> None:
        if not taper_range[0] <= taper_range[1] or not 0 <= turn_back_range[0] <= turn_back_range[1] <= 1:
            raise ValueError(
                "taper_range and turn_back_range must be two numbers, the smaller first, those of turn_back_range in "
                f"[0, 1], got {tuple(taper_range)} and {tuple(turn_back_range)}."
            )
        self.prob, self.taper_range, self.turn_back_range = prob, taper_range, turn_back_range

    def __call__(self, points: Tensor, image_size: Sequence[int], landmarks: Tensor | None = None) -> Tensor:
        """Map places beyond the edge.

        Args:
            points: where pixels are fetched from, shape (..., 2), in pixels (x, y).
            image_size: (X, Y) in pixels.
            landmarks: shape (K, 2) in pixels; that nearest to an edge tells the object's middle there. Without them
                it is the middle of the edge.

        Returns:
            Shape (..., 2), pixels.

        """
        draw, taper, speed = self.R.uniform(), self.R.uniform(*self.taper_range), self.R.uniform(*self.turn_back_range)
        if draw >= self.prob:
            return points
        middles = (points.new_tensor(image_size).flip(0)[:, None] - 1).expand(2, 2) / 2
        if landmarks is not None:
            nearest = torch.stack([landmarks.argmin(0), landmarks.argmax(0)], 1)  # (axis, edge)
            middles = torch.stack([landmarks[nearest[axis], 1 - axis] for axis in (0, 1)])
        return prolong(points, image_size, middles, float(taper), float(speed))
