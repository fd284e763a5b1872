"""Radii that should hold a share of the errors, judged by kinds of shift that were left out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["ConformalRadius", "conformal_radius", "minimum"]

_logger = logging.getLogger(__name__)

_SMOOTHING = 0.05  # of the check function, in units of the logarithm of the error
_SMALLEST = 1e-3  # errors below a thousandth of the hand are alike
_STEP = 0.005  # between the levels that are tried
_HIGHEST = 0.995


class ConformalRadius(NamedTuple):
    """What was fitted, and what it held when kinds of shift were left out.

    Args:
        weights: of the features in the logarithm of the radius, F of them.
        level: of the quantile that makes the radius of the scale.
        left_out: kind of shift to the share of its errors that was held when it was left out.
        median_left_out: kind of shift to the median of its radii then.

    """

    weights: tuple[float, ...]
    level: float
    left_out: dict[str, float]
    median_left_out: dict[str, float]


class _Fold(NamedTuple):
    """One kind left out: log radii but for the quantile, and what the log errors exceed them by."""

    kind: str
    rest: Tensor
    left: Tensor
    scale: Tensor

    def held(self, level: float) -> float:
        return float((self.left <= _quantile(self.rest, level)).double().mean())


def conformal_radius(
    features: Tensor, error: Tensor, kinds: Sequence[Sequence[str]], half: Tensor, coverage: float
) -> ConformalRadius:
    r"""Fit a radius by split conformal prediction with normalised scores, at a level that kinds left out ask for.

    On the first half of the images a quantile regression gives the scale :math:`s = \exp(w^\top \varphi)`; the radius
    is :math:`s` times the quantile of error over :math:`s` on the second half (Vovk, Gammerman and Shafer, Algorithmic
    Learning in a Random World, 2005; Angelopoulos and Bates, arXiv 2107.07511, section 2.3). Each kind of shift is left
    out once, of both halves, and the quantile's level is raised until in the mean over the kinds left out the share
    ``coverage`` is held.

    Args:
        features: shape (N, K, F), the first of them 1.
        error: shape (N, K), not negative.
        kinds: of the N images.
        half: which images are of the first half, boolean, shape (N,).
        coverage: in (0, 1).

    """
    scores = error.double().clamp_min(_SMALLEST).log()
    folds = []
    for kind in sorted({kind for own in kinds for kind in own}):
        out = torch.tensor([kind in own for own in kinds])
        if bool(out.all()) or len(set(half[~out].tolist())) < 2:
            continue  # nothing is left to fit
        scale = features @ _scale(features, scores, half & ~out, coverage)
        rest = scores - scale
        folds.append(_Fold(kind, rest[~out & ~half].flatten(), rest[out].flatten(), scale[out].flatten()))
    level = _level(folds, coverage)
    weights = _scale(features, scores, half, coverage)
    weights[0] += _quantile((scores - features @ weights)[~half].flatten(), level)
    return ConformalRadius(
        weights=tuple(weights.tolist()),
        level=level,
        left_out={fold.kind: fold.held(level) for fold in folds},
        median_left_out={
            fold.kind: math.exp(float(fold.scale.median()) + _quantile(fold.rest, level)) for fold in folds
        },
    )


def _scale(features: Tensor, scores: Tensor, used: Tensor, coverage: float) -> Tensor:
    """Weights of the quantile regression on the images used, shape (F,).

    The check function is smoothed (Fernandes, Guerre and Horta, Smoothing Quantile Regressions, 2021), which makes it
    differentiable; what that is off by, the conformal quantile takes up.
    """
    x, y = features[used].flatten(0, 1), scores[used].flatten()

    def loss(weights: Tensor) -> Tensor:
        rest = y - x @ weights
        return (coverage * rest + _SMOOTHING * softplus(-rest / _SMOOTHING)).mean()

    start = [float(y.quantile(coverage)), *[0.0] * (features.shape[-1] - 1)]
    return torch.tensor(minimum(loss, start), dtype=torch.float64)


def _level(folds: Sequence[_Fold], coverage: float) -> float:
    """The lowest level at which kinds left out are covered in the mean; ``coverage`` where there are no kinds."""
    if not folds:
        _logger.warning("No kinds of shift to leave out: the radius holds for images like these, and no others.")
        return coverage
    level, mean = coverage, 0.0
    while level <= _HIGHEST:
        mean = sum(fold.held(level) for fold in folds) / len(folds)
        if mean >= coverage:
            return round(level, 6)
        level += _STEP
    _logger.warning("Kinds of shift left out are held to %.0f %% only, not %.0f.", 100 * mean, 100 * coverage)
    return max(coverage, _HIGHEST)


def _quantile(scores: Tensor, level: float) -> float:
    """The quantile of n scores that a further one stays below with the probability ``level``."""
    rank = min(math.ceil((len(scores) + 1) * level), len(scores))
    return float(scores.kthvalue(rank).values)


def minimum(loss: Callable[[Tensor], Tensor], start: list[float]) -> list[float]:
    """Where a smooth function of a few numbers is smallest, by BFGS.

    Args:
        loss: of a vector in float64, differentiable.
        start: the vector to begin with.

    """

    def value_and_gradient(values: list[float]) -> tuple[float, list[float]]:
        parameters = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        value = loss(parameters)
        (gradient,) = torch.autograd.grad(value, parameters)
        return float(value.detach()), gradient.tolist()

    return [float(value) for value in minimize(value_and_gradient, start, jac=True, method="BFGS").x]
