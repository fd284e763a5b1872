"""Copies of trained networks that predict the same in less time."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.networks.backbones import BACKBONES
from monai_degia.networks.inference_copy import InferenceCopies, inference_copy
from monai_degia.networks.regressor import LandmarkRegressor


def trained(backbone: str, **options: object) -> LandmarkRegressor:
    """A network whose normalisations have statistics of their own: folding a fresh one would prove nothing."""
    network = LandmarkRegressor(backbone, num_landmarks=5, in_channels=3, normalize_input=True, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr, operator]
                module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr, operator]
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
        network.head.output.weight.normal_(0, 1.0 if options.get("head") == "heatmap" else 0.05)  # type: ignore[union-attr, operator]
    return network.eval()


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("head", ["regression", "heatmap"])
@torch.no_grad()
def test_a_copy_predicts_what_its_network_does(backbone: str, head: str) -> None:
    network, image = trained(backbone, head=head), torch.rand(3, 3, 64, 64)
    expected, found = network(image), inference_copy(network)(image)
    assert expected.std(0).max() > 1e-4, "vacuous: images do not matter"
    assert_close(found, expected, atol=2e-4, rtol=0)


@torch.no_grad()
def test_a_copy_has_no_normalisation_left_behind_a_convolution_and_shares_no_weight() -> None:
    network = trained("resnet")
    found = inference_copy(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    before = found(torch.ones(1, 3, 64, 64)).clone()
    for parameter in network.parameters():
        parameter.zero_()
    assert_close(found(torch.ones(1, 3, 64, 64)), before)


@torch.no_grad()
def test_a_copy_in_lower_precision_rounds_and_predicts_float32() -> None:
    network, image = trained("resnet"), torch.rand(3, 3, 64, 64)
    expected, found = network(image), inference_copy(network, torch.bfloat16)(image)
    assert found.dtype == torch.float32
    assert 1e-5 < (found - expected).abs().max() < 0.05 * expected.abs().max()


@torch.no_grad()
def test_coordinates_of_a_copy_in_lower_precision_are_not_rounded() -> None:
    """A soft-argmax in lower precision would be off by pixels of a picture; that of rounded features is not."""
    network, image = trained("resnet", head="heatmap"), torch.rand(8, 3, 64, 64)
    found = inference_copy(network, torch.bfloat16)
    maps = []
    found.head.output.register_forward_hook(lambda module, inputs, output: maps.append(output.dtype))  # type: ignore[union-attr]
    off = 64 * (found(image) - network(image)).abs()
    assert maps == [torch.float32]
    assert 0 < off.mean() < 0.1, "pixels of the image"


@torch.no_grad()
def test_a_copy_in_lower_precision_rounds_its_weights_once() -> None:
    found = inference_copy(trained("resnet", head="heatmap"), torch.bfloat16)
    kinds = {name: module.weight.dtype for name, module in found.named_modules() if isinstance(module, nn.Conv2d)}
    kept = {name for name, kind in kinds.items() if kind != torch.bfloat16}
    assert kept == {"head.output.layer"} and len(kinds) > 15
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("head", ["regression", "heatmap"])
@torch.no_grad()
def test_every_network_has_a_copy_in_lower_precision(backbone: str, head: str) -> None:
    network, image = trained(backbone, head=head), torch.rand(3, 3, 64, 64)
    expected, found = network(image), inference_copy(network, torch.bfloat16)(image)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.02 * max(float(expected.abs().max()), 1.0)


@torch.no_grad()
def test_a_network_for_volumes_has_a_copy_in_lower_precision() -> None:
    network = LandmarkRegressor("resnet", 2, in_channels=1, image_size=(32, 32, 32), head="heatmap").eval()
    volumes = torch.rand(2, 1, 32, 32, 32)
    assert_close(inference_copy(network, torch.bfloat16)(volumes), network(volumes), atol=0.01, rtol=0)


def test_what_is_no_landmark_regressor_stays_as_it_is() -> None:
    other = nn.Conv2d(3, 3, 1)
    assert inference_copy(other) is other and InferenceCopies()(other) is other


@torch.no_grad()
def test_new_weights_make_a_new_copy() -> None:
    network, copies, image = trained("lenet"), InferenceCopies(), torch.rand(2, 3, 64, 64)
    first = copies(network)
    assert copies(network) is first and first is not network
    network.head.output.bias.add_(0.25)  # type: ignore[union-attr, operator]
    assert copies(network) is not first
    assert_close(copies(network)(image), network(image), atol=1e-4, rtol=0)
    network.load_state_dict(trained("lenet").state_dict())
    assert_close(copies(network)(image), network(image), atol=1e-4, rtol=0)
    other = trained("lenet")
    assert_close(copies(other)(image), other(image), atol=1e-4, rtol=0)
    assert copies(network.train()) is network, "a network that trains uses the statistics of its batches"


def test_the_inferer_predicts_with_the_copy_what_the_network_predicts() -> None:
    network, images = trained("resnet"), torch.rand(3, 3, 64, 64)
    inferer = SelfConsistentInferer(num_views=16)

    def plain(x: Tensor) -> Tensor:
        return network(x)

    for found, expected in zip(inferer.predict(images, network), inferer.predict(images, plain), strict=True):
        assert_close(found, expected, atol=2e-4, rtol=0)
