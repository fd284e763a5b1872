"""The maps of a backbone at all scales, for heads that need to know where exactly something is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["FeaturePyramid", "SingleMap"]

_FINEST_STRIDE = 4


class FeaturePyramid(nn.Module):
    """The last map of each scale of a sequential backbone, finest first, from a stride of 4 on.

    The parameters keep the backbone's names.

    Args:
        trunk: a backbone whose attribute ``features`` is a sequence of layers.
        in_channels: number of image channels.
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels.

    """

    def __init__(self, trunk: nn.Module, in_channels: int, image_size: Sequence[int]) -> None:
        super().__init__()
        self.min_image_size = getattr(trunk, "min_image_size", 1)
        self.features: nn.Sequential = trunk.features  # type: ignore[assignment]
        shapes = _shapes(self.features, in_channels, image_size)
        coarse_enough = max(image_size) // _FINEST_STRIDE + 1
        last_of_scale = {shape[1:]: index for index, shape in enumerate(shapes)}
        self.taps = [index for sides, index in last_of_scale.items() if max(sides) <= coarse_enough]
        #: (C, h, w) of each map, (C, h, w, d) of a volume's.
        self.shapes = [shapes[index] for index in self.taps]
        self.num_features = self.shapes[-1][0]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image (B, in_channels, X, Y[, Z]) to maps (B, C, h, w[, d]), each coarser than the one before."""
        maps: list[Tensor] = []
        for index, layer in enumerate(self.features):
            image = layer(image)
            if index in self.taps:
                maps.append(image)
        return maps


class SingleMap(nn.Module):
    """The one map of a backbone whose scales are not known, as a pyramid of one.

    Args:
        trunk: maps (B, in_channels, X, Y) to (B, C, h, w), with a third side for volumes.
        shape: (C, h, w), or (C, h, w, d).

    """

    def __init__(self, trunk: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk, self.shapes, self.num_features = trunk, [shape], shape[0]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image (B, in_channels, X, Y[, Z]) to a list of one map."""
        return [self.trunk(image)]


@torch.no_grad()
def _shapes(features: nn.Sequential, in_channels: int, image_size: Sequence[int]) -> list[tuple[int, ...]]:
    """Shape (C, h, w) behind each layer, in evaluation mode, which leaves statistics as they are."""
    modes = [(module, module.training) for module in features.modules()]
    features.eval()
    parameter = next(features.parameters())
    image = torch.zeros(1, in_channels, *image_size, device=parameter.device, dtype=parameter.dtype)
    shapes = []
    for layer in features:
        image = layer(image)
        shapes.append(tuple(image.shape[1:]))
    for module, mode in modes:
        module.training = mode
    return shapes
