"""Agreement of the predictions for several views of the same images."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from monai_degia.errors import UserError

__all__ = ["ViewsLoss", "consistency_loss", "prediction_variance"]


def consistency_loss(logits: Tensor) -> Tensor:
    r"""How far the class probabilities of V views are from their mean (Xu et al., ICLR 2021, consistency term).

    .. math::
        \frac{1}{V} \sum_v \mathrm{KL}(p_v \,\|\, \bar p), \qquad \bar p = \frac{1}{V} \sum_v p_v

    This is the Jensen-Shannon divergence of the views, in [0, log V] nats; no gradient passes through the mean, with or
    without detaching it, since it cancels.

    Args:
        logits: shape (V, B, K).

    Returns:
        Shape (B,).

    Raises:
        ValueError: if ``logits`` is of another shape.

    """
    if logits.ndim != 3 or len(logits) == 0:
        raise UserError(f"consistency_loss expects logits of V views, (V, B, K), got shape {tuple(logits.shape)}.")
    log_p = logits.log_softmax(-1)
    log_mean = log_p.logsumexp(0) - math.log(len(logits))
    return (log_p.exp() * (log_p - log_mean)).sum(-1).mean(0)


def prediction_variance(prediction: Tensor) -> Tensor:
    """Variance over V views, mean over all entries of a sample: the consistency of regression.

    For Gaussians of one width it is the divergence of :func:`consistency_loss` from their mean, up to a factor.

    Args:
        prediction: shape (V, B, ...), e.g. landmarks (V, B, K, 2).

    Returns:
        Mean squared distance from the mean view, shape (B,).

    Raises:
        ValueError: if there is no axis of views and one of samples.

    """
    if prediction.ndim < 2 or len(prediction) == 0:
        raise UserError(
            f"prediction_variance expects predictions of V views, (V, B, ...), got shape {tuple(prediction.shape)}."
        )
    variance = prediction.var(0, correction=0)
    return variance.reshape(len(variance), -1).mean(1)


class ViewsLoss(nn.Module):
    """Task loss of the first view plus the weighted disagreement of all, as random convolution is trained.

    The other views enter by their agreement alone, as in Xu et al. (ICLR 2021).

    Args:
        task_loss: prediction (B, ...) and target to a scalar or one value a sample.
        consistency: predictions (V, B, ...) to values (B,): :func:`consistency_loss` for classes,
            :func:`prediction_variance` for coordinates.
        weight: weight of the mean consistency; 0 leaves it out.

    Raises:
        ValueError: if ``weight`` is negative; on call, if the predictions have no axis of views, as for one view alone.

    """

    def __init__(
        self,
        task_loss: Callable[[Tensor, Tensor], Tensor],
        consistency: Callable[[Tensor], Tensor] = consistency_loss,
        weight: float = 10.0,
    ) -> None:
        if not weight >= 0:
            raise UserError(f"weight must not be negative, disagreement is to shrink, got {weight}.")
        super().__init__()
        self.task_loss, self.consistency, self.weight = task_loss, consistency, weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Predictions (V, B, ...) and targets (B, ...) to a scalar."""
        if prediction.ndim < 3 or prediction.shape[1] != len(target):
            raise UserError(
                f"ViewsLoss expects predictions (V, {len(target)}, ...) for {len(target)} targets, got shape "
                f"{tuple(prediction.shape)}: train with a ViewsInferer of two or more views, or the task loss alone."
            )
        loss = self.task_loss(prediction[0], target).mean()
        return loss + self.weight * self.consistency(prediction).mean() if self.weight else loss
