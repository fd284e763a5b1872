"""summarize_landmarks: all numbers of an evaluation, per domain, ready for JSON."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError
from monai_degia.metrics.errors import (
    nme,
    normalized_mse,
    pck,
    pck_auc,
    radial_error,
    success_detection_rate,
    to_pixels,
)

SDR_THRESHOLDS_MM = (2.0, 2.5, 3.0, 4.0, 10.0)
PCK_THRESHOLDS = tuple(percent / 100 for percent in range(1, 21))

#: Millimetres per pixel along (x, y) or (x, y, z); None where it is not known.
Spacing = Sequence[float] | None


def summarize_landmarks(
    predictions: Tensor | Sequence[Tensor],
    targets: Tensor | Sequence[Tensor],
    image_size: Sequence[int],
    landmarks: Landmarks,
    domains: Sequence[str],
    spacing: Sequence[Spacing] | None = None,
    sdr_thresholds_mm: Sequence[float] = SDR_THRESHOLDS_MM,
    pck_thresholds: Sequence[float] = PCK_THRESHOLDS,
    max_threshold: float = 0.2,
) -> dict[str, dict[str, Any]]:
    """Evaluate predictions, each domain on its own.

    Args:
        predictions: N samples, normalised coordinates: shape (N, K, n), or N tensors (K, n); n is 3 in volumes.
        targets: the references, alike; NaN where a landmark is missing.
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels, of the image to which the coordinates are normalised.
        landmarks: the K landmarks, see :func:`monai_degia.landmark_set`; their ``size`` is what errors are measured in.
        domains: domain of each sample, N strings.
        spacing: for each sample millimetres per pixel of that image along each axis, or None where unknown, which takes
            pixels to be as long along one axis as along another. Default: none known.
        sdr_thresholds_mm: thresholds of the success detection rate, mm.
        pck_thresholds: of the PCK curve, fractions of the size.
        max_threshold: end of the area under that curve, fraction of the size.

    Returns:
        For each domain, in order of first appearance: ``count`` (samples), ``missing`` (landmarks without a label),
        ``mse`` (normalised), ``mre_px``, ``nme``,
        ``pck`` (``thresholds`` and ``rates``), ``auc``, ``nme_per_landmark`` (by name), ``count_mm`` (samples with a
        known spacing), ``mre_mm`` and ``sdr`` (``thresholds_mm`` and ``rates``) over those. None where there is nothing
        to take a mean of.

    Raises:
        ValueError: if counts, shapes or names do not fit together, or a coordinate is not finite.
    """
    spacings = [None] * len(domains) if spacing is None else list(spacing)
    counts = {"predictions": len(predictions), "targets": len(targets), "spacing": len(spacings)}
    if len(domains) == 0 or set(counts.values()) != {len(domains)}:
        raise UserError(f"Every sample needs one entry in each list, got {counts} for {len(domains)} domains.")
    known = landmark_set(landmarks)
    names = known.names
    summary: dict[str, dict[str, Any]] = {}
    for domain in dict.fromkeys(domains):
        rows = [row for row, value in enumerate(domains) if value == domain]
        shape = (len(names), len(image_size))
        prediction = _gather(predictions, rows, shape, f"predictions of domain {domain!r}")
        target = _gather(targets, rows, shape, f"targets of domain {domain!r}")
        x, y = to_pixels(prediction, image_size), to_pixels(target, image_size)
        own = [spacings[row] for row in rows]
        steps = _steps(own, len(image_size))
        relative = nme(x, y, known.size_ends, (steps * _plain(image_size)).amax(1), steps)
        missing = int(y.isnan().any(dim=2).sum())
        if relative.isnan().all():
            raise UserError(f"Domain {domain!r} has no label that an error can be measured by: leave it out.")
        per_landmark = dict(zip(names, map(_number, relative.nanmean(dim=0)), strict=True))
        rates = pck(relative, pck_thresholds).tolist()
        summary[domain] = {
            "count": len(rows),
            "missing": missing,
            "mse": normalized_mse(prediction, target).nanmean().item(),
            "mre_px": radial_error(x, y).nanmean().item(),
            "nme": relative.nanmean().item(),
            "pck": {"thresholds": [float(t) for t in pck_thresholds], "rates": rates},
            "auc": pck_auc(relative, max_threshold).item(),
            "nme_per_landmark": per_landmark,
            **_millimetres(x, y, own, sdr_thresholds_mm),
        }
    return summary


def _steps(spacings: list[Spacing], spatial_dims: int) -> Tensor:
    """Millimetres per pixel along each axis, a row a sample; 1 where they are not known."""
    values = [_plain([1.0] * spatial_dims if spacing is None else spacing) for spacing in spacings]
    if any(value.shape != (spatial_dims,) for value in values):
        axes = {2: "two numbers (x, y)", 3: "three numbers (x, y, z)"}[spatial_dims]
        raise UserError(f"Each spacing must be {axes} or None, got {spacings}.")
    return torch.stack(values)


def _millimetres(x: Tensor, y: Tensor, spacings: list[Spacing], thresholds: Sequence[float]) -> dict[str, Any]:
    known = [row for row, value in enumerate(spacings) if value is not None]
    if not known:
        return {"count_mm": 0, "mre_mm": None, "sdr": None}
    errors = radial_error(x[known], y[known], _steps([spacings[row] for row in known], x.shape[2]))
    if errors.isnan().all():
        return {"count_mm": 0, "mre_mm": None, "sdr": None}
    rates = success_detection_rate(errors, thresholds).tolist()
    return {
        "count_mm": len(known),
        "mre_mm": errors.nanmean().item(),
        "sdr": {"thresholds_mm": [float(t) for t in thresholds], "rates": rates},
    }


def _gather(samples: Tensor | Sequence[Tensor], rows: list[int], shape: tuple[int, int], what: str) -> Tensor:
    tensors = [_plain(samples[row]) for row in rows]
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if shapes != {shape}:
        raise UserError(
            f"The {what} must have shape {shape}, one row a name, got {sorted(shapes)}. "
            "Bring all domains to one landmark set first."
        )
    return torch.stack(tensors)


def _number(value: Tensor) -> float | None:
    return None if value.isnan() else float(value)


def _plain(values: Any) -> Tensor:
    return convert_to_tensor(values, dtype=torch.float64, device="cpu", track_meta=False, wrap_sequence=True)
