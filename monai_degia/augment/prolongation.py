"""What lies beyond the image: an object that the edge cuts off goes on, narrower or wider."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.transforms import Randomizable
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["RandProlongation", "prolong"]

_LEAST_FACTOR = 0.2  # of what is widened, so that the cut edge never shrinks to a point


def prolong(points: Tensor, image_size: Sequence[int], middles: Tensor, taper: Tensor, turn_back: Tensor) -> Tensor:
    """Map places beyond the edge to those in the image that stand in for them; places inside stay.

    The edge is followed as it is (``turn_back`` 0), or back into the image, slower than a mirror does (``turn_back``
    1 is the mirror), so that what continues has a texture. What the edge cuts off narrows around its middle.

    Args:
        points: where pixels are fetched from, shape (B, M, N, 2), in pixels (x, y).
        image_size: (X, Y) in pixels.
        middles: middle of the object on each edge, shape (B, 2, 2): that on the edge where axis 0 or 1 is least and
            greatest, as the coordinate of the other axis in pixels.
        taper: by how much of its width the object narrows within one side's length, shape (B,); negative widens it.
        turn_back: steps back into the image for each step beyond the edge, 0 to 1, shape (B,).

    Returns:
        Shape (B, M, N, 2), pixels; to be sampled with the border repeated.

    """
    sides = points.new_tensor(image_size)
    before, after = (-points).clamp_min(0), (points - (sides - 1)).clamp_min(0)
    moved = list(points.unbind(-1))
    taper, turn_back = taper[:, None, None], turn_back[:, None, None, None]
    for axis in (0, 1):
        for edge, over in ((0, before[..., axis]), (1, after[..., axis])):
            factor = (1 + taper * over / sides[axis]).clamp_min(_LEAST_FACTOR)
            middle = middles[:, axis, edge, None, None]
            moved[1 - axis] = middle + (moved[1 - axis] - middle) * factor
    places = torch.stack(moved, -1)
    beyond = (-places).clamp_min(0) - (places - (sides - 1)).clamp_min(0)
    return places + (1 + turn_back) * beyond


class RandProlongation(Randomizable):
    """Draw how an object goes on beyond the image: photographs end at the wrist, other images show the arm.

    Args:
        prob: probability of anything but the repeated border.
        taper_range: least and greatest taper, see :func:`prolong`.
        turn_back_range: least and greatest speed of the way back into the image.

    Raises:
        ValueError: if the speed leaves [0, 1], or a range is upside down.

    """

    #: Random numbers that a sample takes: whether, taper, speed.
    num_draws = 3

    def __init__(
        self,
        prob: float = 0.7,
        taper_range: tuple[float, float] = (-0.5, 2.0),
        turn_back_range: tuple[float, float] = (0.0, 0.6),
    ) -> None:
        if not taper_range[0] <= taper_range[1] or not 0 <= turn_back_range[0] <= turn_back_range[1] <= 1:
            raise UserError(
                "taper_range and turn_back_range must be two numbers, the smaller first, those of turn_back_range in "
                f"[0, 1], got {tuple(taper_range)} and {tuple(turn_back_range)}."
            )
        self.prob, self.taper_range, self.turn_back_range = prob, taper_range, turn_back_range

    def __call__(self, points: Tensor, image_size: Sequence[int], landmarks: Tensor | None = None) -> Tensor:
        """Map places beyond the edge of one image.

        Args:
            points: where pixels are fetched from, shape (..., 2), in pixels (x, y).
            image_size: (X, Y) in pixels.
            landmarks: shape (K, 2) in pixels; that nearest to an edge tells the object's middle there. Without them
                it is the middle of the edge.

        Returns:
            Shape (..., 2), pixels.

        """
        draws = torch.as_tensor(self.R.uniform(size=(1, self.num_draws)))
        flat = points.reshape(1, -1, 1, 2)
        return self.apply_batch(flat, image_size, None if landmarks is None else landmarks[None], draws).view_as(points)

    def apply_batch(self, points: Tensor, image_size: Sequence[int], landmarks: Tensor | None, draws: Tensor) -> Tensor:
        """Map places beyond the edges of a batch.

        Args:
            points: shape (B, M, N, 2), pixels.
            image_size: (X, Y) in pixels.
            landmarks: shape (B, K, 2) in pixels, NaN where missing, or ``None``, see :meth:`__call__`.
            draws: numbers in [0, 1), shape (B, 3), float64, on the CPU.

        Returns:
            Shape (B, M, N, 2), pixels.

        """
        chosen = (draws[:, 0] < self.prob).nonzero()[:, 0]
        if len(chosen) == 0:
            return points
        ranges = torch.tensor([self.taper_range, self.turn_back_range], dtype=torch.float64)
        taper, speed = (ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * draws[chosen, 1:]).to(points).unbind(1)
        middles = (points.new_tensor(image_size).flip(0)[:, None] - 1).expand(len(chosen), 2, 2) / 2
        chosen = chosen.to(points.device)
        if landmarks is not None:
            own = landmarks[chosen].to(points)
            missing = own.isnan()
            lowest, highest = (
                own.masked_fill(missing, torch.inf).argmin(1),
                own.masked_fill(missing, -torch.inf).argmax(1),
            )
            nearest = torch.stack([lowest, highest], 2)  # (B, axis, edge)
            found = own.flip(2).mT.gather(2, nearest)
            middles = torch.where(found.isnan(), middles, found)  # where nothing is labelled at all
        return points.index_copy(0, chosen, prolong(points[chosen], image_size, middles, taper, speed))
