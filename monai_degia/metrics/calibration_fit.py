"""Fit a calibration on images of the source and shifted copies of them, judged by the kinds of shift left out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from monai_degia.errors import UserError
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration, disagreement_features

__all__ = ["ObservedErrors", "fit_calibration"]

_logger = logging.getLogger(__name__)

_SMOOTHING = 0.05  # of the check function, in units of the logarithm of the error
_SMALLEST = 1e-3  # errors below a thousandth of the hand are alike
_STEP = 0.005  # between the levels that are tried
_HIGHEST = 0.995
_INNER = 0.99  # share of the images that is within the range: a single odd one should not widen it


class ObservedErrors(NamedTuple):
    """Errors of landmarks whose places are known.

    Args:
        error: as a fraction of the size of the labelled hand, shape (N, K).
        of_found: the same distances as a fraction of the size of the hand that was found, shape (N, K).

    """

    error: Tensor
    of_found: Tensor


def fit_calibration(
    disagreement: Tensor,
    refined: ObservedErrors,
    one_look: ObservedErrors | None = None,
    bits_per_dim: Tensor | None = None,
    kinds: Sequence[Sequence[str]] | None = None,
    photographs: Sequence[str] | None = None,
    tolerance: float = 0.1,
    coverage: float = 0.9,
    label_error: float = 0.0,
) -> ScoreCalibration:
    r"""Fit all maps.

    The confidence is a logistic regression. The radius is that of split conformal prediction with normalised scores
    (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Angelopoulos and Bates, arXiv 2107.07511,
    section 2.3): a quantile regression on half of the photographs gives the scale
    :math:`s = \exp(w^\top \varphi)` of :func:`disagreement_features`, and the radius is :math:`s` times the quantile
    of error over :math:`s` on the other half. That covers images like those it was fitted on. An unseen domain is like
    none of them; what can be asked is that the radius would have covered a kind of shift that was not there. So each
    kind is left out once, of scale and quantile, and the quantile's level is raised until, in the mean over the kinds
    left out, the share ``coverage`` is held (as for a new group of exchangeable ones: Dunn, Wasserman and Ramdas, arXiv
    1809.07441).

    Args:
        disagreement: shape (N, K), positive.
        refined: errors of the refined landmarks.
        one_look: errors of the landmarks of one look, or ``None``.
        bits_per_dim: of the images, shape (N,), or ``None`` without a flow.
        kinds: kinds of shift that each of the N images has had, none for images as they are, of which there must be two
            with ``bits_per_dim``; default: none.
        photographs: name of the photograph that each image was made of; those of one go into one half. Default: each
            its own.
        tolerance: the error that counts as small.
        coverage: share of the errors that a radius should hold, in (0, 1).
        label_error: see :class:`ScoreCalibration`.

    Raises:
        ValueError: if shapes differ, there are fewer than two photographs, an option is out of range, or all errors lie
            on one side of the tolerance, where nothing can be fitted.

    """
    count = len(disagreement)
    kinds = [()] * count if kinds is None else [tuple(own) for own in kinds]
    _check(disagreement, [refined, *([one_look] if one_look else [])], bits_per_dim, kinds, coverage, label_error)
    names = [str(index) for index in range(count)] if photographs is None else list(photographs)
    half = _first_half(names)
    found, level, left_out = _error_model(disagreement, refined, kinds, half, tolerance, coverage)
    of_one_look = None
    if one_look is not None:
        of_one_look, *_ = _error_model(disagreement, one_look, kinds, half, tolerance, coverage)
    as_is = torch.tensor([not own for own in kinds])
    bits = None if bits_per_dim is None else bits_per_dim.double()
    edges = torch.tensor([(1 - _INNER) / 2, (1 + _INNER) / 2], dtype=torch.float64)
    return ScoreCalibration(
        refined=found,
        tolerance=tolerance,
        one_look=of_one_look,
        coverage=coverage,
        label_error=label_error,
        bits_mean=None if bits is None else float(bits[as_is].mean()),
        bits_std=None if bits is None else float(bits[as_is].std()),
        bits_range=None if bits is None else (float(bits.quantile(edges[0])), float(bits.quantile(edges[1]))),
        largest_disagreement=float(disagreement.double().log().mean(1).quantile(edges[1]).exp()),
        level=level,
        left_out=left_out,
    )


def _check(
    disagreement: Tensor,
    errors: Sequence[ObservedErrors],
    bits: Tensor | None,
    kinds: Sequence[Sequence[str]],
    coverage: float,
    label_error: float,
) -> None:
    shapes = [tuple(values.shape) for values in (disagreement, *(part for both in errors for part in both))]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise UserError(f"Expected disagreement and errors of one shape (N, K), got {', '.join(map(str, shapes))}.")
    if len(kinds) != len(disagreement) or (bits is not None and bits.shape != (len(disagreement),)):
        raise UserError(f"Expected kinds and bits_per_dim for each of the {len(disagreement)} images.")
    if not 0 < coverage < 1 or label_error < 0:
        raise UserError(f"Need coverage in (0, 1) and label_error >= 0, got {coverage} and {label_error}.")
    if bits is not None and sum(not own for own in kinds) < 2:
        raise UserError("Need at least two images as they are, to tell how likely the flow finds those.")


def _first_half(photographs: Sequence[str]) -> Tensor:
    """Half of the photographs, drawn always alike, each with all images that were made of it."""
    names = list(dict.fromkeys(photographs))
    if len(names) < 2:
        raise UserError("A calibration needs two photographs or more: one half tells the scale, the other its factor.")
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = {names[index] for index in order[: (len(names) + 1) // 2]}
    return torch.tensor([name in chosen for name in photographs])


def _error_model(
    disagreement: Tensor,
    observed: ObservedErrors,
    kinds: Sequence[Sequence[str]],
    half: Tensor,
    tolerance: float,
    coverage: float,
) -> tuple[ErrorModel, float, dict[str, float]]:
    """The model, the level of its radius, and the coverage of each kind that was left out."""
    features = disagreement_features(disagreement.double())
    scores = observed.of_found.double().clamp_min(_SMALLEST).log()
    every = sorted({kind for own in kinds for kind in own})
    folds = []
    for kind in every:
        out = torch.tensor([kind in own for own in kinds])
        if bool(out.all()) or len(set(half[~out].tolist())) < 2:
            continue
        _, rest = _scale(features, scores, half, ~out, coverage)
        folds.append((kind, rest[~out & ~half].flatten(), rest[out].flatten()))
    level = _level(folds, coverage)
    held = {kind: float((left <= _conformal(rest, level)).double().mean()) for kind, rest, left in folds}
    weights, rest = _scale(features, scores, half, torch.ones_like(half), coverage)
    weights[0] += _conformal(rest[~half].flatten(), level)
    confidence = _fit_confidence(features, observed.error, tolerance)
    return ErrorModel(confidence, (weights[0], weights[1], weights[2])), level, held


def _scale(features: Tensor, scores: Tensor, half: Tensor, used: Tensor, coverage: float) -> tuple[list[float], Tensor]:
    """Weights of the quantile regression on the used images of the half, and what is left of all scores, (N, K).

    The check function is smoothed (Fernandes, Guerre and Horta, Smoothing Quantile Regressions, 2021), which makes it
    differentiable; what that is off by, the conformal quantile takes up.
    """
    x, y = features[half & used].flatten(0, 1), scores[half & used].flatten()

    def loss(weights: Tensor) -> Tensor:
        rest = y - x @ weights
        return (coverage * rest + _SMOOTHING * softplus(-rest / _SMOOTHING)).mean()

    weights = _minimum(loss, [float(y.quantile(coverage)), 0.0, 0.0])
    return weights, scores - features @ torch.tensor(weights, dtype=torch.float64)


def _level(folds: Sequence[tuple[str, Tensor, Tensor]], coverage: float) -> float:
    """The lowest level at which kinds left out are covered in the mean; ``coverage`` where there are no kinds."""
    if not folds:
        _logger.warning("No kinds of shift to leave out: the radius holds for images like these, and no others.")
        return coverage
    level, mean = coverage, 0.0
    while level <= _HIGHEST:
        mean = sum(float((left <= _conformal(rest, level)).double().mean()) for _, rest, left in folds) / len(folds)
        if mean >= coverage:
            return round(level, 6)
        level += _STEP
    _logger.warning("Kinds of shift left out are held to %.0f %% only, not %.0f.", 100 * mean, 100 * coverage)
    return max(coverage, _HIGHEST)


def _conformal(scores: Tensor, level: float) -> float:
    """The quantile of n scores that a further one stays below with the probability ``level``."""
    rank = min(math.ceil((len(scores) + 1) * level), len(scores))
    return float(scores.kthvalue(rank).values)


def _fit_confidence(features: Tensor, error: Tensor, tolerance: float) -> tuple[float, float, float]:
    small = (error <= tolerance).double()
    if not 0 < small.mean() < 1:
        raise UserError(
            f"{float(small.mean()):.0%} of {error.numel()} errors are at most {tolerance}: a calibration needs both "
            "small and large ones. Validate under shifts of appearance, or choose another tolerance."
        )
    centre = features.mean((0, 1))
    centre[0] = 0.0

    def loss(weights: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits((features - centre) @ weights, small)

    offset, own, mean = _minimum(loss, [0.0, 0.0, 0.0])
    return offset - own * float(centre[1]) - mean * float(centre[2]), own, mean


def _minimum(loss: Callable[[Tensor], Tensor], start: list[float]) -> list[float]:
    def value_and_gradient(values: list[float]) -> tuple[float, list[float]]:
        parameters = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        value = loss(parameters)
        (gradient,) = torch.autograd.grad(value, parameters)
        return float(value.detach()), gradient.tolist()

    return [float(value) for value in minimize(value_and_gradient, start, jac=True, method="BFGS").x]
