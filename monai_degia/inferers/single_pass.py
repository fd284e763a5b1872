"""One forward pass an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from monai_degia.inferers.frames import Frames
from monai_degia.networks.inference_copy import InferenceCopies

__all__ = ["SinglePassInferer"]


class SinglePassInferer(Inferer):
    """One forward pass on the whole image, resized to the size that the network takes.

    Args:
        image_size: (X, Y) of the network's images; pictures may be larger.
        autocast_dtype: ``torch.bfloat16`` runs a :class:`LandmarkRegressor` in that precision; ``None`` in its own.

    Attributes:
        num_passes: images that the network is shown for each picture.

    """

    num_passes = 1

    def __init__(self, image_size: Sequence[int], autocast_dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self._copies = InferenceCopies(autocast_dtype)

    @torch.no_grad()
    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict landmarks.

        Args:
            inputs: pictures, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side.
            *args: further arguments of the network.
            **kwargs: further arguments of the network.

        Returns:
            Shape (B, K, 2), normalised to the picture's side.

        """
        pictures = convert_to_tensor(inputs, track_meta=False)
        fast = self._copies(network) if isinstance(network, nn.Module) else network
        return fast(Frames.whole(pictures).cut(pictures, self.image_size), *args, **kwargs)
