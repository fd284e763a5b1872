"""From what a network and its flow say of an image to numbers with a meaning: confidence, and shift of the domain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import minimize
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file

__all__ = ["ScoreCalibration", "fit_calibration"]


@dataclass(frozen=True)
class ScoreCalibration:
    """What turns disagreement and likelihood into numbers with a meaning, fitted on validation images of the source.

    Args:
        intercept: of the logistic regression of "the error of refined landmarks is small" on the logarithm of the
            disagreement.
        slope: of the same; negative where disagreement goes with errors.
        tolerance: the error that counts as small, as a fraction of the hand size.
        bits_mean: mean bits per dimension of source images under the flow, ``None`` without a flow.
        bits_std: their standard deviation.
        one_look_intercept: as ``intercept``, for landmarks of one look at the image as it is; ``None`` if not fitted.
        one_look_slope: as ``slope``, for those.
        weights: hash of the weights that it was fitted to, empty if it does not say.
        copies: what decided how far the copies disagreed, see ``SelfConsistentInferer.options``; ``None`` if it does
            not say.

    """

    intercept: float
    slope: float
    tolerance: float
    bits_mean: float | None = None
    bits_std: float | None = None
    one_look_intercept: float | None = None
    one_look_slope: float | None = None
    weights: str = ""
    copies: dict[str, Any] | None = None

    def fits(self, weights: str) -> bool:
        """Whether it was fitted to these weights, given by their hash; not if it does not say."""
        return bool(self.weights) and self.copies is not None and self.weights == weights

    def other_copies(self, copies: Mapping[str, Any]) -> str:
        """In what the copies that it was fitted for differ from these; empty if in nothing.

        Args:
            copies: options of the inferer and sizes of the pictures.

        """
        if self.copies is None:
            return "copies that it does not name"
        names = {**self.copies, **copies}
        other = [name for name in names if self.copies.get(name) != copies.get(name)]
        differing = ", ".join(f"{name} {self.copies.get(name)!r}, not {copies.get(name)!r}" for name in other)
        return differing

    @property
    def knows_one_look(self) -> bool:
        """Whether it was fitted to landmarks of one look as well."""
        return self.one_look_intercept is not None and self.one_look_slope is not None

    def confidence(self, disagreement: Tensor, one_look: bool = False) -> Tensor:
        """Estimated probability that a landmark's error is at most ``tolerance``; same shape, in [0, 1].

        Args:
            disagreement: of copies of the image, positive.
            one_look: of landmarks of one look, in place of those refined by the copies.

        Raises:
            ValueError: if one look is asked for and was not fitted.

        """
        intercept, slope = self.intercept, self.slope
        if one_look:
            if self.one_look_intercept is None or self.one_look_slope is None:
                raise UserError(
                    "This calibration was fitted to refined landmarks and knows no confidence of one look: make it "
                    "anew with configs/run/calibrate.yaml."
                )
            intercept, slope = self.one_look_intercept, self.one_look_slope
        return torch.sigmoid(intercept + slope * disagreement.log())

    def domain_shift(self, bits_per_dim: Tensor) -> Tensor:
        """Distance of the likelihood from that of source images, in standard deviations; same shape, 0 or more.

        Both sides count: a flow may find a plain image of a foreign domain more likely than its own.

        Raises:
            ValueError: if the calibration was made without a flow.

        """
        if self.bits_mean is None or self.bits_std is None:
            raise UserError("This calibration was made without a flow and knows no domain shift: make it with one.")
        return (bits_per_dim - self.bits_mean).abs() / self.bits_std

    def save(self, path: str | Path) -> None:
        """Write a JSON file."""
        with whole_file(Path(path)) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> ScoreCalibration:
        """Read a file of :meth:`save`.

        Raises:
            ValueError: if it is missing or holds something else.

        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"No calibration can be read from {path}: {error}. Make one with configs/run/calibrate.yaml."
            ) from error


def fit_calibration(
    disagreement: Tensor,
    error: Tensor,
    bits_per_dim: Tensor | None = None,
    tolerance: float = 0.1,
    one_look_error: Tensor | None = None,
) -> ScoreCalibration:
    """Fit all maps.

    Args:
        disagreement: of landmarks, shape (N,), positive.
        error: of the same landmarks, refined, as a fraction of the hand size, shape (N,).
        bits_per_dim: of source images, shape (M,), M at least 2, or ``None`` without a flow.
        tolerance: the error that counts as small.
        one_look_error: of the same landmarks by one look, shape (N,), or ``None``.

    Raises:
        ValueError: if shapes differ, or all errors lie on one side of the tolerance, where nothing can be fitted.

    """
    intercept, slope = _fit_confidence(disagreement, error, tolerance)
    one_look = (None, None) if one_look_error is None else _fit_confidence(disagreement, one_look_error, tolerance)
    return ScoreCalibration(
        intercept=intercept,
        slope=slope,
        tolerance=tolerance,
        bits_mean=None if bits_per_dim is None else float(bits_per_dim.double().mean()),
        bits_std=None if bits_per_dim is None else float(bits_per_dim.double().std()),
        one_look_intercept=one_look[0],
        one_look_slope=one_look[1],
    )


def _fit_confidence(disagreement: Tensor, error: Tensor, tolerance: float) -> tuple[float, float]:
    """Intercept and slope of the logistic regression."""
    if disagreement.shape != error.shape or disagreement.ndim != 1:
        raise UserError(f"Expected two vectors of one length, got {tuple(disagreement.shape)}, {tuple(error.shape)}.")
    small = (error <= tolerance).double()
    if not 0 < small.mean() < 1:
        raise UserError(
            f"{float(small.mean()):.0%} of {len(error)} errors are at most {tolerance}: a calibration needs both small "
            "and large ones. Validate under shifts of appearance, or choose another tolerance."
        )
    x, centre = disagreement.double().log(), disagreement.double().log().mean()

    def loss(parameters: Tensor) -> Tensor:
        logits = parameters[0] + parameters[1] * (x - centre)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, small)

    def value_and_gradient(values: list[float]) -> tuple[float, list[float]]:
        parameters = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        value = loss(parameters)
        (gradient,) = torch.autograd.grad(value, parameters)
        return float(value.detach()), gradient.tolist()

    offset, slope = minimize(value_and_gradient, [0.0, 0.0], jac=True, method="BFGS").x
    return float(offset - slope * centre), float(slope)
