"""Gradient ascent on a parametrised batch of images: the inner loop of the maximisation phase (Eq. 7), pure."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_degia.transforms.parametrization import Parametrization, PixelParametrization

__all__ = ["STEP_RULES", "gradient_ascent"]

Objective = Callable[[Tensor], Tensor]


def _normalized(gradient: Tensor) -> Tensor:
    norm = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    return gradient / norm.view(-1, *[1] * (gradient.ndim - 1))


STEP_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "gradient": lambda gradient: gradient,
    "normalized": _normalized,
    "sign": torch.sign,
}


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
        parametrization: what moves; a tensor of images (B, C, X, Y) stands for its own pixels.
        objective: images (B, C, X, Y) to one value a sample, shape (B,).
        steps: number of steps; 0 returns the decoded start.
        step_size: length of a step, in units of the parameters: times the gradient (``gradient``), the L2 length of a
            sample's step (``normalized``), or the change of every parameter (``sign``).
        rule: one of ``STEP_RULES``.
        bounds: valid range of image values.
        on_step: called with the number of steps done, from 1, after each.

    Returns:
        Images (B, C, X, Y) within ``bounds``, detached.

    Raises:
        ValueError: if an argument is out of range, the start lies outside ``bounds``, or the objective gives the wrong
            shape or is not finite.

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
        with torch.enable_grad():
            images = parametrization.decode(parameters).clamp(*bounds)
            value = objective(images)
            if value.shape != images.shape[:1]:
                raise ValueError(
                    f"The objective must give one value a sample, shape {tuple(images.shape[:1])}, got "
                    f"{tuple(value.shape)}: reduce over everything but the batch."
                )
            (gradient,) = torch.autograd.grad(value.sum(), parameters)
        if not torch.isfinite(gradient).all():
            raise ValueError(
                f"The gradient of the objective is not finite at ascent step {step + 1}: lower step_size={step_size}, "
                "or check the networks inside the objective."
            )
        parameters = parametrization.project(parameters.detach() + step_size * direction(gradient), bounds)
        if on_step is not None:
            on_step(step + 1)
    with torch.no_grad():
        return parametrization.decode(parameters).clamp(*bounds).detach()


def _check_arguments(steps: int, step_size: float, rule: str, bounds: tuple[float, float]) -> None:
    if steps < 0:
        raise ValueError(f"steps must not be negative, got {steps}.")
    if step_size <= 0:
        raise ValueError(f"step_size must be positive (the objective is climbed), got {step_size}.")
    if rule not in STEP_RULES:
        raise ValueError(f"Unknown step rule {rule!r}. Available: {', '.join(STEP_RULES)}.")
    if not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must be (low, high) with low < high, got {bounds}.")


def _check_range(image: Tensor, bounds: tuple[float, float]) -> None:
    low, high = float(image.min()), float(image.max())
    if not bounds[0] <= low <= high <= bounds[1]:  # also refuses NaN
        raise ValueError(
            f"gradient_ascent needs image values within bounds={bounds}, got [{low:g}, {high:g}]. Scale the images "
            "first (ScaleModalityd, ScaleIntensityd), or pass the bounds that they keep."
        )
