import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.networks.backbones import BACKBONES
from monai_degia.networks.heads import HEADS
from monai_degia.networks.regressor import LandmarkRegressor

K = 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def script(module: nn.Module) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(module)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", BACKBONES)
class TestEveryCombination:
    @pytest.mark.parametrize("size", [(64, 64), (48, 48), (72, 40)])
    def test_shape_and_start_at_the_centre(self, backbone: str, head: str, size: tuple[int, int]) -> None:
        network = LandmarkRegressor(backbone, K, in_channels=1, image_size=size, head=head).eval()
        with torch.no_grad():
            landmarks = network(torch.rand(2, 1, *size))
        assert landmarks.shape == (2, K, 2)
        assert landmarks.dtype == torch.float32
        assert_close(landmarks, torch.full_like(landmarks, 0.5), atol=0.05, rtol=0)

    def test_every_parameter_receives_a_gradient(self, backbone: str, head: str) -> None:
        options = {"learnable_temperature": True} if head == "heatmap" else {}
        network = LandmarkRegressor(backbone, K, head=head, **options)
        (network(torch.rand(3, 3, 64, 64)) - torch.rand(3, K, 2)).square().sum().backward()
        without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not without

    def test_scripted_equals_eager_and_eval_is_deterministic(self, backbone: str, head: str) -> None:
        network = LandmarkRegressor(backbone, K, head=head, dropout=0.5)
        for parameter in network.head.parameters():
            nn.init.normal_(parameter, std=0.1)
        image = torch.rand(2, 3, 64, 64)
        # Batch statistics first, so that evaluation mode is not the initial identity.
        network.train()(image)
        network.eval()
        with torch.no_grad():
            expected = network(image)
            assert expected.std() > 1e-4, "vacuous: the output does not depend on anything"
            assert_close(script(network)(image), expected)
            assert torch.equal(network(image), expected)
            assert_close(network(image[1:]), expected[1:], atol=1e-5, rtol=1e-4)


def test_backbone_256_is_accepted_and_alexnet_changes_its_stem_only_below_128() -> None:
    small, large = (LandmarkRegressor("alexnet", K, image_size=(s, s)) for s in (64, 256))
    assert small.backbone.features[0].stride == (2, 2)
    assert large.backbone.features[0].stride == (4, 4)
    with torch.no_grad():
        assert large(torch.rand(1, 3, 256, 256)).shape == (1, K, 2)


@pytest.mark.parametrize(("head", "lr", "steps"), [("regression", 1e-3, 40), ("heatmap", 1e-2, 60)])
def test_overfits_a_few_images(head: str, lr: float, steps: int) -> None:
    image, target = torch.rand(4, 1, 32, 32), 0.2 + 0.6 * torch.rand(4, K, 2)
    network = LandmarkRegressor("lenet", K, in_channels=1, image_size=(32, 32), head=head, hidden_features=64)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (network(image) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # What a network that ignores the image can reach at best: the mean of the targets.
    constant = (target - target.mean(0)).square().mean().item()
    assert losses[-1] < 0.2 * constant < losses[0]


@pytest.mark.parametrize("head", HEADS)
def test_any_module_can_be_the_backbone(head: str) -> None:
    trunk = nn.Sequential(nn.Conv2d(2, 7, 3, stride=2), nn.BatchNorm2d(7), nn.BatchNorm2d(7), nn.ReLU())
    trunk[1].eval()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    network = LandmarkRegressor(trunk, K, in_channels=2, image_size=(33, 20), head=head)
    assert network.num_features == 7
    assert trunk.training and not trunk[1].training, "the dry run must leave the modes as they were"
    assert all(torch.equal(before[name], value) for name, value in trunk.state_dict().items())
    assert network(torch.rand(3, 2, 33, 20)).shape == (3, K, 2)


@pytest.mark.parametrize("head", HEADS)
def test_dropout_acts_in_training_only(head: str) -> None:
    network = LandmarkRegressor("lenet", K, head=head, dropout=0.5)
    image = torch.rand(2, 3, 64, 64)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


class WrongCount(nn.Module):
    num_features = 9

    def forward(self, image: Tensor) -> Tensor:
        return image


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnt"}, "Unknown backbone 'resnt'. Did you mean 'resnet'\\? Available: lenet, alexnet"),
        ({"head": "heatmaps"}, "Unknown head 'heatmaps'. Did you mean 'heatmap'\\? Available: regression, heatmap"),
        ({"num_landmarks": 0}, "num_landmarks must be at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        (
            {"image_size": (64,)},
            r"image_size must be two positive numbers of pixels \(X, Y\), or three .*, got \(64,\)",
        ),
        ({"image_size": (64, 31)}, r"image_size \(64, 31\) is too small: backbone .* needs at least 32"),
        ({"backbone": "lenet", "image_size": (15, 64)}, "backbone LeNet needs at least 16 pixels"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"hidden_features": 0}, "hidden_features must be at least 1, got 0"),
        ({"head": "heatmap", "temperature": 0.0}, "temperature must be positive and finite, got 0.0"),
        ({"backbone": nn.Flatten()}, r"Flatten must return a feature map \(B, C, h, w\), got \(1, 12288\)"),
        ({"backbone": nn.Conv2d(1, 4, 3)}, r"Conv2d cannot take images of shape \(B, 3, 64, 64\)"),
        ({"backbone": WrongCount()}, "declares num_features=9 but returns 3 channels"),
    ],
)
def test_wrong_arguments_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LandmarkRegressor(**options)


@pytest.mark.parametrize("shape", [(2, 1, 64, 64), (2, 3, 32, 64), (2, 3, 64, 65), (3, 64, 64)])
def test_wrong_image_shape_is_named(shape: tuple[int, ...]) -> None:
    network = LandmarkRegressor("lenet", K, image_size=(64, 64))
    with pytest.raises(ValueError, match=r"expects images of shape \(B, 3, 64, 64\), got \[" + str(shape[0])):
        network(torch.rand(shape))


def randomised(**options: bool) -> LandmarkRegressor:
    torch.manual_seed(0)
    network = LandmarkRegressor("lenet", 5, 3, (32, 32), **options).eval()
    for parameter in network.head.parameters():  # its first outputs are the image centre, whatever the image
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_normalised_input_makes_exposure_contrast_and_cast_irrelevant() -> None:
    image = torch.rand(2, 3, 32, 32)
    gain, offset = torch.tensor([0.3, 0.6, 0.9]).view(3, 1, 1), torch.tensor([0.5, 0.1, 0.0]).view(3, 1, 1)
    invariant, plain = randomised(normalize_input=True), randomised()
    change = (invariant(gain * image + offset) - invariant(image)).abs().max()
    assert change < 0.01 * (plain(gain * image + offset) - plain(image)).abs().max()
    assert invariant(image).std() > 0.1, "vacuous: the outputs do not depend on the image"
    torch.testing.assert_close(torch.jit.script(invariant)(image), invariant(image))
