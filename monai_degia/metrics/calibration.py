"""From what a network and its flow say of an image to numbers with a meaning: confidence, radius, domain shift."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.plain_json import parse_json

__all__ = ["ErrorModel", "ScoreCalibration", "score_features"]

#: A radius that holds a share p of the errors of mean 1, if both coordinates are normal and alike (Rayleigh).
_MEAN = math.sqrt(math.pi / 2)
_FEATURES = 5
_SIDE = 3  # from here on, features that speak of the other side
_NUMBERS = ("tolerance", "coverage", "label_error", "bits_mean", "bits_std", "largest_disagreement", "level")


@dataclass(frozen=True)
class ErrorModel:
    """How far landmarks may be off, from how far the copies of their image disagree.

    Args:
        confidence: of the logistic regression of "the error is small": a weight for each of :func:`score_features`.
        radius: as many of the logarithm of the radius, as a fraction of the size of the hand that was found.

    """

    confidence: tuple[float, ...]
    radius: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("confidence", "radius"):
            values = getattr(self, name)
            if len(values) != _FEATURES or not all(isinstance(value, (int, float)) for value in values):
                raise ValueError(f"{name} must be {_FEATURES} numbers, got {values}")
            object.__setattr__(self, name, tuple(float(value) for value in values))


@dataclass(frozen=True)
class ScoreCalibration:
    """What turns disagreement and likelihood into numbers with a meaning, fitted on validation images of the source.

    Args:
        refined: of landmarks that copies of the image have refined.
        tolerance: the error that counts as small, as a fraction of the hand size.
        one_look: as ``refined``, for landmarks of a single forward pass; ``None`` if not fitted.
        coverage: share of the errors that a radius should hold.
        label_error: mean distance of the labels from the true places, as a fraction of the hand size: where these are
            known to be off, a radius has to hold that too.
        bits_mean: mean bits per dimension of source images under the flow, ``None`` without a flow.
        bits_std: their standard deviation.
        bits_range: least and greatest bits per dimension of all that it was fitted on, shifted images included.
        largest_disagreement: greatest mean disagreement of an image that it was fitted on; ``None`` for no bound.
        level: at which quantile of the errors the radius of refined landmarks lies, above ``coverage`` where kinds of
            shift that were left out required it.
        left_out: kind of shift to the share of its errors that the radius held when the kind was left out.
        weights: hash of the weights that it was fitted to, empty if it does not say.
        flow_weights: hash of the weights of the flow, empty without one.
        copies: what decided how far the copies disagreed, see ``SelfConsistentInferer.options``; ``None`` if it does
            not say.

    """

    refined: ErrorModel
    tolerance: float
    one_look: ErrorModel | None = None
    coverage: float = 0.9
    label_error: float = 0.0
    bits_mean: float | None = None
    bits_std: float | None = None
    bits_range: tuple[float, float] | None = None
    largest_disagreement: float | None = None
    level: float | None = None
    left_out: dict[str, float] | None = None
    weights: str = ""
    flow_weights: str = ""
    copies: dict[str, Any] | None = None

    def fits(self, weights: str) -> bool:
        """Whether it was fitted to these weights, given by their hash; not if it does not say."""
        return bool(self.weights) and self.copies is not None and self.weights == weights

    def fits_flow(self, flow_weights: str) -> bool:
        """Whether it needs no flow, or was fitted with this one, given by the hash of its weights."""
        return self.bits_mean is None or (bool(self.flow_weights) and self.flow_weights == flow_weights)

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
    def needs_other_side(self) -> bool:
        """Whether it goes by how much speaks for the other side, :meth:`confidence`."""
        models = [self.refined, *([self.one_look] if self.one_look else [])]
        return any(any((*model.confidence[_SIDE:], *model.radius[_SIDE:])) for model in models)

    @property
    def knows_one_look(self) -> bool:
        """Whether it was fitted to landmarks of a single forward pass as well."""
        return self.one_look is not None

    def confidence(self, disagreement: Tensor, other_side: Tensor | None = None, one_look: bool = False) -> Tensor:
        """Estimated probability that a landmark's error is at most ``tolerance``; same shape, in [0, 1].

        Args:
            disagreement: of copies of the image, shape (B, K), positive.
            other_side: how much speaks for the other side, see :class:`SelfConsistent`, shape (B,); may be left out if
                the calibration was fitted without.
            one_look: of landmarks of a single forward pass, in place of those refined by the copies.

        Raises:
            ValueError: if a single forward pass is meant and was not fitted, or the other side is missing.

        """
        return torch.sigmoid(_linear(self._model(one_look).confidence, disagreement, other_side))

    def radius(self, disagreement: Tensor, other_side: Tensor | None = None, one_look: bool = False) -> Tensor:
        """Radius of a disc about a landmark that should hold the share ``coverage`` of the true places.

        Args:
            disagreement: of copies of the image, shape (B, K), positive.
            other_side: how much speaks for the other side, see :class:`SelfConsistent`, shape (B,); may be left out if
                the calibration was fitted without.
            one_look: of landmarks of a single forward pass, in place of those refined by the copies.

        Returns:
            Fraction of the size of the hand that was found, shape (B, K).

        Raises:
            ValueError: if a single forward pass is meant and was not fitted, or the other side is missing.

        """
        own = _linear(self._model(one_look).radius, disagreement, other_side).exp()
        # Errors of landmark and label are independent: their squares add up, and those of the radii if both are normal.
        of_label = self.label_error / _MEAN * math.sqrt(-2 * math.log(1 - self.coverage))
        return (own.square() + of_label**2).sqrt()

    def beyond(self, disagreement: Tensor, bits_per_dim: Tensor | None = None) -> Tensor:
        """Whether images lie beyond all that the calibration was fitted on, boolean, shape (B,).

        Nothing is known of their errors, so there should be neither confidence nor radius.

        Args:
            disagreement: of copies of the image, shape (B, K), positive.
            bits_per_dim: of the images under the flow, shape (B,); ``None`` judges by the disagreement alone.

        """
        beyond = torch.zeros(len(disagreement), dtype=torch.bool, device=disagreement.device)
        if self.largest_disagreement is not None:
            mean = disagreement.log().mean(1).exp()
            beyond |= mean > self.largest_disagreement
        if self.bits_range is not None and bits_per_dim is not None:
            low, high = self.bits_range
            beyond |= ~((bits_per_dim >= low) & (bits_per_dim <= high))
        return beyond

    def domain_shift(self, bits_per_dim: Tensor) -> Tensor:
        """Distance of the likelihood from that of source images, in standard deviations; same shape, 0 or more.

        Both sides count: a flow may find a plain image of a foreign domain more likely than its own.

        Raises:
            ValueError: if the calibration was made without a flow.

        """
        if self.bits_mean is None or self.bits_std is None:
            raise UserError("This calibration was made without a flow and knows no domain shift: make it with one.")
        return (bits_per_dim - self.bits_mean).abs() / self.bits_std

    def _model(self, one_look: bool) -> ErrorModel:
        if not one_look:
            return self.refined
        if self.one_look is None:
            raise UserError(
                "This calibration was fitted to refined landmarks and knows no confidence of a single forward pass: "
                "make it anew with configs/run/calibrate.yaml."
            )
        return self.one_look

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
            content = dict(parse_json(Path(path).read_bytes()))
            _check_types(content)
            for name in ("refined", "one_look"):
                if content.get(name) is not None:
                    content[name] = ErrorModel(**content[name])
            if content.get("bits_range") is not None:
                low, high = content["bits_range"]
                content["bits_range"] = (float(low), float(high))
            return cls(**content)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"No calibration can be read from {path}: {error}. Make one with configs/run/calibrate.yaml."
            ) from error


def _check_types(content: Mapping[str, Any]) -> None:
    """Refuse entries of another type than :meth:`ScoreCalibration.save` writes, before they meet any arithmetic."""
    for name in _NUMBERS:
        value = content.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{name} is {value!r:.40}, not a number")
    coverage, label_error = content.get("coverage", 0.5), content.get("label_error", 0)
    if coverage is None or not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage!r:.40}, not a share between 0 and 1")
    if label_error is None or not 0 <= label_error <= 1e6:
        raise ValueError(f"label_error is {label_error!r:.40}, not a distance of 0 or more")
    if content.get("refined") is None:
        raise ValueError("refined, the model of refined landmarks, is missing")
    for name, kind in (("weights", str), ("flow_weights", str), ("copies", dict), ("left_out", dict)):
        if content.get(name) is not None and not isinstance(content[name], kind):
            raise ValueError(f"{name} is {content[name]!r:.40}, not a {kind.__name__}")


def score_features(disagreement: Tensor, other_side: Tensor | None = None) -> Tensor:
    """What errors are told by.

    Args:
        disagreement: shape (B, K), positive.
        other_side: shape (B,), in [0, 1]; default: 0.

    Returns:
        1, the logarithm of the disagreement, its mean over the image's landmarks, ``other_side``, and the product of
        the last two, since copies of a hand of the other side agree on a wrong prediction; shape (B, K, 5).

    """
    if disagreement.ndim != 2:
        raise UserError(f"disagreement must have shape (B, K), got {tuple(disagreement.shape)}.")
    own = disagreement.log()
    side = own.new_zeros(len(own)) if other_side is None else other_side.to(own)
    mean, side = own.mean(1, keepdim=True), side[:, None]
    return torch.stack([torch.ones_like(own), own, *(each.expand_as(own) for each in (mean, side, side * mean))], -1)


def _linear(weights: tuple[float, ...], disagreement: Tensor, other_side: Tensor | None) -> Tensor:
    if other_side is None and any(weights[_SIDE:]):
        raise UserError("This calibration also goes by how much speaks for the other side: pass other_side.")
    return score_features(disagreement, other_side) @ torch.tensor(weights).to(disagreement)
