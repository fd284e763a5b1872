"""A chain of transforms in which one bad file does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_degia.io.messages import root_cause, short_message
from monai_degia.reading.picture import KeepPictured
from monai_degia.reading.upright import MIRRORED

__all__ = ["GuardedCompose"]


class GuardedCompose(Compose):
    """``Compose`` for inference over a folder: a sample that fails becomes a blank one that says why.

    The blank sample has an image of zeros with the meta data of :class:`FileGeometryd`, so that it can stand in a batch
    with others, in worker processes too. Every sample gets an ``error``, empty where all went well;
    :class:`monai_degia.LandmarkFileWriter` lists the failures and writes nothing else about them.

    Args:
        transforms: see ``monai.transforms.Compose``.
        image_size: (X, Y) of the network's images in pixels.
        in_channels: channels of the network's images.
        key: key of the image: its path in what comes in.

    """

    def __init__(
        self, transforms: Sequence[Callable[..., Any]], image_size: Sequence[int], in_channels: int, key: str = "image"
    ) -> None:
        super().__init__(transforms)
        self.image_size, self.in_channels, self.key = tuple(image_size), in_channels, key
        self.pictures = any(isinstance(transform, KeepPictured) for transform in self.flatten().transforms)

    def __call__(self, input_: Mapping[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Transform one sample."""
        try:
            return {**super().__call__(input_, *args, **kwargs), "error": ""}
        except Exception as error:
            cause = root_cause(error)
            reason = short_message(error) or f"{type(cause).__name__}: {cause}"
            return self._blank(str(input_[self.key]), " ".join(reason.split()))

    def _blank(self, file: str, reason: str) -> dict[str, Any]:
        meta = {
            "filename_or_obj": file,
            "spatial_shape": torch.tensor([0, 0]),
            "original_affine": torch.eye(4, dtype=torch.float64),
            "file_affine": torch.eye(4, dtype=torch.float64),
            "sop_instance_uid": "",
            "thumb_side": "",
            "thumb_side_source": "",
            "exif_orientation": 1,
            MIRRORED: False,
            "file_spacing": torch.full((2,), torch.nan),
            "spacing_source": "",
        }
        image = MetaTensor(torch.zeros(self.in_channels, *self.image_size), affine=torch.eye(4), meta=meta)
        unknown = {"spacing": torch.full((2,), torch.nan), "modality": ""}
        if self.pictures:
            unknown |= {"picture": b"", "picture_affine": torch.eye(3, dtype=torch.float64)}
        return {self.key: image, **unknown, "error": reason}
