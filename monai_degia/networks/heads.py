"""Heads: from a feature map to normalised landmark coordinates."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Most cells a side that the fully connected layer sees; a larger map is averaged down first.
MAX_GRID = 16
#: Pixels of the image per heatmap cell.
HEATMAP_STRIDE = 4


def soft_argmax(heatmaps: Tensor) -> Tensor:
    r"""Expected cell centre under the softmax of each map, :math:`u = \sum_i p_i (i + 1/2) / n` along each axis.

    Args:
        heatmaps: unnormalised log-weights, shape (B, K, X, Y). Large values approach the argmax.

    Returns:
        Coordinates (x, y) in [0, 1] of the image side, shape (B, K, 2), in the order of the map's axes.
    """
    x_cells, y_cells = heatmaps.shape[2], heatmaps.shape[3]
    weights = torch.softmax(heatmaps.flatten(2), dim=2).unflatten(2, [x_cells, y_cells])
    x = (torch.arange(x_cells, device=weights.device, dtype=weights.dtype) + 0.5) / x_cells
    y = (torch.arange(y_cells, device=weights.device, dtype=weights.dtype) + 0.5) / y_cells
    return torch.stack([(weights.sum(3) * x).sum(2), (weights.sum(2) * y).sum(2)], dim=2)


class RegressionHead(nn.Module):
    """Flatten, one hidden fully connected layer, K * 2 outputs; starts at the image centre and is not bounded.

    Args:
        feature_shape: (C, h, w) of the feature map; a side above 16 cells is first averaged down to at most 16.
        image_size: not used, here so that all heads are built alike.
        num_landmarks: K.
        hidden_features: width of the hidden layer.
        dropout: probability with which a hidden unit is dropped in training.
    """

    def __init__(
        self,
        feature_shape: tuple[int, int, int],
        image_size: tuple[int, int],
        num_landmarks: int,
        hidden_features: int = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, h, w = feature_shape
        kernel = (-(-h // MAX_GRID), -(-w // MAX_GRID))
        cells = -(-h // kernel[0]) * -(-w // kernel[1])
        self.num_landmarks = num_landmarks
        self.pool = nn.AvgPool2d(kernel, ceil_mode=True)
        self.hidden = nn.Linear(channels * cells, hidden_features)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_features, num_landmarks * 2)
        nn.init.normal_(self.output.weight, std=0.001)
        nn.init.constant_(self.output.bias, 0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, C, h, w) to coordinates (B, K, 2)."""
        hidden = torch.relu(self.hidden(self.pool(features).flatten(1)))
        return self.output(self.dropout(hidden)).unflatten(1, [self.num_landmarks, 2])


class HeatmapHead(nn.Module):
    """From the coarsest map to the finest, then up to a quarter of the image side: K maps, and their soft-argmax.

    Every stage brings the map so far to the next finer grid, adds that scale's own map, and convolves, as a feature
    pyramid network does (Lin et al., CVPR 2017). Where the finest map is coarser than stride 4, further stages without
    a map of their own double the grid. The output lies within [0, 1].

    Args:
        feature_shapes: (C, h, w) of the feature maps, finest first.
        image_size: (X, Y) in pixels.
        num_landmarks: K.
        hidden_features: channels of the decoder.
        dropout: probability with which a decoder channel is dropped in training.
        temperature: of the soft-argmax, positive; the initial one when it is learnt. Below 1 the coordinates follow the
            maps' peaks, and what lies far from them does not pull.
        learnable_temperature: learn the temperature (its logarithm) with the other weights.
    """

    def __init__(
        self,
        feature_shapes: Sequence[tuple[int, int, int]],
        image_size: tuple[int, int],
        num_landmarks: int,
        hidden_features: int = 128,
        dropout: float = 0.0,
        temperature: float = 1.0,
        learnable_temperature: bool = False,
    ) -> None:
        super().__init__()
        channels, h, w = feature_shapes[-1]
        finer = list(reversed(feature_shapes[:-1]))
        self.enter = _conv_block(channels, hidden_features, kernel_size=1)
        grids = [shape[1:] for shape in finer]
        grids += _grid_sizes(grids[-1] if grids else (h, w), image_size)
        self.grids = [(int(x), int(y)) for x, y in grids]
        self.laterals = nn.ModuleList(nn.Conv2d(shape[0], hidden_features, kernel_size=1) for shape in finer)
        stages = [_conv_block(hidden_features, hidden_features, kernel_size=3) for _ in self.grids]
        self.merges, self.stages = nn.ModuleList(stages[: len(finer)]), nn.ModuleList(stages[len(finer) :])
        self.dropout = nn.Dropout2d(dropout)
        self.output = nn.Conv2d(hidden_features, num_landmarks, kernel_size=1)
        nn.init.normal_(self.output.weight, std=0.01)
        # A constant added to a map does not move its softmax: a bias would be a parameter without gradient.
        self.output.register_parameter("bias", None)
        log_temperature = torch.tensor(float(temperature)).log()
        if learnable_temperature:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer("log_temperature", log_temperature)

    def heatmaps(self, features: list[Tensor]) -> Tensor:
        """Map features (B, C, h, w), finest first, to unnormalised log-weights (B, K, X / 4, Y / 4)."""
        decoded, done = self.enter(features[-1]), 0
        for lateral, merge in zip(self.laterals, self.merges):  # noqa: B905 - TorchScript has no strict=
            decoded = merge(self._grow(decoded, done) + lateral(features[-2 - done]))
            done += 1
        for stage in self.stages:
            decoded = stage(self._grow(decoded, done))
            done += 1
        return self.output(self.dropout(decoded))

    def _grow(self, maps: Tensor, stage: int) -> Tensor:
        size = [self.grids[stage][0], self.grids[stage][1]]
        return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map features (B, C, h, w), finest first, to coordinates (B, K, 2) in [0, 1]."""
        return soft_argmax(self.heatmaps(features) / self.log_temperature.exp())


def _conv_block(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())


def _grid_sizes(start: tuple[int, int], image_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Grids of the decoder's stages, each at most twice the one before, the last at stride 4 of the image."""
    x, y = (max(cells, -(-side // HEATMAP_STRIDE)) for cells, side in zip(start, image_size, strict=True))
    sizes: list[tuple[int, int]] = []
    while (x, y) != start:
        sizes.insert(0, (x, y))
        x, y = max(start[0], -(-x // 2)), max(start[1], -(-y // 2))
    return sizes


HEADS: dict[str, Callable[..., nn.Module]] = {"regression": RegressionHead, "heatmap": HeatmapHead}
