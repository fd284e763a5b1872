"""Convolutions of small maps as matrix products."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.fx import symbolic_trace
from torch.testing import assert_close

from monai_degia.networks.backbones import create_backbone
from monai_degia.networks.small_maps import SmallMapConv2d, multiply_small_maps, plain_convolutions

SHAPES = [
    # kernel, stride, padding, sides: four pixels or fewer come out, so that the product is taken in any precision
    (3, 1, 1, (2, 2)),
    (3, 2, 1, (4, 3)),
    ((3, 1), (2, 1), (1, 0), (3, 2)),
    (5, 1, 2, (1, 4)),
    (2, 2, 0, (4, 4)),
]


def both(x: Tensor, convolution: nn.Conv2d) -> tuple[list[Tensor], list[Tensor]]:
    """Output and gradients of a small map's convolution, and those of the ordinary one."""
    results = []
    for function in (convolution, lambda x: convolution._conv_forward(x, convolution.weight, convolution.bias)):
        given = x.clone().requires_grad_()
        output = function(given)
        weights = torch.linspace(-1, 1, output.numel(), dtype=x.dtype).view(output.shape)
        gradients = torch.autograd.grad((output * weights).sum(), [given, *convolution.parameters()])
        results.append([output, *gradients])
    return results[0], results[1]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padding", "sides"), SHAPES)
def test_output_and_gradients_are_the_convolutions(kernel, stride, padding, sides, bias) -> None:
    torch.manual_seed(0)
    convolution = SmallMapConv2d(6, 5, kernel, stride, padding, bias=bias).double()
    x = torch.rand(3, 6, *sides, dtype=torch.float64)
    assert not convolution._is_plain(x)
    for found, expected in zip(*both(x, convolution), strict=True):
        assert found.shape == expected.shape
        assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_under_autocast_it_takes_the_precision_and_larger_maps() -> None:
    torch.manual_seed(0)
    convolution, x = SmallMapConv2d(64, 32, 3, padding=1), torch.rand(2, 64, 4, 4)
    assert convolution._is_plain(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not convolution._is_plain(x)
        (found, *gradients), (expected, *their) = both(x, convolution)
    assert found.dtype == torch.bfloat16
    assert_close(found, expected, atol=0.02, rtol=0.02)
    for one, other in zip(gradients, their, strict=True):
        assert_close(one, other, atol=0.05 * float(other.abs().max()), rtol=0)


def test_an_export_does_not_depend_on_the_size_it_was_made_at() -> None:
    convolution = SmallMapConv2d(4, 4, 3, padding=1).eval()
    small, large = torch.rand(1, 4, 2, 2), torch.rand(1, 4, 9, 7)
    for exported in (torch.jit.trace(convolution, small), torch.jit.script(convolution), symbolic_trace(convolution)):
        assert_close(exported(large), convolution(large))
        assert_close(exported(small), convolution(small))


@pytest.mark.parametrize(("name", "count"), [("resnet", 2), ("vgg", 4), ("lenet", 0)])
def test_convolutions_with_many_weights_are_replaced_and_their_weights_stay(name: str, count: int) -> None:
    network = create_backbone(name)
    plain = plain_convolutions(copy.deepcopy(network))
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(SmallMapConv2d) == count
    assert SmallMapConv2d not in [type(module) for module in plain.modules()]
    assert list(plain.state_dict()) == list(network.state_dict())
    parameters = list(plain.parameters())
    again = multiply_small_maps(plain)
    assert [type(module) for module in again.modules()] == kinds
    assert all(one is other for one, other in zip(again.parameters(), parameters, strict=True))
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert_close(network.eval()(x), plain_convolutions(again).eval()(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "options", [{"groups": 2}, {"dilation": 2}, {"padding": "same"}, {"padding_mode": "reflect"}, {"kernel_size": 1}]
)
def test_other_convolutions_are_left_alone(options: dict[str, object]) -> None:
    layer = nn.Conv2d(**{"in_channels": 1024, "out_channels": 1024, "kernel_size": 3, "padding": 1, **options})
    assert type(multiply_small_maps(nn.Sequential(layer))[0]) is nn.Conv2d


def test_layers_that_something_hangs_on_are_left_alone_and_shared_ones_stay_shared() -> None:
    hooked, shared = (nn.Conv2d(512, 512, 3, padding=1) for _ in range(2))
    hooked.register_forward_hook(lambda *_: None)
    normed = nn.utils.spectral_norm(nn.Conv2d(512, 512, 3, padding=1))
    network = multiply_small_maps(nn.ModuleDict({"a": hooked, "b": shared, "c": shared, "d": normed}))
    assert network["a"] is hooked and network["d"] is normed
    assert type(network["b"]) is SmallMapConv2d and network["b"] is network["c"]


def test_layout_and_refusals_are_those_of_the_convolution() -> None:
    convolution = SmallMapConv2d(3, 4, 3)
    x = torch.rand(2, 3, 4, 4)
    assert convolution(x).is_contiguous()
    assert convolution(x.to(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)
    for sides in ((1, 1), (2, 4)):
        with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
            convolution(torch.rand(2, 3, *sides))
