"""Heads: from a feature map to normalised landmark coordinates, in as many dimensions as the map has."""

import math
from collections.abc import Callable, Sequence

import torch
from monai.networks.layers.factories import Conv, Dropout, Norm, Pool
from torch import Tensor, nn
from torch.nn import functional

#: Most cells that the fully connected layer sees, 16 a side of an image; a larger map is averaged down first.
MAX_CELLS = 256
#: Pixels of the image per heatmap cell.
HEATMAP_STRIDE = 4


def soft_argmax(heatmaps: Tensor) -> Tensor:
    r"""Expected cell centre under the softmax of each map, :math:`u = \sum_i p_i (i + 1/2) / n` along each axis.

    Args:
        heatmaps: unnormalised log-weights, shape (B, K, X, Y) or (B, K, X, Y, Z). Large values approach the argmax.

    Returns:
        Coordinates in [0, 1] of the image side, shape (B, K, 2) or (B, K, 3), in the order of the map's axes.
    """
    sides = heatmaps.shape[2:]
    weights = torch.softmax(heatmaps.flatten(2), dim=2).unflatten(2, sides)
    means: list[Tensor] = []
    for axis in range(len(sides)):
        others: list[int] = []
        for other in range(len(sides)):
            if other != axis:
                others.append(other + 2)
        centres = (torch.arange(sides[axis], device=weights.device, dtype=weights.dtype) + 0.5) / sides[axis]
        means.append((weights.sum(others) * centres).sum(2))
    return torch.stack(means, dim=2)


class RegressionHead(nn.Module):
    """Flatten, one hidden fully connected layer, K * n outputs; starts at the image centre and is not bounded.

    Args:
        feature_shape: (C, h, w) of the feature map, (C, h, w, d) of a volume's; one of more than 256 cells is first
            averaged down, to at most 16 a side, or 6 in a volume.
        image_size: not used, here so that all heads are built alike.
        num_landmarks: K.
        hidden_features: width of the hidden layer.
        dropout: probability with which a hidden unit is dropped in training.
    """

    def __init__(
        self,
        feature_shape: Sequence[int],
        image_size: Sequence[int],
        num_landmarks: int,
        hidden_features: int = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, *sides = feature_shape
        self.num_landmarks, self.spatial_dims = num_landmarks, len(sides)
        most = math.floor(MAX_CELLS ** (1 / self.spatial_dims))
        kernel = tuple(-(-side // most) for side in sides)
        cells = math.prod(-(-side // size) for side, size in zip(sides, kernel, strict=True))
        self.pool = Pool[Pool.AVG, self.spatial_dims](kernel, ceil_mode=True)
        self.hidden = nn.Linear(channels * cells, hidden_features)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_features, num_landmarks * self.spatial_dims)
        nn.init.normal_(self.output.weight, std=0.001)
        nn.init.constant_(self.output.bias, 0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, C, h, w) to coordinates (B, K, 2), those of a volume to (B, K, 3)."""
        hidden = torch.relu(self.hidden(self.pool(features).flatten(1)))
        return self.output(self.dropout(hidden)).unflatten(1, [self.num_landmarks, self.spatial_dims])


class HeatmapHead(nn.Module):
    """From the coarsest map to the finest, then up to a quarter of the image side: K maps, and their soft-argmax.

    Every stage brings the map so far to the next finer grid, adds that scale's own map, and convolves, as a feature
    pyramid network does (Lin et al., CVPR 2017). Where the finest map is coarser than stride 4, further stages without
    a map of their own double the grid. The output lies within [0, 1].

    Args:
        feature_shapes: (C, h, w) of the feature maps, finest first; (C, h, w, d) of a volume's.
        image_size: (X, Y) in pixels, or (X, Y, Z) in voxels.
        num_landmarks: K.
        hidden_features: channels of the decoder.
        dropout: probability with which a decoder channel is dropped in training.
        temperature: of the soft-argmax, positive; the initial one when it is learnt. Below 1 the coordinates follow the
            maps' peaks, and what lies far from them does not pull.
        learnable_temperature: learn the temperature (its logarithm) with the other weights.
    """

    def __init__(
        self,
        feature_shapes: Sequence[Sequence[int]],
        image_size: Sequence[int],
        num_landmarks: int,
        hidden_features: int = 128,
        dropout: float = 0.0,
        temperature: float = 1.0,
        learnable_temperature: bool = False,
    ) -> None:
        super().__init__()
        channels, *sides = feature_shapes[-1]
        finer, dims = list(reversed(feature_shapes[:-1])), len(sides)
        conv = Conv[Conv.CONV, dims]
        self.mode = {2: "bilinear", 3: "trilinear"}[dims]
        self.enter = _conv_block(dims, channels, hidden_features, kernel_size=1)
        grids = [list(shape[1:]) for shape in finer]
        grids += _grid_sizes(grids[-1] if grids else sides, image_size)
        self.grids = [[int(side) for side in grid] for grid in grids]
        self.laterals = nn.ModuleList(conv(shape[0], hidden_features, kernel_size=1) for shape in finer)
        stages = [_conv_block(dims, hidden_features, hidden_features, kernel_size=3) for _ in self.grids]
        self.merges, self.stages = nn.ModuleList(stages[: len(finer)]), nn.ModuleList(stages[len(finer) :])
        self.dropout = Dropout[Dropout.DROPOUT, dims](dropout)
        self.output = conv(hidden_features, num_landmarks, kernel_size=1)
        nn.init.normal_(self.output.weight, std=0.01)
        # A constant added to a map does not move its softmax: a bias would be a parameter without gradient.
        self.output.register_parameter("bias", None)
        log_temperature = torch.tensor(float(temperature)).log()
        if learnable_temperature:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer("log_temperature", log_temperature)

    def heatmaps(self, features: list[Tensor]) -> Tensor:
        """Map features (B, C, h, w), finest first, to unnormalised log-weights (B, K, X / 4, Y / 4); so of volumes."""
        decoded, done = self.enter(features[-1]), 0
        for lateral, merge in zip(self.laterals, self.merges):  # noqa: B905 - TorchScript has no strict=
            decoded = merge(self._grow(decoded, done) + lateral(features[-2 - done]))
            done += 1
        for stage in self.stages:
            decoded = stage(self._grow(decoded, done))
            done += 1
        return self.output(self.dropout(decoded))

    def _grow(self, maps: Tensor, stage: int) -> Tensor:
        return functional.interpolate(maps, size=self.grids[stage], mode=self.mode, align_corners=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map features (B, C, h, w), finest first, to coordinates (B, K, 2) in [0, 1]; of volumes to (B, K, 3)."""
        return soft_argmax(self.heatmaps(features) / self.log_temperature.exp())


def _conv_block(spatial_dims: int, in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    conv = Conv[Conv.CONV, spatial_dims](in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, Norm[Norm.BATCH, spatial_dims](out_channels), nn.ReLU())


def _grid_sizes(start: Sequence[int], image_size: Sequence[int]) -> list[list[int]]:
    """Grids of the decoder's stages, each at most twice the one before, the last at stride 4 of the image."""
    grid = [max(cells, -(-side // HEATMAP_STRIDE)) for cells, side in zip(start, image_size, strict=True)]
    sizes: list[list[int]] = []
    while grid != list(start):
        sizes.insert(0, grid)
        grid = [max(cells, -(-side // 2)) for cells, side in zip(start, grid, strict=True)]
    return sizes


HEADS: dict[str, Callable[..., nn.Module]] = {"regression": RegressionHead, "heatmap": HeatmapHead}
