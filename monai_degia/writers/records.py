"""What one image yields: the record that every writer of landmarks takes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_degia.data.files import printable
from monai_degia.transforms.landmarks import denormalize_landmarks, landmarks_to_original
from monai_degia.transforms.picture import Picture

__all__ = ["LandmarkRecord", "Point", "is_mirrored", "original_points", "relative_name"]

Point = tuple[float, float]


@dataclass(frozen=True)
class LandmarkRecord:
    """Landmarks of one image file and what is known about them; nothing in it comes from a patient's attributes.

    Args:
        image: path of the file relative to the input folder, with forward slashes.
        file: the source file.
        output_name: path without ending, relative to the output folder, for files about this image alone.
        names: K names of the landmarks.
        points_px: K pairs (x, y) in pixels of the file, pixel centres at integers.
        size_px: (X, Y) of the file in pixels.
        spacing_mm: (x, y) of a pixel in mm, None if unknown.
        spacing_source: where the spacing comes from, such as ``PixelSpacing``; empty if unknown.
        affine: 4 x 4 rows of the file's own map from pixel index (x, y, 0) to RAS in mm, whichever plane that is; None
            for files without one.
        confidence: K numbers in [0, 1], None if the model gives none.
        domain_shift: distance of the image from the training domain, None if not computed.
        mirrored: whether the network saw the image mirrored.
        sop_instance_uid: of a DICOM file, else empty.
        model_version: name and version of the model.
        modality: ``photo``, ``depth`` or ``xray``.
        picture: the file to look at, if whoever read it kept one.

    Raises:
        ValueError: if a length does not fit the names, or a number is not finite or out of range.

    """

    image: str
    file: Path
    output_name: str
    names: tuple[str, ...]
    points_px: tuple[Point, ...]
    size_px: tuple[int, int]
    spacing_mm: Point | None = None
    spacing_source: str = ""
    affine: tuple[tuple[float, ...], ...] | None = None
    confidence: tuple[float, ...] | None = None
    domain_shift: float | None = None
    mirrored: bool = False
    sop_instance_uid: str = ""
    model_version: str = ""
    modality: str = "photo"
    picture: Picture | None = None

    def __post_init__(self) -> None:
        if len(self.points_px) != len(self.names):
            raise ValueError(f"{self.image}: {len(self.points_px)} landmarks for {len(self.names)} names.")
        if not all(math.isfinite(value) for point in self.points_px for value in point):
            raise ValueError(f"{self.image}: landmarks must be finite, but some are NaN or infinite.")
        if self.spacing_mm is not None and not all(0 < side < math.inf for side in self.spacing_mm):
            raise ValueError(f"{self.image}: spacing_mm must be positive, got {self.spacing_mm}. Pass None if unknown.")
        if self.confidence is not None and (
            len(self.confidence) != len(self.names) or not all(0 <= value <= 1 for value in self.confidence)
        ):
            raise ValueError(
                f"{self.image}: confidence must be {len(self.names)} numbers in [0, 1], got {self.confidence}."
            )
        if self.domain_shift is not None and not math.isfinite(self.domain_shift):
            raise ValueError(f"{self.image}: domain_shift must be finite, got {self.domain_shift}.")

    @property
    def points_mm(self) -> tuple[Point, ...] | None:
        """K pairs (x, y) in mm from the centre of the first pixel; None where the spacing is unknown."""
        if self.spacing_mm is None:
            return None
        width, height = self.spacing_mm
        return tuple((x * width, y * height) for x, y in self.points_px)

    @property
    def landmark_outside(self) -> tuple[bool, ...]:
        """For each landmark, whether it lies beyond the edge of the image."""
        width, height = self.size_px
        return tuple(not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5) for x, y in self.points_px)

    @property
    def outside(self) -> bool:
        """Whether any landmark lies beyond the edge of the image."""
        return any(self.landmark_outside)

    @property
    def image_confidence(self) -> float | None:
        """Mean confidence of the landmarks, in [0, 1]."""
        return None if self.confidence is None else math.fsum(self.confidence) / len(self.confidence)


def original_points(prediction: Tensor, image: MetaTensor, names: Sequence[str], label: str) -> tuple[Point, ...]:
    """Carry the network's landmarks to pixels of the file.

    Args:
        prediction: normalised landmarks (K, 2).
        image: the network's image (C, X, Y), tracked.
        names: K landmark names.
        label: what to call the image in a message.

    Returns:
        K pairs (x, y), pixels of the file.

    Raises:
        ValueError: if the prediction has another number of landmarks, or is not finite.

    """
    if prediction.shape != (len(names), 2):
        raise ValueError(
            f"The network gives predictions of shape {tuple(prediction.shape)}, {len(names)} landmarks are named: use "
            "the landmarks that it was trained on."
        )
    if not torch.isfinite(prediction).all():
        raise ValueError(f"The prediction for {label} is not finite: the weights are of no use. Train anew.")
    points = landmarks_to_original(denormalize_landmarks(prediction, image.shape[1:]), image, names)
    return tuple((float(x), float(y)) for x, y in points)


def is_mirrored(image: MetaTensor) -> bool:
    """Whether an odd number of flips lies between the file and the tracked image."""
    original = torch.as_tensor(image.meta["original_affine"], dtype=torch.float64)
    blocks = (image.affine.double()[:2, :2], original[:2, :2])
    return bool(math.prod(float(torch.linalg.det(block)) for block in blocks) < 0)


def relative_name(file: str | Path, folder: str | Path | None) -> str:
    """Name of a file relative to a folder, with forward slashes; its last part alone if there is no folder."""
    return printable(Path(file).name if folder is None else Path(os.path.relpath(file, folder)).as_posix())
