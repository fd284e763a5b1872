"""The loss on the maps of a heatmap head."""

import pytest
import torch
from torch.testing import assert_close

from monai_degia.losses.heatmap import HeatmapLoss, heatmap_divergence, landmark_loss
from monai_degia.losses.landmark import LandmarkMSELoss
from monai_degia.networks.regressor import LandmarkRegressor


def gaussian(point: tuple[float, float], sigma: float, shape: tuple[int, int] = (12, 8)) -> torch.Tensor:
    """Logarithm of a Gaussian about a point in [0, 1], with any constant."""
    x, y = (torch.arange(side) + 0.5 for side in shape)
    squared = (x[:, None] - point[0] * shape[0]) ** 2 + (y - point[1] * shape[1]) ** 2
    return 17.0 - squared / (2 * sigma**2)


def test_divergence_is_zero_for_the_map_that_is_wanted_and_grows_with_distance() -> None:
    label = torch.tensor([[[0.4, 0.6]]])
    values = [heatmap_divergence(gaussian((x, 0.6), 1.0)[None, None], label).item() for x in (0.4, 0.45, 0.6)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_divergence_agrees_with_torch() -> None:
    torch.manual_seed(0)
    maps, label = torch.randn(3, 2, 12, 8), 0.2 + 0.6 * torch.rand(3, 2, 2)
    wanted = torch.stack([gaussian(tuple(p), 1.5) for p in label.flatten(0, 1).tolist()]).view(3, 2, 96)
    expected = torch.nn.functional.kl_div(
        maps.flatten(2).log_softmax(2), wanted.log_softmax(2), reduction="none", log_target=True
    )
    assert_close(heatmap_divergence(maps, label, 1.5), expected.sum(2).mean(1))


def test_landmarks_beyond_the_image_do_not_count() -> None:
    maps, label = torch.randn(1, 2, 12, 8), torch.tensor([[[0.4, 0.6], [1.2, 0.5]]])
    assert_close(heatmap_divergence(maps, label), heatmap_divergence(maps[:, :1], label[:, :1]))
    assert heatmap_divergence(maps[:, 1:], label[:, 1:]).item() == 0


def test_loss_adds_the_divergence_of_the_maps_behind_the_prediction() -> None:
    network = LandmarkRegressor("lenet", 3, 1, (32, 32), head="heatmap", hidden_features=8)
    loss = HeatmapLoss(network.head, weight=0.5)
    image, target = torch.rand(4, 1, 32, 32), torch.rand(4, 3, 2)
    prediction = network(image)
    maps = loss._heatmaps
    with torch.no_grad():
        network.eval()(image.flip(0))  # as an ascent does between two steps of training
    expected = LandmarkMSELoss()(prediction, target) + 0.5 * heatmap_divergence(maps, target).mean()
    found = loss(prediction, target)
    assert_close(found, expected)
    found.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.head.parameters())
    with pytest.raises(ValueError, match="no forward pass of its head in training mode"):
        loss(prediction, target)


def test_other_heads_and_options_are_refused() -> None:
    network = LandmarkRegressor("lenet", 3, 1, (32, 32))
    with pytest.raises(ValueError, match="needs a network with head='heatmap', got a RegressionHead"):
        HeatmapLoss(network.head)
    head = LandmarkRegressor("lenet", 3, 1, (32, 32), head="heatmap").head
    with pytest.raises(ValueError, match="weight must not be negative and sigma positive, got 1 and 0"):
        HeatmapLoss(head, weight=1, sigma=0)


def test_the_loss_follows_the_head() -> None:
    maps, layer = (LandmarkRegressor("lenet", 3, 1, (32, 32), head=head) for head in ("heatmap", "regression"))
    assert isinstance(landmark_loss(maps), HeatmapLoss)
    assert isinstance(landmark_loss(layer), LandmarkMSELoss)
    assert isinstance(landmark_loss(torch.nn.Linear(2, 2)), LandmarkMSELoss)
