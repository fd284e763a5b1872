"""DigitLeNet: the small classifier of the digit experiments, whose last hidden layer can be had by itself."""

from collections.abc import Sequence

from torch import Tensor, nn

from monai_degia.errors import UserError
from monai_degia.networks.shapes import check_image_shape


class DigitLeNet(nn.Module):
    """Two convolutions with pooling, fully connected hidden layers, one output a class.

    The defaults are the network that single-source experiments on digits share (arXiv 1805.12018): no padding, so that
    32x32 images leave maps of 28, 14, 10 and 5 pixels a side, 3200 features, and two hidden layers of 1024.
    ``channels=(20, 50)`` with ``hidden_features=(500,)`` is the classic LeNet.

    The prediction is split in two steps, ``forward(x) == classify(features(x))``, for objectives that compare the last
    hidden layer of two images.

    Args:
        in_channels: number of image channels.
        num_classes: number of classes.
        image_size: (X, Y) in pixels, in the order of the tensor's axes. The network takes this size only.
        channels: output channels of the two convolutions.
        hidden_features: widths of the hidden layers, at least one.
        kernel_size: side of the convolutions in pixels.
        dropout: probability in [0, 1) with which a hidden unit is dropped in training.

    Raises:
        ValueError: if an argument is out of range, or the image too small for two convolutions and poolings.

    Example:
        >>> network = DigitLeNet()
        >>> network(torch.rand(4, 3, 32, 32)).shape
        torch.Size([4, 10])

    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: Sequence[int] = (32, 32),
        channels: Sequence[int] = (64, 128),
        hidden_features: Sequence[int] = (1024, 1024),
        kernel_size: int = 5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, num_classes, image_size, channels, hidden_features, kernel_size, dropout)
        x_size, y_size = (_pooled_size(int(side), kernel_size) for side in image_size)
        if min(x_size, y_size) < 1:
            raise UserError(
                f"image_size {tuple(image_size)} is too small: two convolutions of kernel_size={kernel_size} and two "
                "poolings leave nothing of it. Enlarge the images, or use a smaller kernel_size."
            )
        self.in_channels, self.image_size = in_channels, (int(image_size[0]), int(image_size[1]))
        self._image_shape = [in_channels, *self.image_size]
        first, second = channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, first, kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        widths = [second * x_size * y_size, *hidden_features]
        layers: list[nn.Module] = []
        for i in range(len(hidden_features)):
            layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(widths[-1], num_classes)

    def features(self, image: Tensor) -> Tensor:
        """Map an image (B, in_channels, X, Y) in [0, 1] to its last hidden layer (B, hidden_features[-1]).

        Raises:
            ValueError: if the image has another shape.
        """
        check_image_shape("DigitLeNet", image, self._image_shape)
        return self.hidden(self.convolutions(image))

    def classify(self, features: Tensor) -> Tensor:
        """Map the last hidden layer (B, hidden_features[-1]) to logits (B, num_classes)."""
        return self.output(features)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (B, in_channels, X, Y) in [0, 1] to logits (B, num_classes)."""
        return self.classify(self.features(image))


def _pooled_size(side: int, kernel_size: int) -> int:
    """What two convolutions without padding, each followed by pooling, leave of a side."""
    for _ in range(2):
        side = max(side - kernel_size + 1, 0) // 2
    return side


def _check_arguments(
    in_channels: int,
    num_classes: int,
    image_size: Sequence[int],
    channels: Sequence[int],
    hidden_features: Sequence[int],
    kernel_size: int,
    dropout: float,
) -> None:
    if in_channels < 1:
        raise UserError(f"in_channels must be at least 1, got {in_channels}.")
    if num_classes < 2:
        raise UserError(f"num_classes must be at least 2, got {num_classes}.")
    if len(image_size) != 2 or min(image_size) < 1:
        raise UserError(f"image_size must be two positive numbers of pixels (X, Y), got {tuple(image_size)}.")
    if len(channels) != 2 or min(channels) < 1:
        raise UserError(f"channels must be two positive numbers, one a convolution, got {tuple(channels)}.")
    if len(hidden_features) < 1 or min(hidden_features) < 1:
        raise UserError(f"hidden_features must be one or more positive widths, got {tuple(hidden_features)}.")
    if kernel_size < 1:
        raise UserError(f"kernel_size must be at least 1, got {kernel_size}.")
    if not 0 <= dropout < 1:
        raise UserError(f"dropout must be in [0, 1), got {dropout}.")
