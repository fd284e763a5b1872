"""The one shape that a network takes, checked before torch fails somewhere inside; TorchScript compiles it."""

from torch import Tensor

from monai_degia.errors import UserError


def check_image_shape(network: str, image: Tensor, in_channels: int, image_size: tuple[int, int]) -> None:
    """Refuse a batch of images that a network was not built for; TorchScript can compile it.

    Args:
        network: name for the message.
        image: shape (B, in_channels, X, Y) is expected.
        in_channels: channels that the network takes.
        image_size: (X, Y) in pixels that the network takes.

    Raises:
        ValueError: if the image has another shape.
    """
    x_size, y_size = image_size
    if image.dim() != 4 or image.size(1) != in_channels or image.size(2) != x_size or image.size(3) != y_size:
        raise UserError(
            f"{network} expects images of shape (B, {in_channels}, {x_size}, {y_size}), "
            f"got {list(image.shape)}. Resize them, or build the network with their in_channels and image_size."
        )
