"""Gradient ascent on a parametrised batch of images: the inner loop of the maximisation phase (Eq. 7), pure."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_degia.ascent.parametrization import Parametrization, PixelParametrization
from monai_degia.errors import UserError

__all__ = ["STEP_RULES", "gradient_ascent"]

Objective = Callable[[Tensor], Tensor]


def _gradient_itself(gradient: Tensor) -> Tensor:
    """The gradient, whatever its length."""
    return gradient


def _normalized(gradient: Tensor) -> Tensor:
    """The gradient over its L2 norm, a sample at a time."""
    flat, tiny = gradient.flatten(1), torch.finfo(gradient.dtype).tiny
    # Scaled to a largest entry of 1 first: squares of very small or large entries leave the range of floats.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(tiny)
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(tiny)).view_as(gradient)


def _sign(gradient: Tensor) -> Tensor:
    """The sign of each entry: every parameter moves by the step size."""
    return gradient.sign()


def _sobolev(gradient: Tensor) -> Tensor:
    """The gradient in the Sobolev space H3, over its largest entry: neighbours move together. Over pixels only."""
    if gradient.ndim < 3:
        raise UserError(
            f"The step rule 'sobolev' smooths over space; the parameters have shape {tuple(gradient.shape)}: choose "
            "another rule, or parametrization 'pixel'."
        )
    axes, shape = tuple(range(2, gradient.ndim)), gradient.shape[2:]
    waves = [torch.fft.fftfreq(side, 1 / side, device=gradient.device) for side in shape]
    waves[-1] = torch.fft.rfftfreq(shape[-1], 1 / shape[-1], device=gradient.device)
    squares = sum(wave.square().view(-1, *[1] * (len(shape) - 1 - axis)) for axis, wave in enumerate(waves))
    damping = (1 + squares / SOBOLEV_WAVES**2) ** SOBOLEV_ORDER
    smooth = torch.fft.irfftn(torch.fft.rfftn(gradient, dim=axes) / damping, s=shape, dim=axes)
    peak = smooth.abs().amax(tuple(range(1, gradient.ndim)), keepdim=True)
    return smooth / peak.clamp_min(torch.finfo(gradient.dtype).tiny)


#: The rule ``sobolev`` divides the gradient's part of k waves a side by (1 + (k / SOBOLEV_WAVES)^2)^SOBOLEV_ORDER.
SOBOLEV_WAVES, SOBOLEV_ORDER = 2, 3

STEP_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "gradient": _gradient_itself,
    "normalized": _normalized,
    "sign": _sign,
    "sobolev": _sobolev,
}
"""Step rules of :func:`gradient_ascent` by name: gradient of a batch to the direction of its step."""


def gradient_ascent(
    parametrization: Parametrization | Tensor,
    objective: Objective,
    *,
    steps: int,
    step_size: float,
    rule: str = "gradient",
    bounds: tuple[float, float] = (0.0, 1.0),
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Climb ``objective`` from the start of a parametrisation, and return the images reached.

    Only the parameters of the images receive a gradient (``torch.autograd.grad``), never those of a network inside the
    objective. The objective is summed over the batch, so that samples do not mix and the step of one sample does not
    depend on how many others stand beside it.

    Args:
        parametrization: what moves; a tensor of images (B, C, X, Y), or of volumes, stands for its own pixels.
        objective: images to one value a sample, shape (B,).
        steps: number of steps; 0 returns the decoded start.
        step_size: length of a step, in units of the parameters: times the gradient (``gradient``), the L2 length of a
            sample's step (``normalized``), the change of every parameter (``sign``), or the largest change of a
            parameter (``sobolev``: the gradient in the Sobolev space H3 with periodic borders, which has coloured
            patches where that in L2 has noise).
        rule: one of ``STEP_RULES``.
        bounds: valid range of image values.
        on_step: called with the number of steps done, from 1, after each.

    Returns:
        Images of the same shape within ``bounds``, detached.

    Raises:
        ValueError: if an argument is out of range, the start lies outside ``bounds``, or the objective gives the wrong
            shape, is not finite or does not depend on the images.
        TypeError: if the images do not hold floating point numbers.

    """
    if isinstance(parametrization, Tensor):
        parametrization = PixelParametrization(parametrization)
    _check_arguments(steps, step_size, rule, bounds)
    direction = STEP_RULES[rule]
    parameters = parametrization.start
    if isinstance(parametrization, PixelParametrization):
        _check_range(parameters, bounds)
    for step in range(steps):
        parameters = parameters.detach().requires_grad_(True)
        gradient = _gradient(parametrization, parameters, objective, bounds)
        if gradient is None:
            raise UserError(
                f"The objective or its gradient is not finite at ascent step {step + 1}: lower step_size={step_size}, "
                "or check the networks inside the objective."
            )
        parameters = parametrization.project(parameters.detach() + step_size * direction(gradient), bounds)
        if on_step is not None:
            on_step(step + 1)
    with torch.no_grad():
        return parametrization.decode(parameters).clamp(*bounds).detach()


def _gradient(
    parametrization: Parametrization, parameters: Tensor, objective: Objective, bounds: tuple[float, float]
) -> Tensor | None:
    """Gradient of the summed objective, or None where it or the objective is not finite."""
    with torch.enable_grad():
        images = _clamp(parametrization.decode(parameters), bounds)
        value = objective(images)
        if value.shape != images.shape[:1]:
            raise UserError(
                f"The objective must give one value a sample, shape {tuple(images.shape[:1])}, got "
                f"{tuple(value.shape)}: reduce over everything but the batch."
            )
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), parameters, allow_unused=True)
    if gradient is None:
        raise UserError(
            "The objective does not depend on the images, so there is nothing to climb: give one of its terms a "
            "weight, and do not detach the images inside it."
        )
    return gradient if torch.isfinite(gradient).all() and torch.isfinite(value).all() else None


def _clamp(images: Tensor, bounds: tuple[float, float]) -> Tensor:
    # The gradient of torch.clamp at the bounds themselves is 0 in some versions: black and white pixels would be stuck.
    clamped = images.detach().clamp(*bounds)
    return torch.where(images.detach() == clamped, images, clamped)


def _check_arguments(steps: int, step_size: float, rule: str, bounds: tuple[float, float]) -> None:
    if steps < 0:
        raise UserError(f"steps must not be negative, got {steps}.")
    if step_size <= 0:
        raise UserError(f"step_size must be positive (the objective is climbed), got {step_size}.")
    if rule not in STEP_RULES:
        raise UserError(f"Unknown step rule {rule!r}. Available: {', '.join(STEP_RULES)}.")
    if not bounds[0] < bounds[1]:
        raise UserError(f"bounds must be (low, high) with low < high, got {bounds}.")


def _check_range(image: Tensor, bounds: tuple[float, float]) -> None:
    if not image.is_floating_point():
        raise UserError(f"gradient_ascent needs floating point images, got {image.dtype}: divide grey levels by 255.")
    low, high = float(image.min()), float(image.max())
    if not bounds[0] <= low <= high <= bounds[1]:  # also refuses NaN
        raise UserError(
            f"gradient_ascent needs image values within bounds={bounds}, got [{low:g}, {high:g}]. Scale the images "
            "first (ScaleModalityd, ScaleIntensityd), or pass the bounds that they keep."
        )
