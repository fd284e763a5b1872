"""From a collated batch of samples to what the engines work on."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from monai.data import MetaTensor
from monai.engines import PrepareBatch
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.reading.landmarks import normalize_landmarks

__all__ = ["PrepareClassBatch", "PrepareLandmarkBatch", "batch_classes"]


class _PrepareImageBatch(PrepareBatch):
    """Images as plain tensors with labels of some kind, both on one device."""

    def __init__(self, image_key: str, target_key: str) -> None:
        self.image_key, self.target_key = image_key, target_key

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Image batch and label batch on ``device``; no labels where the batch has none."""
        image = _plain(batchdata[self.image_key])
        if not image.is_floating_point():
            raise UserError(
                f"{type(self).__name__} needs images of floating point numbers in [0, 1] under {self.image_key!r}, got "
                f"{image.dtype}: divide grey levels by 255 in the transform of the dataset."
            )
        image = image.to(device=device, non_blocking=non_blocking, **kwargs)
        target = batchdata.get(self.target_key)
        if target is None:
            return image, None
        return image, self._label(_plain(target), image).to(device=device, non_blocking=non_blocking)

    @abstractmethod
    def _label(self, target: Tensor, image: Tensor) -> Tensor:
        """What the loss takes, from the labels of a batch as they were collated."""


class PrepareLandmarkBatch(_PrepareImageBatch):
    """Images as plain tensors, landmarks from pixels to network coordinates; for MONAI's trainers and evaluators.

    Args:
        image_key: key of the images (B, C, X, Y), floating point in [0, 1].
        landmark_key: key of the landmarks (B, K, 2) in pixels of those images; may be missing at inference.

    Raises:
        TypeError: when called, if the images do not hold floating point numbers.

    """

    def __init__(self, image_key: str = "image", landmark_key: str = "landmarks") -> None:
        super().__init__(image_key, landmark_key)

    def _label(self, target: Tensor, image: Tensor) -> Tensor:
        return normalize_landmarks(target, tuple(image.shape[2:])).to(image.dtype)


class PrepareClassBatch(_PrepareImageBatch):
    """Images as plain tensors, labels as classes (B,) of int64; for MONAI's trainers and evaluators.

    Args:
        image_key: key of the images (B, C, X, Y), floating point in [0, 1].
        target_key: key of the classes, integers of shape (B,); may be missing at inference.

    Raises:
        TypeError: when called, if the images do not hold floating point numbers or the classes are not integers.
        ValueError: when called, if there is not one class an image.

    """

    def __init__(self, image_key: str = "image", target_key: str = "target") -> None:
        super().__init__(image_key, target_key)

    def _label(self, target: Tensor, image: Tensor) -> Tensor:
        if target.is_floating_point() or target.dtype == torch.bool:
            raise UserError(
                f"PrepareClassBatch needs classes as integers under {self.target_key!r}, got {target.dtype}."
            )
        if target.shape != image.shape[:1]:
            raise UserError(
                f"PrepareClassBatch needs one class an image under {self.target_key!r}, got shape "
                f"{tuple(target.shape)} for {len(image)} images."
            )
        return target.long()


def batch_classes(batchdata: dict[str, Any], image: Tensor, class_key: str = "class") -> Tensor:
    """Flow classes (B,) of a batch on the image's device; class 0 where the data name none."""
    classes = batchdata.get(class_key)
    if classes is None:
        return torch.zeros(len(image), dtype=torch.long, device=image.device)
    return torch.as_tensor(classes).reshape(-1).to(image.device, torch.long)


def _plain(x: Any) -> Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else torch.as_tensor(x)
