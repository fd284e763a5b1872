"""The same networks, heads and losses on volumes."""

import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.losses.heatmap import HeatmapLoss, heatmap_divergence, landmark_loss
from monai_degia.losses.landmark import LandmarkMSELoss
from monai_degia.networks.backbones import create_backbone
from monai_degia.networks.heads import HEADS, HeatmapHead, RegressionHead, soft_argmax
from monai_degia.networks.inference_copy import inference_copy
from monai_degia.networks.regressor import LandmarkRegressor

K, SIZE = 4, (48, 40, 32)
BACKBONES = ["lenet", "resnet", "densenet"]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", BACKBONES)
class TestEveryCombination:
    def test_shape_start_and_gradients(self, backbone: str, head: str) -> None:
        network = LandmarkRegressor(backbone, K, 2, SIZE, head, normalize_input=True)
        landmarks = network(torch.rand(3, 2, *SIZE))
        assert landmarks.shape == (3, K, 3) and landmarks.dtype == torch.float32
        assert_close(landmarks, torch.full_like(landmarks, 0.5), atol=0.05, rtol=0)
        (landmarks - torch.rand(3, K, 3)).square().sum().backward()
        assert not [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]

    @torch.no_grad()
    def test_scripted_and_folded_copies_predict_the_same(self, backbone: str, head: str) -> None:
        network, image = LandmarkRegressor(backbone, K, 1, SIZE, head), torch.rand(2, 1, *SIZE)
        for parameter in network.head.parameters():
            nn.init.normal_(parameter, std=0.1)
        network.train()(image)
        expected = network.eval()(image)
        assert expected.std() > 1e-4, "vacuous: the output does not depend on anything"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            assert_close(torch.jit.script(network)(image), expected)
        assert_close(inference_copy(network)(image), expected, atol=2e-4, rtol=0)
        rounded = inference_copy(network, torch.bfloat16)(image)
        assert rounded.dtype == torch.float32
        assert 0 < (rounded - expected).abs().mean() < 0.2 * expected.abs().mean()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [(32, 24), (32, 24, 16)], ids=["image", "volume"])
def test_onnx_predicts_the_same(head: str, size: tuple[int, ...]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    network = LandmarkRegressor("lenet", K, 1, size, head, normalize_input=True).eval()
    for parameter in network.head.parameters():
        nn.init.normal_(parameter, std=0.1)
    file, image = io.BytesIO(), torch.rand(3, 1, *size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": {"image": {0: "batch"}}}
        torch.onnx.export(network, (image[:1],), file, dynamo=False, **names)  # type: ignore[arg-type]
    (found,) = onnxruntime.InferenceSession(file.getvalue()).run(None, {"image": image.numpy()})
    np.testing.assert_allclose(found, network(image).detach().numpy(), atol=1e-5)


def test_a_peak_gives_the_centre_of_its_cell_and_marginals_are_those_of_the_softmax() -> None:
    maps = torch.zeros(2, 2, 9, 5, 4)
    maps[1, 1, 7, 0, 3] = 1e4
    found = soft_argmax(maps)
    assert_close(found[1, 1], torch.tensor([7.5 / 9, 0.5 / 5, 3.5 / 4]))
    assert_close(found[0], torch.full((2, 3), 0.5))
    maps = torch.randn(2, 2, 9, 5, 4)
    cells = torch.stack(torch.meshgrid(*[(torch.arange(n) + 0.5) / n for n in (9, 5, 4)], indexing="ij"), -1)
    expected = maps.flatten(2).softmax(2) @ cells.flatten(0, 2)
    assert_close(soft_argmax(maps), expected)


def test_the_fully_connected_layer_sees_every_voxel_of_a_large_map_in_few_cells() -> None:
    head = RegressionHead((3, 17, 12, 5), (64, 48, 20), K, hidden_features=8)
    assert head.hidden.in_features == 3 * 6 * 6 * 5
    features = torch.rand(2, 3, 17, 12, 5, requires_grad=True)
    head.hidden.weight.data.abs_()
    head.output.weight.data.abs_()
    head(features).sum().backward()
    assert features.grad is not None and (features.grad != 0).all(), "a cell of the map is never seen"


def test_heatmaps_of_a_volume_have_stride_4_along_each_axis() -> None:
    head = HeatmapHead([(8, 3, 2, 1)], (96, 64, 20), 3, hidden_features=8)
    assert head.heatmaps([torch.randn(2, 8, 3, 2, 1)]).shape == (2, 3, 24, 16, 5)


def test_network_finds_a_dot_that_it_has_seen_elsewhere() -> None:
    """Trained on dots in one half of the volume, it finds them in the other: no axis is taken for another."""
    size = (32, 24, 16)
    layers = [nn.Conv3d(1, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv3d(16, 16, 3, stride=2, padding=1), nn.ReLU()]
    network = LandmarkRegressor(nn.Sequential(*layers), 1, 1, size, head="heatmap", hidden_features=8, temperature=0.25)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)

    def dots(low: int, high: int) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.stack([torch.randint(*r, (16,)) for r in ((low, high), (6, 18), (5, 11))], 1)
        images = torch.zeros(16, 1, *size)
        images[torch.arange(16), 0, places[:, 0], places[:, 1], places[:, 2]] = 1.0
        return images, ((places + 0.5) / torch.tensor(size))[:, None]

    loss = landmark_loss(network)
    assert isinstance(loss, HeatmapLoss)
    for _ in range(50):
        images, target = dots(6, 15)
        optimizer.zero_grad()
        loss(network(images), target).backward()
        optimizer.step()
    images, target = dots(18, 26)
    with torch.no_grad():
        assert (network.eval()(images) - target).norm(dim=-1).mean() < 0.06


def test_divergence_of_maps_agrees_with_torch_and_leaves_out_what_has_no_label() -> None:
    shape, sigma = (9, 6, 5), 1.5
    maps, label = torch.randn(3, 2, *shape), 0.2 + 0.6 * torch.rand(3, 2, 3)
    grid = torch.stack(torch.meshgrid(*[torch.arange(n) + 0.5 for n in shape], indexing="ij"), -1).flatten(0, 2)
    squared = (grid - (label * torch.tensor(shape))[:, :, None]).square().sum(-1)
    wanted = (-squared / (2 * sigma**2)).log_softmax(2)
    each = nn.functional.kl_div(maps.flatten(2).log_softmax(2), wanted, reduction="none", log_target=True).sum(2)
    assert_close(heatmap_divergence(maps, label, sigma), each.mean(1))
    label[0, 0] = torch.nan
    label[1, 1, 2] = 1.5
    kept = torch.stack([each[0, 1], each[1, 0], each[2].mean()])
    assert_close(heatmap_divergence(maps, label, sigma), kept)


def test_task_loss_of_volumes_counts_labelled_landmarks_alone() -> None:
    target, prediction = torch.rand(2, 3, 3), torch.rand(2, 3, 3, requires_grad=True)
    target[0, 1] = torch.nan
    loss = LandmarkMSELoss()(prediction, target)
    assert_close(loss, (prediction - target)[~target.isnan()].square().mean())
    loss.backward()
    assert prediction.grad is not None and (prediction.grad[0, 1] == 0).all() and prediction.grad[1].abs().min() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg"}, "Backbone 'vgg' takes images, not volumes. For volumes: lenet, resnet, densenet; or"),
        ({"backbone": "resnet", "image_size": (64, 64, 20)}, r"\(64, 64, 20\) is too small: .* at least 32"),
        ({"image_size": (8, 8, 8, 8)}, r"or three of voxels \(X, Y, Z\), got \(8, 8, 8, 8\)"),
        ({"backbone": nn.Conv2d(1, 4, 3)}, r"cannot take images of shape \(B, 1, 48, 40, 32\)"),
        ({"backbone": nn.Flatten()}, r"must return a feature map \(B, C, h, w, d\), got \(1, 61440\)"),
    ],
)
def test_wrong_arguments_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LandmarkRegressor(**{"in_channels": 1, "image_size": SIZE, **options})
    with pytest.raises(ValueError, match="spatial_dims must be 2 for images or 3 for volumes, got 1"):
        create_backbone("lenet", spatial_dims=1)


def test_a_wrong_shape_is_named() -> None:
    network = LandmarkRegressor("lenet", K, 1, (32, 32, 16))
    for shape in ((1, 1, 32, 32), (1, 1, 32, 16, 32), (1, 2, 32, 32, 16)):
        with pytest.raises(ValueError, match=r"shape \(B, 1, 32, 32, 16\), got \[1, "):
            network(torch.zeros(shape))
