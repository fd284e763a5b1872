"""What must hold of the landmark metrics for any input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.metrics.errors import hand_size, nme, normalized_mse, pck, pck_auc, radial_error
from monai_degia.metrics.landmark_metrics import (
    LandmarkMetric,
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKAUCMetric,
    PCKMetric,
    SuccessDetectionRateMetric,
)

SIZE = (96, 64)
METRICS: dict[str, tuple[Callable[[], LandmarkMetric], float]] = {
    "mse": (LandmarkMSEMetric, 0.0),
    "mre px": (lambda: MeanRadialErrorMetric(SIZE), 0.0),
    "mre mm": (lambda: MeanRadialErrorMetric(SIZE, spacing=(0.2, 0.3)), 0.0),
    "nme": (lambda: NormalizedMeanErrorMetric(SIZE), 0.0),
    "sdr px": (lambda: SuccessDetectionRateMetric(SIZE, thresholds_px=(2, 4, 8)), 1.0),
    "sdr mm": (lambda: SuccessDetectionRateMetric(SIZE, thresholds_mm=(1, 2), spacing=(0.2, 0.3)), 1.0),
    "pck": (lambda: PCKMetric(SIZE), 1.0),
    "auc": (lambda: PCKAUCMetric(SIZE), 1.0),
}
EVERY = pytest.mark.parametrize(("make", "perfect"), METRICS.values(), ids=METRICS.keys())


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    target = torch.rand(11, 6, 2)
    return target + 0.05 * torch.randn(11, 6, 2), target


def test_spacing_scales_the_radial_error(pair: tuple[Tensor, Tensor]) -> None:
    x, y = pair
    assert_close(radial_error(x, y, (0.3, 0.3)), 0.3 * radial_error(x, y))
    stretch = torch.tensor([0.2, 1.7])
    assert_close(radial_error(x, y, stretch), radial_error(x * stretch, y * stretch))


def test_nme_ignores_translation_and_scale_and_the_error_ignores_rotation(pair: tuple[Tensor, Tensor]) -> None:
    x, y = pair
    assert_close(nme(37 * x + torch.tensor([5.0, -3.0]), 37 * y + torch.tensor([5.0, -3.0])), nme(x, y))
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert_close(radial_error(x @ turn, y @ turn), radial_error(x, y))
    assert_close(hand_size(y.flip(2)), hand_size(y))


def test_mse_is_that_of_torch_and_half_the_squared_radial_error(pair: tuple[Tensor, Tensor]) -> None:
    x, y = pair
    assert_close(normalized_mse(x, y).mean(), torch.nn.functional.mse_loss(x, y))
    assert_close(normalized_mse(x, y), radial_error(x, y).square().mean(1) / 2)


def test_area_is_the_integral_of_the_curve(pair: tuple[Tensor, Tensor]) -> None:
    errors = nme(*pair).double()
    middles = (torch.arange(20000).double() + 0.5) / 20000 * 0.2
    assert_close(pck_auc(errors, 0.2), pck(errors, middles).mean(), atol=1e-4, rtol=0)
    curve = pck(errors, middles)
    assert (curve.diff() >= 0).all() and 0 < curve[2000] < curve[-1] <= 1


@EVERY
def test_perfect_prediction(make: Callable[[], LandmarkMetric], perfect: float, pair: tuple[Tensor, Tensor]) -> None:
    metric = make()
    metric(pair[1], pair[1])
    value = metric.aggregate()
    assert_close(value, torch.full_like(value, perfect))


@EVERY
def test_order_and_batching_do_not_matter(
    make: Callable[[], LandmarkMetric], perfect: float, pair: tuple[Tensor, Tensor]
) -> None:
    x, y = pair
    at_once, in_parts, as_lists, permuted = make(), make(), make(), make()
    at_once(x, y)
    for part in (slice(0, 4), slice(4, 5), slice(5, 11)):
        in_parts(x[part], y[part])
        as_lists(list(x[part]), list(y[part]))
    order = torch.randperm(11)
    permuted(x[order], y[order])
    for reduction in ("mean", "landmark"):
        expected = at_once.aggregate(reduction)
        assert (expected != perfect).any(), "vacuous: the prediction is perfect"
        for metric in (in_parts, as_lists, permuted):
            assert_close(metric.aggregate(reduction), expected)


@EVERY
def test_landmarks_average_to_the_whole_and_follow_their_order(
    make: Callable[[], LandmarkMetric], perfect: float, pair: tuple[Tensor, Tensor]
) -> None:
    x, y = pair
    metric, flipped = make(), make()
    metric(x, y)
    flipped(x.flip(1), y.flip(1))
    each = metric.aggregate("landmark")
    assert each.shape[-1] == 6
    assert_close(each.mean(-1), metric.aggregate())
    assert_close(flipped.aggregate("landmark"), each.flip(-1))
    assert metric.get_buffer().shape == (11, 6)


@EVERY
def test_a_larger_error_is_never_better(
    make: Callable[[], LandmarkMetric], perfect: float, pair: tuple[Tensor, Tensor]
) -> None:
    x, y = pair
    near, far = make(), make()
    near(x, y)
    far(y + 3 * (x - y), y)
    worse = far.aggregate() - near.aggregate() if perfect == 0 else near.aggregate() - far.aggregate()
    assert (worse > 0).all()
