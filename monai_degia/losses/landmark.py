"""The task loss of landmark regression."""

from __future__ import annotations

from torch import Tensor, nn

from monai_degia.errors import UserError

__all__ = ["LandmarkMSELoss", "landmark_mse"]


def landmark_mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of normalised coordinates, one value a sample (the task loss in Eq. 5 and 7).

    Args:
        prediction: landmarks in network coordinates, shape (B, K, 2).
        target: same shape.

    Returns:
        Mean over landmarks and axes, shape (B,).

    Raises:
        ValueError: if the shapes differ.

    """
    if prediction.shape != target.shape:
        raise UserError(
            f"The network predicts landmarks of shape {tuple(prediction.shape)}, the labels have shape "
            f"{tuple(target.shape)}: build the network with num_landmarks of the data list, or choose "
            "the same landmark set for both."
        )
    return (prediction - target).square().flatten(1).mean(1)


class LandmarkMSELoss(nn.Module):
    """Mean of :func:`landmark_mse` over the batch, for MONAI's trainers."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Landmarks (B, K, 2) and (B, K, 2) to a scalar."""
        return landmark_mse(prediction, target).mean()
