"""What the maximisation phase climbs: Eq. (7) for a fixed pair of networks and, once bound, a fixed batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from monai.networks import eval_mode
from torch import Tensor, nn

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.degia import gaussian_wasserstein, negative_log_likelihood, prediction_shift, transport_cost
from monai_degia.losses.landmark import landmark_mse

__all__ = ["DISTANCES", "AscentObjective"]

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transport": transport_cost,
    "wasserstein": gaussian_wasserstein,
}


class AscentObjective:
    r"""The objective of the maximisation phase, Eq. (7).

    .. math::
        w_t L(M(x), y) + w_n \mathrm{NLL}(x) - \alpha\, d(x, x_{src}) + w_p \lVert M(x) - M(x_{src}) \rVert^2

    Every term is per sample and normalised by its dimension, so weights carry over between image sizes. A weight of 0
    leaves its term out and saves its cost.

    Args:
        network: the task network M, images (B, C, X, Y) to predictions.
        flow: the flow prior F; ``None`` needs ``nll_weight`` and ``alpha`` of 0.
        task_loss: prediction and target to one value a sample, shape (B,).
        task_weight: weight of the task loss.
        nll_weight: weight of the negative log-likelihood in nats a dimension.
        alpha: weight of the cost of leaving the source image, the paper's alpha.
        prediction_weight: weight of the shift of the prediction; the paper's sign is +, a negative weight is ADA's
            consistency term.
        distance: ``transport`` (latent transport cost) or ``wasserstein``.

    Raises:
        ValueError: if a flow term is asked for without a flow, or ``distance`` is unknown.

    """

    def __init__(
        self,
        network: nn.Module,
        flow: FlowPrior | None = None,
        task_loss: Callable[[Tensor, Tensor], Tensor] = landmark_mse,
        task_weight: float = 1.0,
        nll_weight: float = 1.0,
        alpha: float = 1.0,
        prediction_weight: float = 1.0,
        distance: str = "transport",
    ) -> None:
        if distance not in DISTANCES:
            raise ValueError(f"Unknown distance {distance!r}. Available: {', '.join(DISTANCES)}.")
        if flow is None and (nll_weight or alpha):
            raise ValueError(
                f"nll_weight={nll_weight} and alpha={alpha} weigh terms of the flow, but flow is None: pass a "
                "FlowPrior, or set both to 0."
            )
        self.network, self.flow, self.task_loss = network, flow, task_loss
        self.task_weight, self.nll_weight, self.alpha = task_weight, nll_weight, alpha
        self.prediction_weight, self.distance = prediction_weight, DISTANCES[distance]

    @contextmanager
    def bind(
        self, image: Tensor, target: Tensor, classes: Tensor | None, generator: torch.Generator | None = None
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """Fix the batch. Inside the context both networks are in eval mode and the value of images can be asked for.

        What belongs to the source images is computed once. The prior's noise is drawn once a sample and kept for the
        whole ascent, so that one shift of the domain is followed and not the mean of many.

        Args:
            image: source images, shape (B, C, X, Y).
            target: labels, whatever ``task_loss`` takes.
            classes: flow classes, shape (B,), or ``None``.
            generator: source of the prior's noise, on the CPU.

        Yields:
            A function of images (B, C, X, Y) to values (B,).

        """
        modules = [self.network] if self.flow is None else [self.network, self.flow]
        with _eval_mode(modules):
            prediction_source = self.network(image) if self.prediction_weight else None
            z_source = noise = None
            if self.flow is not None and self.alpha:
                z_source = self.flow(image)[0]
            if self.flow is not None and self.nll_weight:
                noise = self.flow.prior.draw_noise(len(image), generator).to(image)

            def value(x: Tensor) -> Tensor:
                total = x.new_zeros(len(x))
                if self.task_weight or self.prediction_weight:
                    total = total + self._task_terms(x, target, prediction_source)
                if self.nll_weight or self.alpha:
                    total = total + self._flow_terms(x, classes, noise, z_source)
                return total

            yield value

    def _task_terms(self, x: Tensor, target: Tensor, prediction_source: Tensor | None) -> Tensor:
        prediction = self.network(x)
        total = self.task_weight * self.task_loss(prediction, target)
        if prediction_source is not None:
            total = total + self.prediction_weight * prediction_shift(prediction, prediction_source)
        return total

    def _flow_terms(self, x: Tensor, classes: Tensor | None, noise: Tensor | None, z_source: Tensor | None) -> Tensor:
        if self.flow is None:
            raise ValueError("A flow term was asked for, but the objective has no flow.")
        z, log_det = self.flow(x)
        total = x.new_zeros(len(x))
        if self.nll_weight:
            log_prob = self.flow.log_prob_from_latent(z, log_det, classes, noise)
            total = total + self.nll_weight * negative_log_likelihood(log_prob, z.shape[1])
        if z_source is not None:
            total = total - self.alpha * self.distance(z, z_source)
        return total


@contextmanager
def _eval_mode(networks: list[nn.Module]) -> Iterator[None]:
    # MONAI's context puts a network back as a whole, and so would thaw the layers that fine-tuning keeps in eval mode.
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        with eval_mode(*networks):
            yield
    finally:
        for module, training in modes:
            module.training = training
