"""The digit classifier: known sizes, the split in two steps, gradients, scripting and messages."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.networks.digit_lenet import DigitLeNet

SMALL: dict[str, Any] = {"channels": (4, 6), "hidden_features": (12, 8), "image_size": (20, 24), "in_channels": 1}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_sizes_of_the_protocol() -> None:
    """Weights and biases layer by layer: two convolutions, 3200 features, 1024, 1024, 10."""
    network = DigitLeNet()
    expected = (75 * 64 + 64) + (1600 * 128 + 128) + (3200 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 * 10 + 10)
    assert parameters(network) == expected == 4_547_466
    image = torch.rand(3, 3, 32, 32)
    assert network(image).shape == (3, 10) and network.features(image).shape == (3, 1024)


def test_classic_lenet_has_its_known_number_of_weights() -> None:
    network = DigitLeNet(in_channels=1, image_size=(28, 28), channels=(20, 50), hidden_features=(500,))
    assert parameters(network) == 431_080
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_layers_in_their_order() -> None:
    """Against the same weights in functional form."""
    network, image = DigitLeNet(**SMALL, num_classes=3), torch.rand(2, 1, 20, 24)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    x = image
    for conv in layers[:2]:
        x = torch.max_pool2d(torch.relu(torch.conv2d(x, conv.weight, conv.bias)), 2)
    x = x.flatten(1)
    for linear in layers[2:4]:
        x = torch.relu(x @ linear.weight.T + linear.bias)
    assert_close(network.features(image), x)
    assert_close(network(image), x @ layers[4].weight.T + layers[4].bias)


def test_prediction_is_the_class_of_the_features() -> None:
    network, image = DigitLeNet(**SMALL), torch.rand(5, 1, 20, 24)
    features = network.features(image)
    assert torch.equal(network.classify(features), network(image))
    assert features.shape == (5, 8) and features.min() >= 0 and features.std() > 0


def test_every_parameter_and_the_image_get_a_gradient() -> None:
    network, image = DigitLeNet(**SMALL), torch.rand(8, 1, 20, 24, requires_grad=True)
    network(image).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    assert image.grad is not None and image.grad.abs().sum() > 0


def test_dropout_acts_in_training_alone() -> None:
    network, image = DigitLeNet(**SMALL, dropout=0.5), torch.rand(2, 1, 20, 24)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_scripted_network_is_the_same() -> None:
    network, image = DigitLeNet(**SMALL).eval(), torch.rand(2, 1, 20, 24)
    scripted = torch.jit.script(network)
    assert torch.equal(scripted(image), network(image))
    with pytest.raises(Exception, match=r"expects images of shape \(B, 1, 20, 24\), got \[2, 1, 20, 23\]"):
        scripted(image[..., :-1])


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (2, 1, 32, 32), (3, 32, 32), (2, 3, 32, 33)])
def test_image_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects images of shape \(B, 3, 32, 32\), got .* Resize them, or build"):
        DigitLeNet()(torch.rand(shape))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "in_channels": ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
    "num_classes": ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
    "image_size": ({"image_size": (32,)}, r"image_size must be two positive .* got \(32,\)"),
    "small image": ({"image_size": (32, 15)}, r"image_size \(32, 15\) is too small: .* kernel_size=5"),
    "channels": ({"channels": (8,)}, r"channels must be two positive numbers, one a convolution, got \(8,\)"),
    "no hidden": ({"hidden_features": ()}, r"hidden_features must be one or more positive widths, got \(\)"),
    "hidden": ({"hidden_features": (10, 0)}, r"positive widths, got \(10, 0\)"),
    "kernel": ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
    "dropout": ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_arguments_that_are_wrong(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DigitLeNet(**arguments)


def test_smallest_image() -> None:
    assert DigitLeNet(image_size=(16, 16), channels=(2, 2), hidden_features=(4,))(torch.rand(1, 3, 16, 16)).shape == (
        1,
        10,
    )
