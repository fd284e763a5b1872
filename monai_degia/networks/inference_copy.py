"""A copy of a trained network that predicts the same in less time: folded batch normalisation, packed weights."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.utils import mkldnn

from monai_degia.networks.regressor import LandmarkRegressor

__all__ = ["InferenceCopies", "inference_copy"]

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
    whole.backbone = fuse(whole.backbone)
    if autocast_dtype is None and (blocked := _blocked(whole)) is not None:
        return blocked
    volumes = len(network.image_size) == 3
    whole = whole.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)
    return whole if autocast_dtype is None else _AutocastRegressor(whole, autocast_dtype)


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


class _AutocastRegressor(nn.Module):
    """The same network, its backbone in lower precision.

    The head stays as it is: bfloat16 tells 128 values apart between 1 and 2, and a soft-argmax over rounded maps, or a
    coordinate rounded itself, would be off by up to a few pixels of a picture.
    """

    def __init__(self, network: LandmarkRegressor, dtype: torch.dtype) -> None:
        super().__init__()
        self.normalize, self.backbone, self.head = network.normalize, network.backbone, network.head
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, X, Y) to landmarks (B, K, 2), float32."""
        with torch.autocast(image.device.type, dtype=self.dtype):
            features = self.backbone(self.normalize(image))
        return self.head([one.float() for one in features] if isinstance(features, list) else features.float())


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
