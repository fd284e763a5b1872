"""Agreement of views against loops, bounds that it cannot leave, and the loss that adds it to the task's."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.losses.consistency import ViewsLoss, consistency_loss, prediction_variance


def test_consistency_is_the_mean_divergence_from_the_mean() -> None:
    logits = 3 * torch.randn(4, 5, 6, dtype=torch.float64)
    expected = []
    for b in range(5):
        views = [torch.softmax(logits[v, b], 0) for v in range(4)]
        mean = sum(views) / 4
        expected.append(sum(float((p * (p / mean).log()).sum()) for p in views) / 4)
    assert_close(consistency_loss(logits), torch.tensor(expected, dtype=torch.float64))
    assert min(expected) > 0.05


def test_consistency_has_a_smallest_and_a_largest_value() -> None:
    """Equal views 0; views that are each sure of another class log V."""
    assert_close(consistency_loss(torch.randn(1, 7, 4).expand(3, -1, -1)), torch.zeros(7), atol=1e-6, rtol=0)
    sure = 1e4 * torch.eye(3)[:, None, :]
    assert_close(consistency_loss(sure), torch.tensor([math.log(3)]))
    assert consistency_loss(torch.randn(3, 50, 4)).min() > 0


def test_logits_are_defined_up_to_a_constant_and_views_have_no_order() -> None:
    logits = torch.randn(3, 6, 5)
    assert_close(consistency_loss(logits + 7 * torch.randn(3, 6, 1)), consistency_loss(logits))
    assert_close(consistency_loss(logits[[2, 0, 1]]), consistency_loss(logits))


def test_no_gradient_passes_through_the_mean() -> None:
    logits = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    log_p = logits.log_softmax(-1)
    mean = log_p.exp().mean(0).detach()
    detached = (log_p.exp() * (log_p - mean.log())).sum(-1).mean(0)
    (expected,) = torch.autograd.grad(detached.sum(), logits)
    (found,) = torch.autograd.grad(consistency_loss(logits).sum(), logits)
    assert_close(found, expected)
    assert found.abs().max() > 0.01


def test_descent_makes_views_agree() -> None:
    for consistency in (consistency_loss, prediction_variance):
        views = torch.randn(3, 4, 5, requires_grad=True)
        before = consistency(views).detach()
        (gradient,) = torch.autograd.grad(consistency(views).sum(), views)
        assert (consistency(views - 0.1 * gradient) < before).all()


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 21, 2), (2, 5, 7)])
def test_prediction_variance_is_that_of_the_entries(shape: tuple[int, ...]) -> None:
    prediction = torch.randn(shape, dtype=torch.float64)
    entries = prediction.var(0, correction=0).reshape(shape[1], -1)
    assert_close(prediction_variance(prediction), entries.mean(1))
    assert_close(prediction_variance(prediction + 5), entries.mean(1))
    assert prediction_variance(prediction[:1].expand(shape)).max() < 1e-30


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5, 2), (0, 4, 5)])
def test_logits_of_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"logits of V views, \(V, B, K\), got shape \("):
        consistency_loss(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"predictions of V views, \(V, B, ...\), got shape \(3,\)"):
        prediction_variance(torch.zeros(3))


def test_views_loss_takes_the_task_from_the_first_view() -> None:
    logits, target = torch.randn(3, 8, 5), torch.randint(5, (8,))
    task = nn.CrossEntropyLoss()
    expected = task(logits[0], target) + 2.5 * consistency_loss(logits).mean()
    assert_close(ViewsLoss(task, weight=2.5)(logits, target), expected)
    per_sample = nn.CrossEntropyLoss(reduction="none")
    assert_close(ViewsLoss(per_sample, weight=2.5)(logits, target), expected)
    assert_close(ViewsLoss(task, weight=0.0)(logits, target), task(logits[0], target))


def test_views_loss_of_coordinates_and_its_gradient() -> None:
    prediction, target = torch.randn(2, 4, 21, 2, requires_grad=True), torch.randn(4, 21, 2)
    loss = ViewsLoss(nn.MSELoss(), prediction_variance, weight=3.0)(prediction, target)
    assert_close(loss, (prediction[0] - target).square().mean() + 3 * prediction_variance(prediction).mean())
    loss.backward()
    gradient: Tensor | None = prediction.grad
    assert gradient is not None and (gradient.flatten(1).abs().amax(1) > 0).all(), "every view learns"


def test_parameters_of_the_task_loss_are_seen() -> None:
    weighted = ViewsLoss(nn.CrossEntropyLoss(weight=torch.ones(5)))
    assert [name for name, _ in weighted.named_buffers()] == ["task_loss.weight"]


def test_views_loss_messages() -> None:
    with pytest.raises(ValueError, match="weight must not be negative, disagreement is to shrink, got -1"):
        ViewsLoss(nn.MSELoss(), weight=-1)
    for shape in ((8, 5), (3, 7, 5)):
        with pytest.raises(ValueError, match=r"expects predictions \(V, 8, ...\) for 8 targets, got shape"):
            ViewsLoss(nn.CrossEntropyLoss())(torch.zeros(shape), torch.zeros(8, dtype=torch.long))
