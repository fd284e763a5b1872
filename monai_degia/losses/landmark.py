"""The task loss of landmark regression."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_degia.errors import UserError

__all__ = ["LandmarkMSELoss", "labelled_landmarks", "landmark_mse", "mean_by_labels"]


def landmark_mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of normalised coordinates, one value a sample (the task loss in Eq. 5 and 7).

    Args:
        prediction: landmarks in network coordinates, shape (B, K, n); n is 2, or 3 in volumes.
        target: same shape; NaN where a landmark has no label.

    Returns:
        Mean over the labelled landmarks and axes, shape (B,); 0 where none is labelled.

    Raises:
        ValueError: if the shapes differ.

    """
    if prediction.shape != target.shape:
        raise UserError(
            f"The network predicts landmarks of shape {tuple(prediction.shape)}, the labels have shape "
            f"{tuple(target.shape)}: build the network with num_landmarks of the data list, or choose "
            "the same landmark set for both."
        )
    labelled = labelled_landmarks(target)
    # Not the error is masked but the label: NaN times 0 is NaN, in gradients too.
    wanted = torch.where(labelled[..., None], target, prediction.detach())
    squares = (prediction - wanted).square().flatten(1).sum(1)
    return squares / (labelled.sum(1) * target.shape[2]).clamp_min(1)


def labelled_landmarks(target: Tensor) -> Tensor:
    """Which landmarks have a label, boolean, shape (B, K)."""
    return ~target.isnan().any(-1)


class LandmarkMSELoss(nn.Module):
    """Mean of :func:`landmark_mse` over the labelled landmarks of the batch, for MONAI's trainers."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Landmarks (B, K, n) and (B, K, n) to a scalar."""
        return mean_by_labels(landmark_mse(prediction, target), target)


def mean_by_labels(losses: Tensor, target: Tensor) -> Tensor:
    """Mean over a batch in which a sample counts by the number of its labels, so that each label counts alike.

    Args:
        losses: a value a sample, shape (B,).
        target: landmarks, shape (B, K, n); NaN where a landmark has no label.

    Returns:
        A scalar; 0 if nothing is labelled.

    """
    counts = labelled_landmarks(target).sum(1)
    return (losses * counts).sum() / counts.sum().clamp_min(1)
