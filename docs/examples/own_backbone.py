"""A backbone of the user's: three strided convolutions, for images and volumes."""

from __future__ import annotations

from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn


class SmallBackbone(nn.Module):
    """Map (B, in_channels, X, Y) to (B, 64, X / 8, Y / 8), or a volume likewise."""

    def __init__(self, in_channels: int, spatial_dims: int) -> None:
        super().__init__()
        convolution, norm = Conv[Conv.CONV, spatial_dims], Norm[Norm.BATCH, spatial_dims]
        layers: list[nn.Module] = []
        for channels, out_channels in ((in_channels, 16), (16, 32), (32, 64)):
            layers += [convolution(channels, out_channels, 3, stride=2, padding=1), norm(out_channels), nn.ReLU()]
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Features; the heads of LandmarkRegressor make landmarks of them."""
        return self.features(image)
