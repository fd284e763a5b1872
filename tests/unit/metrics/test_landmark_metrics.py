import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor
from torch.testing import assert_close

from monai_degia.metrics.landmark_metrics import (
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKAUCMetric,
    PCKMetric,
    SuccessDetectionRateMetric,
)

# In a 100 x 50 image: displacements of (3, 4), (0, 5) and (0, 0) pixels on a hand 60 pixels wide and 20 high.
SIZE = (100, 50)
TARGET = torch.tensor([[[20.0, 10.0], [80.0, 30.0], [50.0, 20.0]]]) / torch.tensor(SIZE)
PREDICTION = TARGET + torch.tensor([[[3.0, 4.0], [0.0, 5.0], [0.0, 0.0]]]) / torch.tensor(SIZE)


@pytest.mark.parametrize(
    ("metric", "mean", "landmark"),
    [
        (LandmarkMSEMetric(), 0.01775 / 6, [0.0073 / 2, 0.01 / 2, 0.0]),
        (MeanRadialErrorMetric(SIZE), 10 / 3, [5.0, 5.0, 0.0]),
        (MeanRadialErrorMetric(SIZE, spacing=(0.1, 0.2)), (0.73**0.5 + 1) / 3, [0.73**0.5, 1.0, 0.0]),
        (NormalizedMeanErrorMetric(SIZE), 10 / 180, [5 / 60, 5 / 60, 0.0]),
        (SuccessDetectionRateMetric(SIZE, thresholds_px=(4,)), [1 / 3], [[0.0, 0.0, 1.0]]),
        (SuccessDetectionRateMetric(SIZE, thresholds_mm=(0.9, 2), spacing=(0.1, 0.2)), [2 / 3, 1.0], None),
        (PCKMetric(SIZE, thresholds=(0.08, 0.09)), [1 / 3, 1.0], [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]),
        (PCKAUCMetric(SIZE, max_threshold=0.1), (1 / 6 + 1 / 6 + 1) / 3, [1 / 6, 1 / 6, 1.0]),
    ],
)
def test_known_values(metric, mean, landmark) -> None:
    metric(PREDICTION, TARGET)
    assert_close(metric.aggregate(), torch.tensor(mean), atol=1e-4, rtol=1e-4)
    if landmark is not None:
        assert_close(metric.aggregate("landmark"), torch.tensor(landmark), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("convert", [MetaTensor, Tensor.numpy, Tensor.half, list])
def test_forms_of_input_give_a_plain_float_tensor(convert) -> None:
    metric = MeanRadialErrorMetric(SIZE)
    prediction, target = ([convert(x[0])] if convert is not list else list(x) for x in (PREDICTION, TARGET))
    metric(prediction, target)
    assert type(metric.get_buffer()) is Tensor
    assert metric.aggregate().dtype == torch.float32
    assert_close(metric.aggregate(), torch.tensor(10 / 3), atol=0.05, rtol=0)


def test_reset_forgets_samples_and_their_landmark_count() -> None:
    metric = LandmarkMSEMetric()
    metric(PREDICTION, TARGET)
    metric.reset()
    metric(TARGET[:, :2], TARGET[:, :2])
    assert metric.aggregate() == 0


def used() -> LandmarkMSEMetric:
    metric = LandmarkMSEMetric()
    metric(PREDICTION, TARGET)
    return metric


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LandmarkMSEMetric().aggregate(), "LandmarkMSEMetric has seen no sample"),
        (lambda: used().aggregate("mean_batch"), "Unknown reduction 'mean_batch'. Available: mean, landmark"),
        (lambda: used()(TARGET[:, :2], TARGET[:, :2]), "accumulated 3 landmarks a sample, now got 2"),
        (lambda: used()(list(TARGET), [TARGET[0], TARGET[0]]), "as many samples, got 1 and 2"),
        (lambda: used()([], []), "hold no sample"),
        (lambda: used()([TARGET[0], TARGET[0, :2]], [TARGET[0]] * 2), r"different shapes, \[\(2, 2\), \(3, 2\)\]"),
        (lambda: used()(TARGET), "needs the reference landmarks y"),
        (lambda: used()(TARGET * float("nan"), TARGET), "must be finite"),
        (
            lambda: MeanRadialErrorMetric((64,)),
            r"image_size must be two positive numbers \(x, y\), or three in volumes, got \(64,\)",
        ),
        (lambda: MeanRadialErrorMetric(SIZE, spacing=(0, 1)), "spacing must be two positive numbers"),
        (
            lambda: NormalizedMeanErrorMetric(SIZE, None, (1, 1, 3)),
            "spacing must have as many numbers as image_size, 2",
        ),
        (lambda: SuccessDetectionRateMetric(SIZE), "Give thresholds_px alone, or thresholds_mm and spacing"),
        (lambda: SuccessDetectionRateMetric(SIZE, thresholds_mm=(2,)), "Give thresholds_px alone"),
        (lambda: SuccessDetectionRateMetric(SIZE, (2,), spacing=(1, 1)), "Give thresholds_px alone"),
    ],
)
def test_wrong_use_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
