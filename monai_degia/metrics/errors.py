"""Landmark errors as pure functions: radial error, size, NME, SDR, PCK and the area under the PCK curve.

Points are (B, K, n) in n dimensions, 2 in images and 3 in volumes. A reference may lack landmarks: NaN. They have no
error (NaN), and no mean counts them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_degia.errors import UserError


def radial_error(prediction: Tensor, target: Tensor, spacing: Tensor | Sequence[float] | None = None) -> Tensor:
    """Euclidean distance of each landmark from its reference.

    Args:
        prediction: shape (B, K, n), pixels; or world coordinates, for an error in their unit.
        target: shape (B, K, n), alike; NaN where missing.
        spacing: millimetres per pixel along (x, y) or (x, y, z), shape (n,), or (B, n) with one row a sample. Default:
            no unit change.

    Returns:
        Shape (B, K), in pixels, or in millimetres if ``spacing`` is given; NaN where the reference is missing.

    Raises:
        ValueError: if shapes do not fit, a coordinate is not finite, or a spacing is not positive.
    """
    _check_pair(prediction, target)
    return torch.linalg.vector_norm(_scaled(prediction - target, spacing, "spacing"), dim=-1)


def hand_size(target: Tensor) -> Tensor:
    """Longest side of the axis-parallel bounding box of the landmarks.

    Args:
        target: shape (B, K, n), any unit that is the same along all axes; NaN where missing.

    Returns:
        Shape (B,), in the unit of ``target``; 0 where all landmarks coincide, NaN where fewer than two are there.

    Raises:
        ValueError: if the shape is wrong or a coordinate is infinite.
    """
    missing = _missing(target, "target")
    low = target.masked_fill(missing[..., None], torch.inf).amin(dim=1)
    high = target.masked_fill(missing[..., None], -torch.inf).amax(dim=1)
    return (high - low).amax(dim=1).masked_fill((~missing).sum(1) < 2, torch.nan)


def landmark_size(target: Tensor, ends: tuple[int, int] | None = None) -> Tensor:
    """What errors are divided by: the distance of two landmarks, or :func:`hand_size`.

    Args:
        target: shape (B, K, n), any unit that is the same along all axes; NaN where missing.
        ends: places of the two landmarks, ``LandmarkSet.size_ends``; ``None`` takes the box around all.

    Returns:
        Shape (B,), in the unit of ``target``; NaN where what is needed is missing.

    Raises:
        ValueError: if the shape is wrong or a coordinate is infinite.
    """
    if ends is None:
        return hand_size(target)
    _missing(target, "target")
    return torch.linalg.vector_norm(target[:, ends[0]] - target[:, ends[1]], dim=1)


def normalized_mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each sample, over its landmarks and their coordinates, as in the paper's tables.

    Args:
        prediction: shape (B, K, n), normalised to the image side.
        target: shape (B, K, n), normalised to the image side; NaN where missing.

    Returns:
        Shape (B,), in squared image sides; NaN for a sample without a landmark.

    Raises:
        ValueError: if shapes do not fit or a coordinate is not finite.
    """
    _check_pair(prediction, target)
    return (prediction - target).square().nanmean(dim=(1, 2))


def nme(
    prediction: Tensor,
    target: Tensor,
    ends: tuple[int, int] | None = None,
    alone: float | Tensor | None = None,
    spacing: Tensor | Sequence[float] | None = None,
) -> Tensor:
    """Normalised error: radial error over the size of the reference.

    Args:
        prediction: shape (B, K, n), pixels.
        target: shape (B, K, n), pixels; NaN where missing.
        ends: see :func:`landmark_size`.
        alone: size of a set of one landmark, which has none of its own, such as the image's longest side; in pixels, or
            in mm with a spacing; one number, or shape (B,).
        spacing: see :func:`radial_error`; needed where pixels are not as long along one axis as along another.

    Returns:
        Shape (B, K), as a fraction of the size; NaN where the landmark is missing, or what the size needs.

    Raises:
        ValueError: if shapes do not fit, a coordinate is not finite, or a reference has no extent.
    """
    error = radial_error(prediction, target, spacing)
    size = landmark_size(_scaled(target, spacing, "spacing"), ends)
    if alone is not None and target.shape[1] == 1:
        size = torch.as_tensor(alone).to(size).expand_as(size)
    if (size == 0).any():
        samples = (size == 0).nonzero().flatten().tolist()
        raise UserError(
            f"nme divides by the size, which is 0 in sample(s) {samples}: their reference landmarks coincide. "
            "Correct these labels, or use radial_error."
        )
    return error / size[:, None]


def success_detection_rate(errors: Tensor, thresholds: Sequence[float] | Tensor, per_landmark: bool = False) -> Tensor:
    """Fraction of landmarks whose error is at most each threshold (SDR).

    Args:
        errors: shape (B, K), in the unit of the thresholds; NaN does not count.
        thresholds: T values, not negative.
        per_landmark: keep the landmark axis.

    Returns:
        Shape (T,), or (T, K) per landmark; values in [0, 1].

    Raises:
        ValueError: if there are no errors, one is not finite or negative, or a threshold is negative.
    """
    _check_errors(errors)
    limits = torch.as_tensor(thresholds, dtype=errors.dtype, device=errors.device)
    if limits.ndim != 1 or limits.numel() == 0 or not (limits >= 0).all():
        raise UserError(f"thresholds must be a non-empty list of numbers >= 0, got {thresholds}.")
    hits = (errors[None] <= limits[:, None, None]).to(errors.dtype).masked_fill(errors.isnan()[None], torch.nan)
    return hits.nanmean(dim=1) if per_landmark else hits.nanmean(dim=(1, 2))


def pck(normalized_errors: Tensor, thresholds: Sequence[float] | Tensor, per_landmark: bool = False) -> Tensor:
    """Percentage of correct keypoints as a fraction: :func:`success_detection_rate` of errors over size.

    Args:
        normalized_errors: shape (B, K), from :func:`nme`.
        thresholds: T fractions of the size.
        per_landmark: keep the landmark axis.

    Returns:
        Shape (T,), or (T, K) per landmark; values in [0, 1].

    Raises:
        ValueError: as :func:`success_detection_rate`.
    """
    return success_detection_rate(normalized_errors, thresholds, per_landmark)


def pck_auc(normalized_errors: Tensor, max_threshold: float = 0.2, per_landmark: bool = False) -> Tensor:
    r"""Area under the empirical PCK curve from 0 to ``max_threshold``, over that length.

    Exact, with no grid of thresholds: :math:`\frac{1}{m}\int_0^m [e \le t]\,dt = \max(0, 1 - e/m)` for every error
    :math:`e`, and the area is the mean of it.

    Args:
        normalized_errors: shape (B, K), from :func:`nme`.
        max_threshold: m, fraction of the size, positive.
        per_landmark: keep the landmark axis.

    Returns:
        Scalar, or shape (K,) per landmark; values in [0, 1], 1 for a perfect prediction.

    Raises:
        ValueError: if there are no errors, one is not finite or negative, or ``max_threshold`` is not positive.
    """
    _check_errors(normalized_errors)
    if not 0 < max_threshold < float("inf"):
        raise UserError(f"max_threshold must be positive and finite, got {max_threshold}.")
    area = (1 - normalized_errors / max_threshold).clamp(min=0)
    return area.nanmean(dim=0) if per_landmark else area.nanmean()


def to_pixels(coordinates: Tensor, image_size: Tensor | Sequence[float]) -> Tensor:
    """Scale normalised coordinates to pixels measured from the image's corner.

    Half a pixel apart from coordinates whose pixel centres are integers, which no distance between two points sees.

    Args:
        coordinates: shape (B, K, n), normalised to the image side; NaN where missing.
        image_size: pixels along (x, y) or (x, y, z), shape (n,), or (B, n) with one row a sample.

    Returns:
        Shape (B, K, n), pixels.

    Raises:
        ValueError: if shapes do not fit or a size is not positive.
    """
    _missing(coordinates, "coordinates")
    return _scaled(coordinates, image_size, "image_size")


def _scaled(points: Tensor, factors: Tensor | Sequence[float] | None, name: str) -> Tensor:
    if factors is None:
        return points
    scale = torch.as_tensor(factors, dtype=points.dtype, device=points.device)
    count, dims = points.shape[0], points.shape[2]
    if tuple(scale.shape) not in {(dims,), (count, dims)}:
        raise UserError(f"{name} must have shape ({dims},) or ({count}, {dims}), got {tuple(scale.shape)}.")
    if not (torch.isfinite(scale) & (scale > 0)).all():
        raise UserError(f"{name} must be positive and finite, got {scale.tolist()}.")
    return points * (scale if scale.ndim == 1 else scale[:, None, :])


def _check_pair(prediction: Tensor, target: Tensor) -> None:
    if _missing(prediction, "prediction").any():
        samples = prediction.isnan().flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise UserError(f"prediction must be finite, but sample(s) {samples} hold NaN: only references may miss some.")
    _missing(target, "target")
    if prediction.shape != target.shape:
        raise UserError(
            f"prediction and target must have one shape, got {tuple(prediction.shape)} and {tuple(target.shape)}."
        )


def _missing(points: Tensor, name: str) -> Tensor:
    """Which landmarks are missing, (B, K)."""
    if points.ndim != 3 or points.shape[2] not in (2, 3) or points.shape[1] == 0:
        raise UserError(
            f"{name} must have shape (B, K, 2), or (B, K, 3) in volumes, with K >= 1, got {tuple(points.shape)}."
        )
    if points.isinf().any():
        samples = points.isinf().flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise UserError(f"{name} must be finite, but sample(s) {samples} hold infinity.")
    return points.isnan().any(dim=2)


def _check_errors(errors: Tensor) -> None:
    if errors.ndim != 2 or errors.numel() == 0:
        raise UserError(f"errors must have shape (B, K) and not be empty, got {tuple(errors.shape)}.")
    if errors.isinf().any() or (errors < 0).any():
        raise UserError("errors must be finite and not negative, but some are not.")
    if errors.isnan().all():
        raise UserError("Every landmark is missing: there is no error to take a mean of.")
