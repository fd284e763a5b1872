"""A loss on the maps of a heatmap head, beside that on its coordinates."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from monai_degia.errors import UserError
from monai_degia.losses.landmark import LandmarkMSELoss, mean_by_labels
from monai_degia.networks.heads import HeatmapHead

__all__ = ["HeatmapLoss", "heatmap_divergence", "landmark_loss"]


def heatmap_divergence(heatmaps: Tensor, target: Tensor, sigma: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence of a map's softmax from a Gaussian about the label, one value a sample.

    Args:
        heatmaps: unnormalised log-weights, shape (B, K, X, Y) or (B, K, X, Y, Z), in cells of the image.
        target: landmarks in network coordinates, shape (B, K, 2) or (B, K, 3); those outside [0, 1] have no place in a
            map, and those without a label, NaN, none anywhere: they do not count.
        sigma: standard deviation of the Gaussian, in cells.

    Returns:
        Mean over the landmarks that count, 0 or more, shape (B,).

    """
    sides = torch.tensor(heatmaps.shape[2:]).to(target)
    inside = ((target >= 0) & (target <= 1)).all(2)  # false for NaN
    target = target.nan_to_num(0.5)
    # Middles of the cells are at halves.
    logarithm = target.new_zeros(())
    for axis, side in enumerate(sides):
        away = (torch.arange(int(side)).to(target) + 0.5 - target[..., axis, None] * side) / sigma
        along = -0.5 * away.square()
        logarithm = logarithm[..., None] + along.unflatten(2, [*[1] * axis, -1])
    wanted = torch.log_softmax(logarithm.flatten(2), 2)
    found = torch.log_softmax(heatmaps.float().flatten(2), 2)
    divergence = (wanted.exp() * (wanted - found)).sum(2)
    return (divergence * inside).sum(1) / inside.sum(1).clamp_min(1)


class HeatmapLoss(nn.Module):
    """Task loss of the coordinates plus the weighted divergence of the maps that they come from, for MONAI's trainers.

    Coordinates alone say nothing of a map's form: one with two peaks whose mean is right is as good as one with a
    single peak. The loss listens to the head while it trains, so the network still returns coordinates alone.

    Args:
        head: the head of the network that is trained.
        weight: of the divergence.
        sigma: standard deviation of the maps that are wanted, in cells of the map.
        task_loss: coordinates (B, K, n) and labels to a scalar.

    Raises:
        ValueError: if an option is out of range; on call, if the head has made no maps for these samples.

    """

    def __init__(
        self,
        head: HeatmapHead,
        weight: float = 0.01,
        sigma: float = 1.0,
        task_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        if not isinstance(head, HeatmapHead):
            raise UserError(f"HeatmapLoss needs a network with head='heatmap', got a {type(head).__name__}.")
        if not (weight >= 0 and sigma > 0):
            raise UserError(f"weight must not be negative and sigma positive, got {weight} and {sigma}.")
        super().__init__()
        self.weight, self.sigma, self.task_loss = weight, sigma, task_loss or LandmarkMSELoss()
        self._heatmaps: Tensor | None = None
        head.output.register_forward_hook(self._listen)

    def _listen(self, _module: nn.Module, _inputs: tuple[Tensor, ...], heatmaps: Tensor) -> None:
        # An ascent passes images through the same head, in evaluation mode; those maps are nobody's.
        self._heatmaps = heatmaps if _module.training else self._heatmaps

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Landmarks (B, K, n) and (B, K, n) to a scalar."""
        heatmaps, self._heatmaps = self._heatmaps, None
        if heatmaps is None or len(heatmaps) < len(target):
            raise UserError("HeatmapLoss has heard of no forward pass of its head in training mode for these samples.")
        loss = self.task_loss(prediction, target).mean()
        # Of several views the first one is labelled, as ViewsLoss has it.
        divergence = heatmap_divergence(heatmaps[: len(target)], target, self.sigma)
        return loss + self.weight * mean_by_labels(divergence, target)


def landmark_loss(network: nn.Module) -> nn.Module:
    """The task loss that suits a network: :class:`HeatmapLoss` where its ``head`` makes heatmaps, else the error alone.

    Args:
        network: images to landmarks (B, K, n).

    """
    head = getattr(network, "head", None)
    return HeatmapLoss(head) if isinstance(head, HeatmapHead) else LandmarkMSELoss()
