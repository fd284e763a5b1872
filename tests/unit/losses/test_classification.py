"""Cross entropy and entropy by hand, their gradients, and labels that do not fit."""

import math

import pytest
import torch
from torch.testing import assert_close

from monai_degia.losses.classification import ClassificationLoss, cross_entropy, prediction_entropy


def test_cross_entropy_by_hand() -> None:
    """Odds of 1 : 2 : 5, whatever is added to all logits of a sample."""
    logits = torch.tensor([[1.0, 2.0, 5.0]]).log() + torch.tensor([[0.0], [7.0], [-3.0]])
    target = torch.tensor([0, 1, 2])
    expected = -torch.tensor([1 / 8, 2 / 8, 5 / 8]).log()
    assert_close(cross_entropy(logits, target), expected)
    assert_close(ClassificationLoss()(logits, target), expected.mean())


def test_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [100.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1000.0, -1000.0]])
    assert_close(prediction_entropy(logits), torch.tensor([math.log(4), 0.0, math.log(2)]), atol=1e-6, rtol=0)
    odds = torch.tensor([[1.0, 2.0, 5.0]]) / 8
    assert_close(prediction_entropy(odds.log() + 3), -(odds * odds.log()).sum(1))


def test_gradients_in_closed_form() -> None:
    """Of cross entropy p - onehot, of the entropy -p (log p + H)."""
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(5, (6,))
    p = logits.detach().softmax(1)
    (gradient,) = torch.autograd.grad(cross_entropy(logits, target).sum(), logits)
    assert_close(gradient, p - torch.nn.functional.one_hot(target, 5))
    (gradient,) = torch.autograd.grad(prediction_entropy(logits).sum(), logits)
    entropy = -(p * p.log()).sum(1, keepdim=True)
    assert_close(gradient, -p * (p.log() + entropy))


def test_gradient_of_a_certain_prediction_is_finite() -> None:
    logits = torch.tensor([[500.0, -500.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(prediction_entropy(logits).sum(), logits)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_integers_of_any_width(dtype: torch.dtype) -> None:
    logits, target = torch.randn(4, 3), torch.tensor([0, 2, 1, 2])
    assert_close(cross_entropy(logits, target.to(dtype)), cross_entropy(logits, target))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_classes_that_are_no_integers(dtype: torch.dtype) -> None:
    for loss in (cross_entropy, ClassificationLoss()):
        with pytest.raises(TypeError, match=f"needs classes as integers, got {dtype}"):
            loss(torch.randn(2, 3), torch.tensor([0, 1]).to(dtype))


@pytest.mark.parametrize(("target", "span"), [([0, 3], "0 to 3"), ([-100, 1], "-100 to 1")])
def test_classes_out_of_range(target: list[int], span: str) -> None:
    """Also -100, which torch's own loss would leave out without a word."""
    message = f"knows classes 0 to 2, the labels hold {span}: build the network with num_classes"
    for loss in (cross_entropy, ClassificationLoss()):
        with pytest.raises(ValueError, match=message):
            loss(torch.randn(2, 3), torch.tensor(target))


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_not_one_class_a_sample(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one class a sample, shape \(2,\) for logits of shape \(2, 3\), got"):
        cross_entropy(torch.randn(2, 3), torch.zeros(shape, dtype=torch.long))


@pytest.mark.parametrize("logits", [torch.rand(2, 3, 4), torch.rand(3), torch.zeros(2, 3, dtype=torch.long)])
def test_outputs_that_are_no_logits(logits: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"logits have shape \(B, K\) and are floating point, got"):
        prediction_entropy(logits)
    with pytest.raises(ValueError, match=r"logits have shape \(B, K\) and are floating point, got"):
        cross_entropy(logits, torch.zeros(2, dtype=torch.long))
