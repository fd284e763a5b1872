"""The task loss of single-label classification, and the entropy of its prediction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from monai_degia.errors import UserError

__all__ = ["ClassificationLoss", "cross_entropy", "prediction_entropy"]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy in nats, one value a sample (the task loss in Eq. 5 and 7 where labels are classes).

    Args:
        logits: shape (B, K).
        target: classes, integers in [0, K), shape (B,).

    Returns:
        Shape (B,).

    Raises:
        TypeError: if the classes are not integers.
        ValueError: if the shapes do not fit together, or a class is out of range.

    """
    _check_logits(logits)
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise UserError(f"cross_entropy needs classes as integers, got {target.dtype}: load labels as integers.")
    if target.shape != logits.shape[:1]:
        raise UserError(
            f"cross_entropy needs one class a sample, shape {tuple(logits.shape[:1])} for logits of shape "
            f"{tuple(logits.shape)}, got {tuple(target.shape)}."
        )
    num_classes = logits.shape[1]
    if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < num_classes:
        raise UserError(
            f"The network knows classes 0 to {num_classes - 1}, the labels hold {int(target.min())} to "
            f"{int(target.max())}: build the network with num_classes of the data, and count classes from 0."
        )
    return nn.functional.cross_entropy(logits, target.long(), reduction="none")


def prediction_entropy(logits: Tensor) -> Tensor:
    """Entropy of the predicted distribution over classes in nats, the gain of ME-ADA (arXiv 2010.08001).

    Args:
        logits: shape (B, K).

    Returns:
        Between 0 and log K, shape (B,).

    Raises:
        ValueError: if the shape is another one.

    """
    _check_logits(logits)
    return Categorical(logits=logits, validate_args=False).entropy()


class ClassificationLoss(nn.Module):
    """Mean of :func:`cross_entropy` over the batch, for MONAI's trainers.

    Beside ``torch.nn.CrossEntropyLoss`` it says what is wrong with labels that do not fit the network, and leaves none
    of them out.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, K) and classes (B,) to a scalar in nats."""
        return cross_entropy(logits, target).mean()


def _check_logits(logits: Tensor) -> None:
    if logits.ndim != 2 or not logits.is_floating_point():
        raise UserError(
            f"A classifier's logits have shape (B, K) and are floating point, got {tuple(logits.shape)} of "
            f"{logits.dtype}."
        )
