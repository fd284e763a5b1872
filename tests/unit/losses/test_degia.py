"""The terms of the objective against numbers worked out by hand, and what holds for all of them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.losses.degia import gaussian_wasserstein, negative_log_likelihood, prediction_shift, transport_cost
from monai_degia.losses.landmark import LandmarkMSELoss, landmark_mse

PAIRS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transport": transport_cost,
    "wasserstein": gaussian_wasserstein,
    "prediction": prediction_shift,
    "landmarks": lambda a, b: landmark_mse(a[..., None].expand(*a.shape, 2), b[..., None].expand(*b.shape, 2)),
}


def test_negative_log_likelihood_is_per_dimension() -> None:
    """A standard normal density at zero is (2 pi)^(-D/2): half of log 2 pi nats a dimension, whatever D."""
    for dims in (1, 48, 12288):
        log_prob = torch.full((2,), -dims / 2 * math.log(2 * math.pi), dtype=torch.float64)
        expected = torch.full((2,), 0.9189385332046727, dtype=torch.float64)
        assert_close(negative_log_likelihood(log_prob, dims), expected)


def test_transport_cost_by_hand() -> None:
    z, source = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    assert_close(transport_cost(z, source), torch.tensor([(4 + 9) / 3, 3.0]))


def test_gaussian_wasserstein_by_hand() -> None:
    """Means 2 and 5, standard deviations 1 and 3: 9 + 4; then equal values, so a distance of the means alone."""
    z = torch.tensor([[1.0, 3.0, 1.0, 3.0], [7.0, 7.0, 7.0, 7.0]])
    source = torch.tensor([[2.0, 8.0, 8.0, 2.0], [4.0, 4.0, 4.0, 4.0]])
    assert_close(gaussian_wasserstein(z, source), torch.tensor([13.0, 9.0]))


def test_gaussian_wasserstein_is_that_of_large_samples() -> None:
    """In one dimension the optimal plan pairs sorted samples, which needs no formula for Gaussians."""
    z = 0.5 + 1.5 * torch.randn(2, 200_000, dtype=torch.float64)
    source = -0.3 + 0.6 * torch.randn(2, 200_000, dtype=torch.float64)
    sorted_cost = (z.sort(1).values - source.sort(1).values).square().mean(1)
    assert_close(gaussian_wasserstein(z, source), sorted_cost, atol=2e-3, rtol=0)
    assert sorted_cost.min() > 1


def test_gaussian_wasserstein_forgets_the_order_and_transport_does_not() -> None:
    z = torch.randn(3, 40)
    shuffled = z[:, torch.randperm(40)]
    assert_close(gaussian_wasserstein(z, shuffled), torch.zeros(3), atol=1e-6, rtol=0)
    assert transport_cost(z, shuffled).min() > 0.1


def test_prediction_shift_takes_any_shape() -> None:
    prediction = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    expected = torch.tensor([(1 + 4 + 9 + 16) / 4, 0.0])
    assert_close(prediction_shift(prediction, torch.zeros(2, 2, 2)), expected)
    assert_close(prediction_shift(prediction.flatten(1), torch.zeros(2, 4)), expected)


@pytest.mark.parametrize("term", PAIRS.values(), ids=PAIRS.keys())
def test_a_term_is_a_distance_of_each_sample_alone(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    a, b = torch.randn(2, 5, 12, dtype=torch.float64)
    value = term(a, b)
    assert value.shape == (5,) and (value > 0).all()
    assert_close(term(b, a), value)
    assert torch.equal(term(a, a), torch.zeros_like(value))
    assert_close(torch.cat([term(x, y) for x, y in zip(a.split(1), b.split(1), strict=True)]), value)
    # Normalised by the dimension: the same values twice over change nothing.
    assert_close(term(a.repeat(1, 2), b.repeat(1, 2)), value)
    assert_close(term(3 * a, 3 * b), 9 * value)


def test_landmark_error_by_hand() -> None:
    prediction = torch.tensor([[[0.5, 0.5], [0.1, 0.9]], [[0.0, 0.0], [0.0, 0.0]]])
    target = torch.tensor([[[0.5, 0.1], [0.1, 0.7]], [[1.0, 0.0], [0.0, 0.0]]])
    assert_close(landmark_mse(prediction, target), torch.tensor([(0.16 + 0.04) / 4, 0.25]))
    assert_close(LandmarkMSELoss()(prediction, target), torch.tensor((0.05 + 0.25) / 2))


@pytest.mark.parametrize("shape", [(2, 17, 2), (1, 21, 2), (2, 21, 3), (2, 42)])
def test_landmarks_of_other_shapes(shape: tuple[int, ...]) -> None:
    """A loss that broadcast would be a number, and wrong."""
    message = r"predicts landmarks of shape \(2, 21, 2\), the labels have shape \(" + ", ".join(map(str, shape))
    for loss in (landmark_mse, LandmarkMSELoss()):
        with pytest.raises(ValueError, match=message + r"\): build the network with num_landmarks"):
            loss(torch.rand(2, 21, 2), torch.rand(shape))
