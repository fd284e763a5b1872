"""What the maximisation phase climbs: Eq. (7) for a fixed pair of networks and, once bound, a fixed batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks import eval_mode
from torch import Tensor, nn

from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.classification import prediction_entropy
from monai_degia.losses.degia import gaussian_wasserstein, negative_log_likelihood, prediction_shift, transport_cost
from monai_degia.losses.landmark import landmark_mse

__all__ = ["DISTANCES", "AscentObjective"]

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transport": transport_cost,
    "wasserstein": gaussian_wasserstein,
}


#: Images this near to the source images are those: what a parametrisation decodes may differ by the last bits.
_ROUNDING = 1e-6


@dataclass
class _Batch:
    """What is fixed while a batch is bound."""

    target: Tensor
    classes: Tensor | None
    noise: Tensor | None
    source: _Source | None = None


@dataclass
class _Source:
    """What belongs to the source images; ``None`` for what no term needs."""

    prediction: Tensor | None
    features: Tensor | None
    latent: Tensor | None


@dataclass
class _Passes:
    """What the networks say of images; ``None`` where they are not needed."""

    output: Tensor | None
    features: Tensor | None
    latent: Tensor | None
    log_det: Tensor | None


class AscentObjective:
    r"""The objective of the maximisation phase, Eq. (7), and those of its peers ADA and ME-ADA.

    .. math::
        w_t L(M(x), y) + w_n \mathrm{NLL}(x) - \alpha\, d(x, x_{src}) + w_p \lVert p(M(x)) - p(M(x_{src})) \rVert^2
        - w_f \lVert h(x) - h(x_{src}) \rVert^2 + w_e H(M(x))

    Every term is per sample and normalised by its dimension, so weights carry over between image sizes. A weight of 0
    leaves its term out and saves its cost; logits, entropy and features come from one pass of the network.

    The first line is DeGIA. ADA (arXiv 1805.12018) climbs the task loss less the feature cost, ME-ADA (arXiv
    2010.08001) adds the entropy H. The authors' programs take the mean over the D features, as is done here, so their
    gamma is ``feature_weight``; a gamma that multiplies a *sum* of squares is a ``feature_weight`` of gamma * D, and of
    gamma * D / 2 where the formula halves the sum.

    Args:
        network: the task network M, images (B, C, X, Y), or volumes (B, C, X, Y, Z), to predictions of any shape.
        flow: the flow prior F; ``None`` needs ``nll_weight`` and ``alpha`` of 0.
        task_loss: prediction and target to one value a sample, shape (B,), e.g. :func:`landmark_mse` or
            :func:`cross_entropy`.
        task_weight: weight of the task loss.
        nll_weight: weight of the negative log-likelihood in nats a dimension.
        alpha: weight of the cost of leaving the source image, the paper's alpha.
        prediction_weight: weight of the shift of the prediction; the paper's sign is +, a negative weight holds the
            prediction back.
        distance: ``transport`` (latent transport cost) or ``wasserstein``.
        prediction: from the network's output to p, whose shift is weighed, e.g. a softmax over logits; ``None`` takes
            the output as it is.
        features: h, images to features (B, ...) of any shape; a module is held in eval mode. ``None``
            takes ``network.features``, from which ``network.classify`` makes the prediction without a second pass.
        feature_weight: weight of the cost of moving in feature space, which is subtracted.
        entropy_weight: weight of the entropy of the prediction in nats, for networks that return logits (B, K).
        autocast_dtype: ``torch.bfloat16`` runs the task network in that precision; the flow keeps its own, and the
            terms are computed in float32.

    Raises:
        ValueError: if a flow term has a weight without a flow, a feature term without features, or ``distance`` is
            unknown.

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
        prediction: Callable[[Tensor], Tensor] | None = None,
        features: Callable[[Tensor], Tensor] | None = None,
        feature_weight: float = 0.0,
        entropy_weight: float = 0.0,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        if distance not in DISTANCES:
            raise UserError(f"Unknown distance {distance!r}. Available: {', '.join(DISTANCES)}.")
        if flow is None and (nll_weight or alpha):
            raise UserError(
                f"nll_weight={nll_weight} and alpha={alpha} weigh terms of the flow, but flow is None: pass a "
                "FlowPrior, or set both to 0."
            )
        if features is None and feature_weight and not _offers_features(network):
            raise UserError(
                f"feature_weight={feature_weight} weighs features, but {type(network).__name__} has no methods "
                "features and classify: pass features=, a function of images, or set the weight to 0."
            )
        self.network, self.flow, self.task_loss = network, flow, task_loss
        self.task_weight, self.nll_weight, self.alpha = task_weight, nll_weight, alpha
        self.prediction_weight, self.distance = prediction_weight, DISTANCES[distance]
        self.prediction, self.features = prediction or nn.Identity(), features
        self.feature_weight, self.entropy_weight = feature_weight, entropy_weight
        self.autocast_dtype = autocast_dtype

    @contextmanager
    def bind(
        self, image: Tensor, target: Tensor, classes: Tensor | None, generator: torch.Generator | None = None
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """Fix the batch. Inside the context all networks are in eval mode and the value of images can be computed.

        What belongs to the source images is computed once: where the ascent starts from them, with its first value. The
        prior's noise is drawn once a sample and kept for the
        whole ascent, so that one shift of the domain is followed and not the mean of many.

        Args:
            image: source images, shape (B, C, X, Y), or volumes.
            target: labels, whatever ``task_loss`` takes.
            classes: flow classes, shape (B,), or ``None``.
            generator: source of the prior's noise, on the CPU.

        Yields:
            A function of images of that shape to values (B,).

        """
        with _eval_mode([part for part in (self.network, self.flow, self.features) if isinstance(part, nn.Module)]):
            noise = None
            if self.flow is not None and self.nll_weight:
                noise = self.flow.prior.draw_noise(len(image), generator).to(image)
            batch = _Batch(target, classes, noise)
            yield lambda x: self._value(x, image, batch)

    def _value(self, x: Tensor, image: Tensor, batch: _Batch) -> Tensor:
        at_source = batch.source is None and torch.allclose(x.detach(), image, rtol=0, atol=_ROUNDING)
        if batch.source is None and not at_source:
            with torch.no_grad():  # constants: without a graph the pass is cheaper
                batch.source = self._as_source(self._passes(image, bool(self.prediction_weight), bool(self.alpha)))
        needed = any((self.task_weight, self.prediction_weight, self.entropy_weight))
        passes = self._passes(x, needed, bool(self.nll_weight or self.alpha))
        if batch.source is None:
            batch.source = self._as_source(passes)
        return self._task_terms(x, passes, batch, batch.source) + self._flow_terms(x, passes, batch, batch.source)

    def _passes(self, x: Tensor, with_output: bool, with_flow: bool) -> _Passes:
        output, features = self._pass(x, with_output)
        latent, log_det = self.flow(x) if self.flow is not None and with_flow else (None, None)
        return _Passes(output, features, latent, log_det)

    def _as_source(self, passes: _Passes) -> _Source:
        prediction = None
        if self.prediction_weight and passes.output is not None:
            prediction = self.prediction(passes.output).detach()
        features = None if passes.features is None else passes.features.detach()
        latent = passes.latent.detach() if self.alpha and passes.latent is not None else None
        return _Source(prediction, features, latent)

    def _pass(self, x: Tensor, with_output: bool) -> tuple[Tensor | None, Tensor | None]:
        """The network's output and the features, each only where it is needed."""
        if self.autocast_dtype is None:
            return self._run(x, with_output)
        with torch.autocast(x.device.type, dtype=self.autocast_dtype):
            output, features = self._run(x, with_output)
        return _to_float(output), _to_float(features)

    def _run(self, x: Tensor, with_output: bool) -> tuple[Tensor | None, Tensor | None]:
        if not self.feature_weight:
            return (self.network(x) if with_output else None), None
        if self.features is not None:
            return (self.network(x) if with_output else None), self.features(x)
        network: Any = self.network
        features = network.features(x)
        return (network.classify(features) if with_output else None), features

    def _task_terms(self, x: Tensor, passes: _Passes, batch: _Batch, source: _Source) -> Tensor:
        total = x.new_zeros(len(x))
        if passes.output is not None:
            total = total + self._output_terms(passes.output, batch, source)
        if passes.features is not None and source.features is not None:
            total = total - self.feature_weight * transport_cost(passes.features, source.features)
        return total

    def _output_terms(self, output: Tensor, batch: _Batch, source: _Source) -> Tensor:
        total = output.new_zeros(len(output))
        if self.task_weight:
            total = total + self.task_weight * self.task_loss(output, batch.target)
        if source.prediction is not None:
            total = total + self.prediction_weight * prediction_shift(self.prediction(output), source.prediction)
        if self.entropy_weight:
            total = total + self.entropy_weight * prediction_entropy(output)
        return total

    def _flow_terms(self, x: Tensor, passes: _Passes, batch: _Batch, source: _Source) -> Tensor:
        total = x.new_zeros(len(x))
        z, log_det = passes.latent, passes.log_det
        if self.flow is None or z is None or log_det is None:
            return total
        if self.nll_weight:
            log_prob = self.flow.log_prob_from_latent(z, log_det, batch.classes, batch.noise)
            total = total + self.nll_weight * negative_log_likelihood(log_prob, z.shape[1])
        if source.latent is not None:
            total = total - self.alpha * self.distance(z, source.latent)
        return total


def _to_float(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.float()


def _offers_features(network: nn.Module) -> bool:
    return all(callable(getattr(network, name, None)) for name in ("features", "classify"))


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
