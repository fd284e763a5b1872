"""A copy of a trained network that predicts the same in less time: folded batch normalisation, packed weights."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils import mkldnn

from monai_degia.networks.heads import HeatmapHead
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.networks.small_maps import multiply_small_maps, plain_convolutions

__all__ = ["InferenceCopies", "inference_copy"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TOLERANCE = 1e-3  # of the image side: a copy that differs more is not used; rounding stays near 1e-6


def inference_copy(network: nn.Module, autocast_dtype: torch.dtype | None = None) -> nn.Module:
    """Copy a network for prediction: every batch normalisation becomes part of the convolution before it.

    In float32 on a processor the weights are also packed once into the blocked layout of oneDNN, in which its
    convolutions run, and the maps between them stay in it: ResNet takes two thirds of the time (docs/performance.md). A
    backbone with an operation that cannot, such as DenseNet's concatenations, keeps torch's layout, channels last.

    Args:
        network: a trained :class:`LandmarkRegressor`; another module is returned as it is.
        autocast_dtype: ``torch.bfloat16`` runs the copy in that precision, for devices that are faster in it
            (:func:`monai_degia.native_bfloat16`); predictions are float32. ``None`` keeps that of the weights.

    Returns:
        A module in evaluation mode that shares no weight with ``network`` and takes no gradient.

    """
    if not isinstance(network, LandmarkRegressor):
        return network
    whole = copy.deepcopy(network).eval().requires_grad_(False)
    whole.backbone = fuse(plain_convolutions(whole.backbone))  # fusing knows layers by their type
    _fold_blocks(whole.head)
    if autocast_dtype is None and (blocked := _blocked(whole)) is not None:
        return blocked
    whole.backbone = multiply_small_maps(whole.backbone)
    volumes = len(network.image_size) == 3
    whole = whole.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)
    return whole if autocast_dtype is None else _RoundedRegressor(whole, autocast_dtype)


def _fold_blocks(module: nn.Module) -> None:
    """Fold the normalisation of every block of a convolution, its batch normalisation, and more."""
    for block in [part for part in module.modules() if isinstance(part, nn.Sequential) and len(part) > 1]:
        convolution, norm = block[0], block[1]
        if isinstance(convolution, _CONVOLUTIONS) and isinstance(norm, nn.modules.batchnorm._BatchNorm):
            block[0], block[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


class _BlockedRegressor(nn.Module):
    """The same network with its backbone in oneDNN's layout."""

    def __init__(self, network: LandmarkRegressor) -> None:
        super().__init__()
        self.normalize, self.head = network.normalize, network.head
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # torch's own use of what it deprecates
            self.backbone = mkldnn.to_mkldnn(copy.deepcopy(network.backbone))

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, X, Y) to landmarks (B, K, 2)."""
        # Not called, which would print where an operation fails that this layout does not have.
        features = self.backbone.forward(self.normalize(image).contiguous().to_mkldnn())
        if isinstance(features, list):
            return self.head([one.to_dense() for one in features])
        return self.head(features.to_dense())


class _RoundedRegressor(nn.Module):
    """The same network with its convolutions in lower precision.

    Their weights are rounded once: autocast alone would do so in each forward pass, and a processor spends as long on
    it as on the convolutions of a few images. What makes coordinates stays as it is: bfloat16 tells 128 values apart
    between 1 and 2, and a soft-argmax over rounded maps, or a coordinate rounded itself, would be off by up to a few
    pixels of a picture.
    """

    def __init__(self, network: LandmarkRegressor, dtype: torch.dtype) -> None:
        super().__init__()
        self.normalize, self.backbone, self.head = network.normalize, network.backbone, network.head
        self.dtype, self.features_dtype = dtype, torch.float32
        for module in self.backbone.modules():
            if isinstance(module, _CONVOLUTIONS):
                module.to(dtype)
        if isinstance(self.head, HeatmapHead):
            self.features_dtype = dtype
            for part in (self.head.enter, self.head.laterals, self.head.merges, self.head.stages):
                part.to(dtype)
            self.head.output = _Float32(self.head.output)

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, X, Y) to landmarks (B, K, 2), float32."""
        with torch.autocast(image.device.type, dtype=self.dtype):
            features = self.backbone(self.normalize(image))
        if isinstance(features, list):
            return self.head([one.to(self.features_dtype) for one in features])
        return self.head(features.to(self.features_dtype))


class _Float32(nn.Module):
    """A layer that computes in float32, whatever it gets."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        """Any floating point numbers to float32."""
        return self.layer(maps.float())


@torch.no_grad()
def _blocked(network: LandmarkRegressor) -> nn.Module | None:
    """The network in oneDNN's layout, if all that its backbone does has a version there that gives the same."""
    parameter = next(network.backbone.parameters())
    if parameter.device.type != "cpu" or parameter.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return None
    image = torch.rand(1, network.in_channels, *network.image_size, generator=torch.Generator().manual_seed(0))
    try:
        blocked = _BlockedRegressor(network)
        found = blocked(image)
    except (RuntimeError, NotImplementedError, TypeError):
        return None
    return blocked if torch.allclose(found, network(image), atol=_TOLERANCE) else None


class InferenceCopies:
    """The copy of the network that was used last, made anew when the network or one of its weights changes.

    Args:
        autocast_dtype: see :func:`inference_copy`.

    """

    def __init__(self, autocast_dtype: torch.dtype | None = None) -> None:
        self.autocast_dtype = autocast_dtype
        self._state: tuple[object, ...] = ()
        self._copy: nn.Module | None = None

    def __call__(self, network: nn.Module) -> nn.Module:
        """The copy of ``network``; the network itself while it trains, and what is no module."""
        if not isinstance(network, LandmarkRegressor) or network.training:
            return network
        # In-place changes, which loading and optimisers make, count up a tensor's version.
        state = (id(network), *((p.data_ptr(), p._version) for p in network.state_dict(keep_vars=True).values()))
        if state != self._state or self._copy is None:
            self._state, self._copy = state, inference_copy(network, self.autocast_dtype)
        return self._copy
