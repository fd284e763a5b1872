"""The one shape that a network takes, checked before torch fails somewhere inside; TorchScript compiles it."""

from torch import Tensor

from monai_degia.errors import UserError


def check_image_shape(network: str, image: Tensor, image_shape: list[int]) -> None:
    """Refuse a batch of images that a network was not built for; TorchScript can compile it.

    Args:
        network: name for the message.
        image: shape (B, in_channels, X, Y) is expected, or (B, in_channels, X, Y, Z).
        image_shape: [in_channels, X, Y] that the network takes, or [in_channels, X, Y, Z].

    Raises:
        ValueError: if the image has another shape.
    """
    if list(image.shape[1:]) != image_shape:
        sides = ", ".join([str(side) for side in image_shape])
        raise UserError(
            f"{network} expects images of shape (B, {sides}), got {list(image.shape)}. Resize them, or build the "
            "network with their in_channels and image_size."
        )
