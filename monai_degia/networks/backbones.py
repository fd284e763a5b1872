"""The five backbones of the paper behind one contract."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import torch
from monai.networks.nets import DenseNet121, ResNet
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torchvision.models import alexnet, densenet121, vgg11_bn

from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.dotted import from_dotted_name
from monai_degia.networks.lenet import LeNet
from monai_degia.networks.small_maps import multiply_small_maps

#: Below this shorter side AlexNet's first stride of 4 is halved: at 64x64 it would leave a 1x1 map.
SMALL_IMAGE = 128


class ClassifierTrunk(nn.Module):
    """The convolutional part of a classifier; parameters keep the classifier's names below ``features``.

    Args:
        features: maps (B, in_channels, X, Y) to (B, num_features, h, w), with a third side for volumes.
        num_features: channels of the map that ``features`` returns.
    """

    min_image_size: int = 32

    def __init__(self, features: nn.Module, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.features = features

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (B, in_channels, X, Y[, Z]) to features (B, num_features, h, w[, d])."""
        return self.features(image)


def _lenet(in_channels: int, small_images: bool, spatial_dims: int) -> nn.Module:
    """LeNet, 2-D and 3-D: this package's own."""
    return LeNet(in_channels, spatial_dims=spatial_dims)


def _alexnet(in_channels: int, small_images: bool, spatial_dims: int) -> nn.Module:
    """AlexNet's convolutions, torchvision, 2-D."""
    with torch.device("meta"):
        features = alexnet(weights=None).features
        stride, padding = (2, 5) if small_images else (4, 2)
        features[0] = nn.Conv2d(in_channels, 64, kernel_size=11, stride=stride, padding=padding)
    return ClassifierTrunk(_initialise(features, "fan_in"), 256)


def _vgg(in_channels: int, small_images: bool, spatial_dims: int) -> nn.Module:
    """VGG-11 with batch normalisation, its convolutions, torchvision, 2-D."""
    with torch.device("meta"):
        features = vgg11_bn(weights=None).features
        features[0] = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
    return ClassifierTrunk(_initialise(features, "fan_out"), 512)


def _resnet(in_channels: int, small_images: bool, spatial_dims: int) -> nn.Module:
    """ResNet-10 (one basic block a stage), MONAI, 2-D and 3-D."""
    with torch.device("meta"):
        model = ResNet(
            "basic",
            layers=[1, 1, 1, 1],
            block_inplanes=[64, 128, 256, 512],
            spatial_dims=spatial_dims,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            feed_forward=False,
            bias_downsample=False,
        )
    layers = OrderedDict((name, child) for name, child in model.named_children() if name not in ("avgpool", "fc"))
    return ClassifierTrunk(_initialise(nn.Sequential(layers), "fan_out"), 512)


def _densenet(in_channels: int, small_images: bool, spatial_dims: int) -> nn.Module:
    """DenseNet-121's convolutions, torchvision in 2-D, MONAI in 3-D."""
    with torch.device("meta"):
        if spatial_dims == 2:  # MONAI's has other names, with which weights of images would no longer load
            features = densenet121(weights=None).features
            features.conv0 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        else:
            features = DenseNet121(spatial_dims, in_channels, 1).features
        # Both apply this last activation behind ``features``.
        features.add_module("relu5", nn.ReLU())
    return ClassifierTrunk(_initialise(features, "fan_in"), 1024)


def _initialise(features: nn.Sequential, mode: Literal["fan_in", "fan_out"]) -> nn.Sequential:
    """Give storage and He initialisation to a trunk built on the meta device.

    ``mode`` is torchvision's choice for this network: with ``fan_in`` an untrained ResNet in evaluation mode grows
    from block to block, with ``fan_out`` a DenseNet does, because of its narrow 1x1 convolutions.

    Built there, the classifier that is thrown away (120 million weights in VGG) costs neither time nor memory.
    """
    features.to_empty(device=torch.get_default_device())
    for module in features.modules():
        if isinstance(module, _ConvNd):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _BatchNorm):
            module.reset_parameters()
    return features


BACKBONES: dict[str, Callable[[int, bool, int], nn.Module]] = {
    "lenet": _lenet,
    "alexnet": _alexnet,
    "vgg": _vgg,
    "resnet": _resnet,
    "densenet": _densenet,
}
"""Backbones by name: functions of in_channels, small_images and spatial_dims, see :func:`create_backbone`."""
_FLAT = ("alexnet", "vgg")  # there is no library that has these for volumes


def _by_dotted_name(name: str, in_channels: int, spatial_dims: int) -> nn.Module:
    kind = from_dotted_name(name, "backbone")
    # A file of weights can name it: nothing else than a network is called.
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UserError(f"Backbone {name!r} is no class of torch.nn.Module, but {kind!r:.100}.")
    return kind(in_channels=in_channels, spatial_dims=spatial_dims)


def create_backbone(name: str, in_channels: int = 3, small_images: bool = False, spatial_dims: int = 2) -> nn.Module:
    """Build a randomly initialised backbone by name.

    LeNet is this package's own; the others are the feature trunks of torchvision's ``alexnet``, ``vgg11_bn`` and
    ``densenet121``, and of MONAI's ``ResNet`` with one basic block a stage (ResNet-10), whose parameters have
    torchvision's names: a thousand photographs do not fill a ResNet-18, which takes twice the time and 45 MB. For
    volumes there are LeNet, ResNet and MONAI's ``DenseNet121``. All of them work on any image side from
    ``min_image_size`` up.

    Args:
        name: a key of ``BACKBONES``; or ``module.Class`` of a ``torch.nn.Module`` of the user's, which is called with
            ``in_channels`` and ``spatial_dims``.
        in_channels: number of image channels.
        small_images: halve AlexNet's first stride, so that a 64x64 image leaves 3x3 cells and not one. The other
            backbones leave at least 2x2 there and ignore it.
        spatial_dims: 2 for images, 3 for volumes.

    Returns:
        A module that maps (B, in_channels, X, Y) to (B, C, h, w), or (B, in_channels, X, Y, Z) to (B, C, h, w, d), with
        integer attributes ``num_features`` (C) and ``min_image_size`` (smallest side in pixels).

    Raises:
        ValueError: if the name is unknown, ``in_channels`` is below 1, or there is no such backbone for volumes.

    Example:
        >>> create_backbone("lenet", in_channels=1)(torch.zeros(2, 1, 64, 48)).shape
        torch.Size([2, 64, 16, 12])
    """
    if "." in name:
        return _by_dotted_name(name, in_channels, spatial_dims)
    if name not in BACKBONES:
        hint = did_you_mean(name, BACKBONES)
        raise UserError(
            f"Unknown backbone {name!r}.{hint} Available: {', '.join(BACKBONES)}; "
            "or module.Class; or pass an nn.Module."
        )
    if in_channels < 1:
        raise UserError(f"in_channels must be at least 1, got {in_channels}.")
    if spatial_dims not in (2, 3):
        raise UserError(f"spatial_dims must be 2 for images or 3 for volumes, got {spatial_dims}.")
    if spatial_dims == 3 and name in _FLAT:
        others = ", ".join(other for other in BACKBONES if other not in _FLAT)
        raise UserError(f"Backbone {name!r} takes images, not volumes. For volumes: {others}; or pass an nn.Module.")
    return multiply_small_maps(BACKBONES[name](in_channels, small_images, spatial_dims))
