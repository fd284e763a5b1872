import pytest
import torch
from torch.testing import assert_close

from monai_degia.losses.heatmap import heatmap_divergence
from monai_degia.losses.landmark import LandmarkMSELoss, landmark_mse
from monai_degia.losses.objective import AscentObjective


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, 2, generator=torch.Generator().manual_seed(seed))


def test_error_is_the_mean_over_landmarks_and_axes() -> None:
    prediction, target = points(0, 3, 4), points(1, 3, 4)
    assert_close(landmark_mse(prediction, target), (prediction - target).square().mean((1, 2)))
    assert_close(LandmarkMSELoss()(prediction, target), torch.nn.functional.mse_loss(prediction, target))


@pytest.mark.parametrize("coordinates", [(0,), (0, 1)])
def test_what_has_no_label_pulls_nowhere(coordinates: tuple[int, ...]) -> None:
    prediction, target = points(0, 2, 4).requires_grad_(), points(1, 2, 4)
    target[0, 2, list(coordinates)] = torch.nan
    loss = LandmarkMSELoss()(prediction, target)
    loss.backward()
    labelled = torch.ones(2, 4, dtype=torch.bool)
    labelled[0, 2] = False
    by_hand = (prediction - target).detach()[labelled].square().mean()
    assert_close(loss.detach(), by_hand)
    assert torch.isfinite(prediction.grad).all() and not prediction.grad[0, 2].any() and prediction.grad[0, 0].any()


def test_each_label_counts_alike_however_many_its_image_has() -> None:
    prediction, target = points(0, 2, 4), points(1, 2, 4)
    target[0, 1:] = torch.nan
    squares = torch.cat([(prediction - target)[0, :1], (prediction - target)[1]]).square().mean()
    assert_close(LandmarkMSELoss()(prediction, target), squares)


def test_an_image_without_labels_adds_nothing() -> None:
    prediction, target = points(0, 2, 4).requires_grad_(), points(1, 2, 4)
    target[0] = torch.nan
    assert landmark_mse(prediction, target)[0] == 0
    LandmarkMSELoss()(prediction, target * torch.nan).backward()
    assert not prediction.grad.any()


def test_maps_of_landmarks_without_a_label_do_not_count() -> None:
    maps = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = points(1, 1, 3)
    target[0, 1] = torch.nan
    divergence = heatmap_divergence(maps, target)
    assert_close(divergence, heatmap_divergence(maps[:, [0, 2]], target[:, [0, 2]]))
    divergence.sum().backward()
    assert torch.isfinite(maps.grad).all() and not maps.grad[0, 1].any() and maps.grad[0, 0].any()


def test_the_ascent_climbs_by_the_labels_that_are_there() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 6), torch.nn.Unflatten(1, (3, 2)))
    objective = AscentObjective(network, nll_weight=0.0, alpha=0.0, prediction_weight=0.0)
    image, target = torch.rand(2, 3, 2, 2), points(1, 2, 3)
    target[0, 1] = torch.nan
    x = image.clone().requires_grad_()
    with objective.bind(image, target, None) as value, torch.enable_grad():
        values = value(x)
    gradient = torch.autograd.grad(values.sum(), x)[0]
    kept = (network(x) - target)[0, [0, 2]].square().mean()
    assert_close(values[0], kept)
    assert_close(gradient[0], torch.autograd.grad(kept, x)[0][0])
