"""The loss of each sample of a batch, from any loss of a whole batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["PerSampleLoss"]


class PerSampleLoss:
    """A loss that is computed for one sample at a time, as :class:`AscentObjective` needs it.

    An ascent must not mix samples. Losses with ``reduction="none"`` leave axes of different kinds, and sums of them,
    such as ``monai.losses.DiceCELoss``, may broadcast one sample's over another's; a batch of one has no other.

    Args:
        loss: prediction and target of a batch to one number, e.g. ``monai.losses.DiceLoss(sigmoid=True)``,
            ``torch.nn.CrossEntropyLoss()`` or ``torch.nn.MSELoss()``.

    Example:
        >>> from monai.losses import DiceLoss
        >>> loss = PerSampleLoss(DiceLoss(sigmoid=True))
        >>> loss(torch.zeros(2, 1, 4, 4, 4), torch.ones(2, 1, 4, 4, 4)).shape
        torch.Size([2])

    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.loss = loss

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample.

        Args:
            prediction: output of the network, shape (B, ...).
            target: labels, shape (B, ...), whatever the loss takes.

        Returns:
            Shape (B,).

        Raises:
            ValueError: if the loss gives more than one number for a batch of one.

        """
        values = [self.loss(prediction[i : i + 1], target[i : i + 1]) for i in range(len(prediction))]
        if values and values[0].numel() != 1:
            raise UserError(
                f"PerSampleLoss needs a loss that gives one number for a batch, got shape {tuple(values[0].shape)}: "
                'give it reduction="mean".'
            )
        return torch.stack([value.reshape(()) for value in values]) if values else prediction.new_zeros(0)
