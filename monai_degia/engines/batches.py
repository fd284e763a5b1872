"""From a collated batch of landmark samples to what the engines work on."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor
from monai.engines import PrepareBatch
from torch import Tensor

from monai_degia.transforms.landmarks import normalize_landmarks

__all__ = ["PrepareLandmarkBatch", "batch_classes"]


class PrepareLandmarkBatch(PrepareBatch):
    """Images as plain tensors, landmarks from pixels to network coordinates; for MONAI's trainers and evaluators.

    Args:
        image_key: key of the images (B, C, X, Y).
        landmark_key: key of the landmarks (B, K, 2) in pixels of those images; may be missing at inference.

    """

    def __init__(self, image_key: str = "image", landmark_key: str = "landmarks") -> None:
        self.image_key, self.landmark_key = image_key, landmark_key

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Image batch and label batch on ``device``."""
        image = _plain(batchdata[self.image_key]).to(device=device, non_blocking=non_blocking, **kwargs)
        landmarks = batchdata.get(self.landmark_key)
        if landmarks is None:
            return image, None
        label = normalize_landmarks(_plain(landmarks), tuple(image.shape[2:]))
        return image, label.to(device=device, dtype=image.dtype, non_blocking=non_blocking)


def batch_classes(batchdata: dict[str, Any], image: Tensor, class_key: str = "class") -> Tensor:
    """Flow classes (B,) of a batch on the image's device; class 0 where the data name none."""
    classes = batchdata.get(class_key)
    if classes is None:
        return torch.zeros(len(image), dtype=torch.long, device=image.device)
    return torch.as_tensor(classes).reshape(-1).to(image.device, torch.long)


def _plain(x: Any) -> Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else torch.as_tensor(x)
