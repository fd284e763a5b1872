"""LandmarkRegressor: the task network M of the paper, backbone and head."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.layers.factories import Norm
from torch import Tensor, nn

from monai_degia.errors import UserError, did_you_mean
from monai_degia.networks.backbones import SMALL_IMAGE, create_backbone
from monai_degia.networks.heads import HEADS
from monai_degia.networks.pyramid import FeaturePyramid, SingleMap
from monai_degia.networks.shapes import check_image_shape


class LandmarkRegressor(nn.Module):
    """Predict the normalised coordinates of K landmarks in an image, or in a volume.

    Args:
        backbone: a key of ``BACKBONES``; ``module.Class`` of the user's, see :func:`create_backbone`; or any module
            that maps (B, in_channels, X, Y) to (B, C, h, w); for volumes (B, in_channels, X, Y, Z) to (B, C, h, w, d).
        num_landmarks: K.
        in_channels: number of image channels.
        image_size: (X, Y) in pixels, in the order of the tensor's axes; (X, Y, Z) in voxels makes a network for
            volumes. The network takes this size only.
        head: ``"regression"`` (fully connected, output not bounded, starts at the image centre) or ``"heatmap"``
            (decoder over the backbone's scales to stride 4 and soft-argmax, output in [0, 1]; of a backbone without
            ``features`` it sees the last map alone; train it with :class:`HeatmapLoss`).
        dropout: in the head, probability in [0, 1).
        hidden_features: width of the head: fully connected units, or channels of the decoder. Default: 256 and 128.
        temperature: of the soft-argmax, positive; heatmap head only.
        learnable_temperature: learn the temperature; heatmap head only.
        normalize_input: bring each channel of each image to mean 0 and variance 1 first, so that exposure, contrast and
            colour cast cannot matter.

    Raises:
        ValueError: if an argument is out of range or unknown, if the image is too small for the backbone, or if the
            module given as backbone does not return a map (B, C, h, w).

    Example:
        >>> network = LandmarkRegressor("lenet", num_landmarks=17, in_channels=1, image_size=(64, 48))
        >>> network(torch.rand(2, 1, 64, 48)).shape
        torch.Size([2, 17, 2])
        >>> network = LandmarkRegressor("lenet", num_landmarks=7, in_channels=1, image_size=(32, 32, 16))
        >>> network(torch.rand(2, 1, 32, 32, 16)).shape
        torch.Size([2, 7, 3])
    """

    def __init__(
        self,
        backbone: str | nn.Module = "resnet",
        num_landmarks: int = 21,
        in_channels: int = 3,
        image_size: Sequence[int] = (64, 64),
        head: str = "regression",
        dropout: float = 0.0,
        hidden_features: int | None = None,
        temperature: float = 1.0,
        learnable_temperature: bool = False,
        normalize_input: bool = False,
    ) -> None:
        super().__init__()
        #: The arguments, as plain values that build the same network again; ``None`` for a backbone passed as a module.
        self.options: dict[str, Any] | None = None
        if isinstance(backbone, str):
            self.options = {
                "backbone": backbone,
                "num_landmarks": num_landmarks,
                "in_channels": in_channels,
                "image_size": [int(side) for side in image_size],
                "head": head,
                "dropout": dropout,
                "hidden_features": hidden_features,
                "temperature": temperature,
                "learnable_temperature": learnable_temperature,
                "normalize_input": normalize_input,
            }
        size = _check_arguments(num_landmarks, in_channels, image_size, head, dropout, hidden_features, temperature)
        if not isinstance(backbone, nn.Module):
            small = min(size) < SMALL_IMAGE
            backbone = create_backbone(backbone, in_channels, small, len(size))
        shape = _feature_shape(backbone, in_channels, size)
        options: dict[str, float | bool] = {"dropout": dropout}
        options["hidden_features"] = hidden_features or (128 if head == "heatmap" else 256)
        shapes: Any = shape
        if head == "heatmap":
            options |= {"temperature": temperature, "learnable_temperature": learnable_temperature}
            sequential = isinstance(getattr(backbone, "features", None), nn.Sequential)
            backbone = FeaturePyramid(backbone, in_channels, size) if sequential else SingleMap(backbone, shape)
            shapes = backbone.shapes
        self.in_channels, self.image_size = in_channels, size
        self._image_shape = [in_channels, *size]
        self.num_landmarks, self.num_features = num_landmarks, shape[0]
        self.normalize: nn.Module = Norm[Norm.INSTANCE, len(size)](in_channels) if normalize_input else nn.Identity()
        self.backbone = backbone
        self.head = HEADS[head](shapes, size, num_landmarks, **options)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image to landmarks.

        Args:
            image: shape (B, in_channels, X, Y) or (B, in_channels, X, Y, Z), values in [0, 1].

        Returns:
            Coordinates in the order of the axes, 0 and 1 being the image's edges, shape (B, K, 2) or (B, K, 3).

        Raises:
            ValueError: if the image has another shape.
        """
        check_image_shape("LandmarkRegressor", image, self._image_shape)
        return self.head(self.backbone(self.normalize(image)))


def _check_arguments(
    num_landmarks: int,
    in_channels: int,
    image_size: Sequence[int],
    head: str,
    dropout: float,
    hidden_features: int | None,
    temperature: float,
) -> tuple[int, ...]:
    """Refuse arguments that are wrong whatever the backbone; return the image size as plain numbers."""
    if num_landmarks < 1:
        raise UserError(f"num_landmarks must be at least 1, got {num_landmarks}.")
    if in_channels < 1:
        raise UserError(f"in_channels must be at least 1, got {in_channels}.")
    if len(image_size) not in (2, 3) or min(image_size) < 1:
        raise UserError(
            "image_size must be two positive numbers of pixels (X, Y), or three of voxels (X, Y, Z), "
            f"got {tuple(image_size)}."
        )
    if head not in HEADS:
        hint = did_you_mean(head, HEADS)
        raise UserError(f"Unknown head {head!r}.{hint} Available: {', '.join(HEADS)}.")
    if not 0 <= dropout < 1:
        raise UserError(f"dropout must be in [0, 1), got {dropout}.")
    if hidden_features is not None and hidden_features < 1:
        raise UserError(f"hidden_features must be at least 1, got {hidden_features}.")
    if not 0 < temperature < float("inf"):
        raise UserError(f"temperature must be positive and finite, got {temperature}.")
    return tuple(int(side) for side in image_size)


def _feature_shape(backbone: nn.Module, in_channels: int, size: tuple[int, ...]) -> tuple[int, ...]:
    """Shape (C, h, w), or (C, h, w, d), of the backbone's map, measured on one black image in evaluation mode."""
    smallest = getattr(backbone, "min_image_size", 1)
    if min(size) < smallest:
        name = type(backbone).__name__
        raise UserError(f"image_size {size} is too small: backbone {name} needs at least {smallest} pixels a side.")
    parameter = next(backbone.parameters(), torch.empty(0))
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(torch.zeros(1, in_channels, *size, device=parameter.device, dtype=parameter.dtype))
    except RuntimeError as error:
        shape = ", ".join(map(str, (in_channels, *size)))
        raise UserError(
            f"backbone {type(backbone).__name__} cannot take images of shape (B, {shape}); check in_channels "
            f"and image_size. It said: {error}"
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    return _check_features(backbone, features, len(size))


def _check_features(backbone: nn.Module, features: object, spatial_dims: int) -> tuple[int, ...]:
    if not isinstance(features, Tensor) or features.ndim != spatial_dims + 2 or 0 in features.shape:
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise UserError(
            f"backbone {type(backbone).__name__} must return a feature map (B, C, {', '.join('hwd'[:spatial_dims])}), "
            f"got {got}. "
            "Cut off its pooling and classifier, or use a larger image_size."
        )
    declared = getattr(backbone, "num_features", features.shape[1])
    if declared != features.shape[1]:
        raise UserError(
            f"backbone {type(backbone).__name__} declares num_features={declared} but returns {features.shape[1]} "
            "channels. Correct the attribute."
        )
    return tuple(features.shape[1:])
