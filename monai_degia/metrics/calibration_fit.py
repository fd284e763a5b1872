"""Fit a calibration on images of the source and shifted copies of them, judged by the kinds of shift left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from monai_degia.errors import UserError
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration, score_features
from monai_degia.metrics.conformal import ConformalRadius, conformal_radius, minimum

__all__ = ["ObservedErrors", "fit_calibration"]

_INNER = 0.99  # share of the images that is within the range: a single odd one should not widen it


class ObservedErrors(NamedTuple):
    """Errors of landmarks whose places are known.

    Args:
        error: as a fraction of the size of the labelled hand, shape (N, K); NaN where a landmark has no label.
        of_found: the same distances as a fraction of the size of the hand that was found, shape (N, K).

    """

    error: Tensor
    of_found: Tensor


def fit_calibration(
    disagreement: Tensor,
    refined: ObservedErrors,
    one_look: ObservedErrors | None = None,
    bits_per_dim: Tensor | None = None,
    other_side: Tensor | None = None,
    kinds: Sequence[Sequence[str]] | None = None,
    photographs: Sequence[str] | None = None,
    tolerance: float = 0.1,
    coverage: float = 0.9,
    label_error: float = 0.0,
) -> ScoreCalibration:
    """Fit all maps.

    The confidence is a logistic regression, the radius that of :func:`conformal_radius`, both on
    :func:`score_features`. A conformal radius covers images like those it was fitted on. An unseen domain is
    like none of them; what can be required is that the radius would have covered a kind of shift that was not there, in
    the mean over the kinds, as for a new group of exchangeable ones (Dunn, Wasserman and Ramdas, arXiv 1809.07441).

    Args:
        disagreement: shape (N, K), positive.
        refined: errors of the refined landmarks.
        one_look: errors of the landmarks of a single forward pass, or ``None``.
        bits_per_dim: of the images, shape (N,), or ``None`` without a flow.
        other_side: how much speaks for the other side, shape (N,); default: it is not gone by.
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
    features = score_features(disagreement.double(), other_side)

    def fit(observed: ObservedErrors) -> tuple[ErrorModel, ConformalRadius]:
        # Landmarks without a label tell nothing; the others are taken one by one, each with what its image has.
        labelled = ~observed.error.isnan()
        owner = labelled.nonzero()[:, 0]
        own_features, own_kinds = features[labelled][:, None], [kinds[index] for index in owner.tolist()]
        radius = conformal_radius(own_features, observed.of_found[labelled][:, None], own_kinds, half[owner], coverage)
        confidence = _fit_confidence(own_features, observed.error[labelled][:, None], tolerance)
        return ErrorModel(confidence, radius.weights), radius

    of_refined, radius = fit(refined)
    as_is = torch.tensor([not own for own in kinds])
    bits = None if bits_per_dim is None else bits_per_dim.double()
    edges = torch.tensor([(1 - _INNER) / 2, (1 + _INNER) / 2], dtype=torch.float64)
    return ScoreCalibration(
        refined=of_refined,
        tolerance=tolerance,
        one_look=None if one_look is None else fit(one_look)[0],
        coverage=coverage,
        label_error=label_error,
        bits_mean=None if bits is None else float(bits[as_is].mean()),
        bits_std=None if bits is None else float(bits[as_is].std()),
        bits_range=None if bits is None else (float(bits.quantile(edges[0])), float(bits.quantile(edges[1]))),
        largest_disagreement=float(disagreement.double().log().mean(1).quantile(edges[1]).exp()),
        level=radius.level,
        left_out=radius.left_out,
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


def _fit_confidence(features: Tensor, error: Tensor, tolerance: float) -> tuple[float, ...]:
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

    weights = minimum(loss, [0.0] * features.shape[-1])
    weights[0] -= sum(weight * float(value) for weight, value in zip(weights, centre, strict=True))
    return tuple(weights)
