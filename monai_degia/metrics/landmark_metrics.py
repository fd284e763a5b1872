"""MONAI metric classes over the functions of ``errors``: they accumulate (N, K) errors and reduce them at the end."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError
from monai_degia.metrics.errors import nme, pck, pck_auc, radial_error, success_detection_rate, to_pixels

REDUCTIONS = ("mean", "landmark")


class LandmarkMetric(CumulativeIterationMetric):
    """Base of the landmark metrics: what is accumulated is one error a sample and landmark.

    Call it with ``y_pred`` and ``y``, normalised coordinates of shape (B, K, n) or lists of B tensors (K, n); n is 2, 3
    in volumes. In ``y``, NaN stands for a missing landmark. ``get_buffer()`` then holds the errors of all samples so
    far, shape (N, K), NaN where there is none. Means leave these out.
    """

    def reset(self) -> None:
        """Forget all samples."""
        super().reset()
        self._num_landmarks: int | None = None

    def aggregate(self, reduction: str = "mean") -> Tensor:
        """Reduce the errors of all samples.

        Args:
            reduction: ``"mean"`` over samples and landmarks, or ``"landmark"`` to keep the landmarks apart.

        Returns:
            Scalar, or shape (K,); rates at T thresholds have the shape (T,) or (T, K).

        Raises:
            ValueError: if the reduction is unknown or no sample has been seen.
        """
        if reduction not in REDUCTIONS:
            raise UserError(f"Unknown reduction {reduction!r}. Available: {', '.join(REDUCTIONS)}.")
        errors = self.get_buffer()
        if errors is None:
            raise UserError(f"{type(self).__name__} has seen no sample. Call it with y_pred and y before aggregate().")
        return self._reduce(errors, per_landmark=reduction == "landmark")

    @abstractmethod
    def _errors(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Error of every landmark, (B, K), from normalised coordinates (B, K, n)."""

    def _reduce(self, errors: Tensor, per_landmark: bool) -> Tensor:
        return errors.nanmean(dim=0) if per_landmark else errors.nanmean()

    def _compute_list(self, y_pred: Any, y: Any = None, **kwargs: Any) -> Tensor:
        # MONAI pairs the two lists with zip, which drops what is left over without a word.
        if y is None or len(y_pred) != len(y):
            count = "none" if y is None else len(y)
            raise UserError(f"y_pred and y must hold as many samples, got {len(y_pred)} and {count}.")
        if len(y_pred) == 0:
            raise UserError("y_pred and y hold no sample.")
        return self._compute_tensor(_stack(y_pred, "y_pred"), _stack(y, "y"))

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        if y is None:
            raise UserError(f"{type(self).__name__} needs the reference landmarks y beside y_pred.")
        errors = self._errors(_plain(y_pred), _plain(y))
        if self._num_landmarks not in (None, errors.shape[1]):
            raise UserError(
                f"{type(self).__name__} has accumulated {self._num_landmarks} landmarks a sample, now got "
                f"{errors.shape[1]}. Use one metric per landmark set, or reset()."
            )
        self._num_landmarks = errors.shape[1]
        return errors


class LandmarkMSEMetric(LandmarkMetric):
    """Mean squared error of normalised coordinates, the number of the paper's Table 2."""

    def _errors(self, y_pred: Tensor, y: Tensor) -> Tensor:
        # The checks are those of radial_error; its square is the sum over the coordinates.
        return radial_error(y_pred, y).square() / y.shape[2]


class MeanRadialErrorMetric(LandmarkMetric):
    """Mean radial error (MRE).

    Args:
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels.
        spacing: millimetres per pixel of that image along each axis. Given: errors are in mm; else in pixels.
    """

    def __init__(self, image_size: Sequence[int], spacing: Sequence[float] | None = None) -> None:
        super().__init__()
        self.image_size, self.spacing = _geometry(image_size, spacing)

    def _errors(self, y_pred: Tensor, y: Tensor) -> Tensor:
        return radial_error(to_pixels(y_pred, self.image_size), to_pixels(y, self.image_size), self.spacing)


class SuccessDetectionRateMetric(MeanRadialErrorMetric):
    """Fraction of landmarks found within each threshold (SDR).

    Args:
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels.
        thresholds_px: T thresholds in pixels. Give these, or ``thresholds_mm`` and ``spacing``.
        thresholds_mm: T thresholds in millimetres.
        spacing: millimetres per pixel of that image along each axis.

    Raises:
        ValueError: unless exactly one kind of thresholds is given, with a spacing if and only if it is millimetres.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        thresholds_px: Sequence[float] | None = None,
        thresholds_mm: Sequence[float] | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(image_size, spacing)
        if (thresholds_px is None) == (thresholds_mm is None) or (thresholds_mm is None) != (spacing is None):
            raise UserError(
                "Give thresholds_px alone, or thresholds_mm and spacing, got "
                f"thresholds_px={thresholds_px}, thresholds_mm={thresholds_mm}, spacing={spacing}."
            )
        self.thresholds = tuple(thresholds_px or thresholds_mm or ())

    def _reduce(self, errors: Tensor, per_landmark: bool) -> Tensor:
        return success_detection_rate(errors, self.thresholds, per_landmark)


class NormalizedMeanErrorMetric(LandmarkMetric):
    """Mean radial error over the size of the reference (NME).

    Args:
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels; only its ratio matters.
        landmarks: what they are, see :func:`monai_degia.landmark_set`, whose ``size`` errors are measured in. Default:
            the longest side of their box; of a single landmark, that of the image.
        spacing: millimetres per pixel of that image along each axis; needed where they differ.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        landmarks: Landmarks | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.image_size, self.spacing = _geometry(image_size, spacing)
        self.size_ends = None if landmarks is None else landmark_set(landmarks).size_ends

    def _errors(self, y_pred: Tensor, y: Tensor) -> Tensor:
        found, wanted = (to_pixels(points, self.image_size) for points in (y_pred, y))
        sides = [side * step for side, step in zip(self.image_size, self.spacing or (1.0,) * y.shape[2], strict=True)]
        return nme(found, wanted, self.size_ends, alone=max(sides), spacing=self.spacing)


class PCKMetric(NormalizedMeanErrorMetric):
    """Fraction of landmarks within each fraction of the size (PCK).

    Args:
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels; only its ratio matters.
        thresholds: T fractions of the size.
        landmarks: see :class:`NormalizedMeanErrorMetric`, as ``spacing``.
        spacing: see there.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        thresholds: Sequence[float] = (0.05, 0.1, 0.2),
        landmarks: Landmarks | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(image_size, landmarks, spacing)
        self.thresholds = tuple(thresholds)

    def _reduce(self, errors: Tensor, per_landmark: bool) -> Tensor:
        return pck(errors, self.thresholds, per_landmark)


class PCKAUCMetric(NormalizedMeanErrorMetric):
    """Area under the PCK curve from 0 to ``max_threshold``, normalised to [0, 1].

    Args:
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels; only its ratio matters.
        max_threshold: end of the curve, a fraction of the size.
        landmarks: see :class:`NormalizedMeanErrorMetric`, as ``spacing``.
        spacing: see there.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        max_threshold: float = 0.2,
        landmarks: Landmarks | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(image_size, landmarks, spacing)
        self.max_threshold = max_threshold

    def _reduce(self, errors: Tensor, per_landmark: bool) -> Tensor:
        return pck_auc(errors, self.max_threshold, per_landmark)


def _plain(points: Any) -> Tensor:
    """Float32 tensor without MONAI's metadata; half precision would round pixels away."""
    return convert_to_tensor(points, dtype=torch.float32, track_meta=False, wrap_sequence=True)


def _stack(samples: Any, name: str) -> Tensor:
    tensors = [_plain(sample) for sample in samples]
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) > 1:
        raise UserError(f"{name} holds samples of different shapes, {shapes}. Use one metric per landmark set.")
    return torch.stack(tensors)


def _geometry(
    image_size: Sequence[int], spacing: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...] | None]:
    """The size, and the spacing along as many axes if there is one."""
    for name, values in (("image_size", image_size), ("spacing", spacing)):
        if values is None:
            continue
        if len(values) not in (2, 3) or not all(0 < value < float("inf") for value in values):
            raise UserError(f"{name} must be two positive numbers (x, y), or three in volumes, got {tuple(values)}.")
        if len(values) != len(image_size):
            raise UserError(f"{name} must have as many numbers as image_size, {len(image_size)}, got {tuple(values)}.")
    return tuple(image_size), None if spacing is None else tuple(spacing)
