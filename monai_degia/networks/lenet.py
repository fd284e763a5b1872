"""LeNet, the one backbone of the paper that no dependency provides."""

from monai.networks.layers.factories import Conv, Pool
from torch import Tensor, nn

from monai_degia.errors import UserError


class LeNet(nn.Module):
    """Feature trunk of LeNet-5: twice a 5x5 convolution followed by 2x2 pooling.

    LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU and max pooling in place of
    sigmoid and subsampling, and zero padding so that the map covers the whole image (stride 4, no border lost).

    Args:
        in_channels: number of image channels.
        widths: output channels of the two convolutions.
        spatial_dims: 2 for images, 3 for volumes, whose kernels are cubes.

    Raises:
        ValueError: if a channel count is below 1.
    """

    min_image_size: int = 16

    def __init__(self, in_channels: int = 3, widths: tuple[int, int] = (32, 64), spatial_dims: int = 2) -> None:
        super().__init__()
        first, second = widths
        if min(in_channels, first, second) < 1:
            raise UserError(f"LeNet needs positive channel counts, got in_channels={in_channels}, widths={widths}.")
        conv, pool = Conv[Conv.CONV, spatial_dims], Pool[Pool.MAX, spatial_dims]
        self.num_features = second
        self.features = nn.Sequential(
            conv(in_channels, first, kernel_size=5, padding=2),
            nn.ReLU(),
            pool(2),
            conv(first, second, kernel_size=5, padding=2),
            nn.ReLU(),
            pool(2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (B, in_channels, X, Y[, Z]) to features (B, num_features, X // 4, Y // 4[, Z // 4])."""
        return self.features(image)
