"""Image files as a person wants to see them, for every picture with landmarks on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from monai_degia.reading.landmarks import LandmarksToImaged
from monai_degia.reading.modality import MatchChannelsd
from monai_degia.reading.preprocessing import reading_steps

__all__ = ["UprightImage"]


class UprightImage:
    """Read image files in colour and upright, and carry points of the file along."""

    def __init__(self) -> None:
        self._steps: tuple[Callable[..., Any], ...] = (
            *reading_steps(labelled=True),
            MatchChannelsd("image", 3),
            LandmarksToImaged("landmarks"),
        )

    def __call__(self, file: str | Path, points: Tensor, modality: str = "auto") -> tuple[Tensor, Tensor]:
        """Read one file of any kind that inference reads.

        Args:
            file: the image file.
            points: shape (N, 2), pixels of the file as it is stored.
            modality: ``photo``, ``depth``, ``xray`` or ``auto``, as for :class:`monai_degia.ScaleModalityd`.

        Returns:
            Image of shape (3, X, Y) in [0, 1], and the points in its pixels, float64 of shape (N, 2).

        Raises:
            ValueError: if the file cannot be read.

        """
        sample: dict[Any, Any] = {"image": str(file), "landmarks": points.double(), "modality": modality}
        for step in self._steps:
            sample = step(sample)
        return sample["image"].as_tensor(), sample["landmarks"].double()
