"""Ignite handlers of the landmark metrics for MONAI's engines; each gives one number, fit for ``key_val_metric``.

``output_transform`` picks ``(y_pred, y)`` from ``engine.state.output``, as in every MONAI metric handler:
``$monai.handlers.from_engine(['pred', 'landmarks'])``. ``save_details`` keeps the errors of every sample, (N, K), in
``engine.state.metric_details``. For errors (all but the rates and the area) smaller is better: give the evaluator
``metric_cmp_fn`` and the checkpoint saver ``key_metric_negative_sign`` accordingly.
"""

from collections.abc import Callable, Sequence
from typing import Any

from monai.handlers import IgniteMetricHandler

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.metrics.landmark_metrics import (
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKAUCMetric,
    PCKMetric,
    SuccessDetectionRateMetric,
)


def _identity(output: Any) -> Any:
    return output


class LandmarkMSE(IgniteMetricHandler):
    """Mean squared error of normalised coordinates, see :class:`LandmarkMSEMetric`."""

    def __init__(self, output_transform: Callable = _identity, save_details: bool = True) -> None:
        super().__init__(LandmarkMSEMetric(), output_transform=output_transform, save_details=save_details)


class MeanRadialError(IgniteMetricHandler):
    """Mean radial error in pixels, or in mm if ``spacing`` is given, see :class:`MeanRadialErrorMetric`."""

    def __init__(
        self,
        image_size: Sequence[int],
        spacing: Sequence[float] | None = None,
        output_transform: Callable = _identity,
        save_details: bool = True,
    ) -> None:
        metric = MeanRadialErrorMetric(image_size, spacing)
        super().__init__(metric, output_transform=output_transform, save_details=save_details)


class NormalizedMeanError(IgniteMetricHandler):
    """Mean radial error over size, see :class:`NormalizedMeanErrorMetric`."""

    def __init__(
        self,
        image_size: Sequence[int],
        landmarks: Landmarks | None = None,
        output_transform: Callable = _identity,
        save_details: bool = True,
        spacing: Sequence[float] | None = None,
    ) -> None:
        metric = NormalizedMeanErrorMetric(image_size, landmarks, spacing)
        super().__init__(metric, output_transform=output_transform, save_details=save_details)


class SuccessDetectionRate(IgniteMetricHandler):
    """Fraction of landmarks within one threshold, see :class:`SuccessDetectionRateMetric`."""

    def __init__(
        self,
        image_size: Sequence[int],
        threshold_px: float | None = None,
        threshold_mm: float | None = None,
        spacing: Sequence[float] | None = None,
        output_transform: Callable = _identity,
        save_details: bool = True,
    ) -> None:
        in_px, in_mm = (None if value is None else (value,) for value in (threshold_px, threshold_mm))
        metric = SuccessDetectionRateMetric(image_size, in_px, in_mm, spacing)
        super().__init__(metric, output_transform=output_transform, save_details=save_details)


class PercentageOfCorrectKeypoints(IgniteMetricHandler):
    """Fraction of landmarks within ``threshold`` of the size, see :class:`PCKMetric`."""

    def __init__(
        self,
        image_size: Sequence[int],
        threshold: float = 0.1,
        landmarks: Landmarks | None = None,
        output_transform: Callable = _identity,
        save_details: bool = True,
        spacing: Sequence[float] | None = None,
    ) -> None:
        metric = PCKMetric(image_size, (threshold,), landmarks, spacing)
        super().__init__(metric, output_transform=output_transform, save_details=save_details)


class PCKAUC(IgniteMetricHandler):
    """Area under the PCK curve, see :class:`PCKAUCMetric`."""

    def __init__(
        self,
        image_size: Sequence[int],
        max_threshold: float = 0.2,
        landmarks: Landmarks | None = None,
        output_transform: Callable = _identity,
        save_details: bool = True,
        spacing: Sequence[float] | None = None,
    ) -> None:
        metric = PCKAUCMetric(image_size, max_threshold, landmarks, spacing)
        super().__init__(metric, output_transform=output_transform, save_details=save_details)
