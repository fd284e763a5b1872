"""What a model finds in one image: what ``predict`` gives and every writer of landmarks takes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_names, landmark_set
from monai_degia.errors import UserError
from monai_degia.io.files import printable
from monai_degia.io.suffixes import PICTURE_SUFFIXES
from monai_degia.metrics.errors import hand_size
from monai_degia.reading.picture import Picture, picture_of
from monai_degia.reading.preprocessing import LandmarkPreprocessing
from monai_degia.reading.upright import is_mirrored

__all__ = ["LandmarkPrediction", "Point", "landmark_prediction", "original_points", "relative_name"]

Point = tuple[float, ...]


@dataclass(frozen=True)
class LandmarkPrediction:
    """Landmarks of one image file and what is known about them; nothing in it comes from a patient's attributes.

    Args:
        image: path of the file relative to the input folder, with forward slashes.
        file: the source file.
        output_name: path without ending, relative to the output folder, for files about this image alone.
        names: K names of the landmarks.
        points_px: K points (x, y) in pixels of the file, pixel centres at integers; (x, y, z) in a volume.
        size_px: (X, Y) of the file in pixels, (X, Y, Z) of a volume.
        spacing_mm: length of a pixel along each axis in mm, None if unknown.
        spacing_source: where the spacing comes from, such as ``PixelSpacing``; empty if unknown.
        affine: 4 x 4 rows of the file's own map from pixel index (x, y, 0), or (x, y, z), to RAS in mm, whichever plane
            that is; None for files without one.
        confidence: K numbers in [0, 1], None if the model gives none, or withholds it.
        radius_px: K radii in pixels of the file, each of a disc about the landmark that should hold nine of ten true
            places; None if the model gives none, or withholds them.
        withheld: the image lies beyond all that confidence and radius were fitted on, so neither is told.
        disagreement: K distances between the predictions for neighbouring copies of the image, as fractions of the
            hand size, None if no copies were made. It ranks images where there is no calibration.
        domain_shift: distance of the image from the training domain, None if not computed.
        mirrored: whether the network saw the image mirrored.
        thumb_side: ``left`` or ``right``, where the header of a hand radiograph tells it for certain; else empty.
        thumb_side_source: the attributes that tell it, or why they do not; empty if they say nothing of it.
        sop_instance_uid: of a DICOM file, else empty.
        model_version: name and version of the model.
        modality: ``photo``, ``depth`` or ``xray``.
        picture: the file to look at, if whoever read it kept one.
        skeleton: pairs of places among the names, a line of a picture each.

    Raises:
        ValueError: if a length does not fit the names, or a number is not finite or out of range.

    """

    image: str
    file: Path
    output_name: str
    names: tuple[str, ...]
    points_px: tuple[Point, ...]
    size_px: tuple[int, ...]
    spacing_mm: Point | None = None
    spacing_source: str = ""
    affine: tuple[tuple[float, ...], ...] | None = None
    confidence: tuple[float, ...] | None = None
    radius_px: tuple[float, ...] | None = None
    withheld: bool = False
    disagreement: tuple[float, ...] | None = None
    domain_shift: float | None = None
    mirrored: bool = False
    thumb_side: str = ""
    thumb_side_source: str = ""
    sop_instance_uid: str = ""
    model_version: str = ""
    modality: str = "photo"
    picture: Picture | None = None
    skeleton: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if len(self.points_px) != len(self.names):
            raise UserError(f"{self.image}: {len(self.points_px)} landmarks for {len(self.names)} names.")
        if not all(math.isfinite(value) for point in self.points_px for value in point):
            raise UserError(f"{self.image}: landmarks must be finite, but some are NaN or infinite.")
        dims = len(self.size_px)
        if dims not in (2, 3) or {len(point) for point in (*self.points_px, self.spacing_mm or self.size_px)} != {dims}:
            raise UserError(
                f"{self.image}: points, spacing and size must all be of two axes, or three, got {self.points_px[:1]}, "
                f"{self.spacing_mm} and {self.size_px}."
            )
        if self.spacing_mm is not None and not all(0 < side < math.inf for side in self.spacing_mm):
            raise UserError(f"{self.image}: spacing_mm must be positive, got {self.spacing_mm}. Pass None if unknown.")
        if self.confidence is not None and (
            len(self.confidence) != len(self.names) or not all(0 <= value <= 1 for value in self.confidence)
        ):
            raise UserError(
                f"{self.image}: confidence must be {len(self.names)} numbers in [0, 1], got {self.confidence}."
            )
        if self.radius_px is not None and (
            len(self.radius_px) != len(self.names) or not all(0 <= value < math.inf for value in self.radius_px)
        ):
            raise UserError(f"{self.image}: radius_px must be {len(self.names)} numbers >= 0, got {self.radius_px}.")
        if self.withheld and not (self.confidence is None and self.radius_px is None):
            raise UserError(f"{self.image}: confidence and radius are withheld, so pass None for both.")
        if self.domain_shift is not None and not math.isfinite(self.domain_shift):
            raise UserError(f"{self.image}: domain_shift must be finite, got {self.domain_shift}.")

    @property
    def points_mm(self) -> tuple[Point, ...] | None:
        """K points in mm along the axes from the centre of the first pixel; None where the spacing is unknown."""
        if self.spacing_mm is None:
            return None
        steps = self.spacing_mm
        return tuple(tuple(x * step for x, step in zip(point, steps, strict=True)) for point in self.points_px)

    @property
    def radius_mm(self) -> tuple[float, ...] | None:
        """K radii in mm, by the longest side of a pixel; None where the spacing or the radius is unknown."""
        if self.spacing_mm is None or self.radius_px is None:
            return None
        return tuple(max(self.spacing_mm) * radius for radius in self.radius_px)

    @property
    def landmark_outside(self) -> tuple[bool, ...]:
        """For each landmark, whether it lies beyond the edge of the image."""
        sides = self.size_px
        return tuple(
            not all(-0.5 <= x <= side - 0.5 for x, side in zip(point, sides, strict=True)) for point in self.points_px
        )

    @property
    def outside(self) -> bool:
        """Whether any landmark lies beyond the edge of the image."""
        return any(self.landmark_outside)

    @property
    def image_confidence(self) -> float | None:
        """Mean confidence of the landmarks, in [0, 1]."""
        return None if self.confidence is None else math.fsum(self.confidence) / len(self.confidence)


def original_points(prediction: Tensor, image: MetaTensor, landmarks: Landmarks, label: str) -> tuple[Point, ...]:
    """Carry the network's landmarks to pixels of the file.

    Args:
        prediction: normalised landmarks (K, n).
        image: the network's image (C, X, Y) or volume (C, X, Y, Z), tracked.
        landmarks: the K landmarks, see :func:`monai_degia.landmark_set`.
        label: what to call the image in a message.

    Returns:
        K points, pixels of the file.

    Raises:
        ValueError: if the prediction has another number of landmarks, or is not finite.

    """
    names = landmark_names(landmarks)
    if prediction.shape != (len(names), image.ndim - 1):
        raise UserError(
            f"The network gives predictions of shape {tuple(prediction.shape)}, {len(names)} landmarks are named for "
            f"an image of {image.ndim - 1} dimensions: use the landmarks that it was trained on."
        )
    if not torch.isfinite(prediction).all():
        raise UserError(f"The prediction for {label} is not finite: the weights are of no use. Train anew.")
    points = LandmarkPreprocessing.to_file(prediction, image, landmarks)
    return tuple(tuple(point) for point in points.tolist())


def relative_name(file: str | Path, folder: str | Path | None) -> str:
    """Name of a file relative to a folder, with forward slashes; its last part alone if there is no folder."""
    return printable(Path(file).name if folder is None else Path(os.path.relpath(file, folder)).as_posix())


def landmark_prediction(
    image: MetaTensor,
    given: Mapping[str, Any],
    found: Mapping[str, Any],
    landmarks: Landmarks,
    image_dir: str | Path | None = None,
    output_name: str | None = None,
    model_version: str = "",
    modality: str = "photo",
) -> LandmarkPrediction:
    """Put together what is known of an image and what was found in it.

    Args:
        image: the network's picture (C, X, Y) or volume (C, X, Y, Z) with the meta data of
            :class:`monai_degia.FileGeometryd`.
        given: further fields of the sample: ``spacing`` of the file in mm if the meta data do not have it, and
            optionally ``spacing_source``, ``sop_instance_uid``, ``modality``, ``picture`` and ``picture_affine``.
        found: normalised landmarks ``pred`` (K, n), and optionally ``confidence`` (K,) and ``radius`` (K,), a fraction
            of the size of the hand that was found, both NaN where they are withheld; ``disagreement`` (K,),
            ``domain_shift`` and ``mirrored``.
        landmarks: the K landmarks, see :func:`monai_degia.landmark_set`.
        image_dir: folder that the image's name is relative to; None takes the last part.
        output_name: of files about this image; default: its name.
        model_version: name and version of the model.
        modality: where the sample does not say.

    Returns:
        The prediction, in pixels of the file.

    Raises:
        ValueError: if the prediction has another number of landmarks, or is not finite.

    """
    meta = image.meta
    file = meta["filename_or_obj"]
    name = relative_name(file, image_dir)
    spacing = torch.as_tensor(meta.get("file_spacing", given.get("spacing", torch.nan))).double()
    known = bool(torch.isfinite(spacing).all())
    points = original_points(found["pred"], image, landmarks, name)
    confidence, radius, disagreement = (_numbers(found.get(key)) for key in ("confidence", "radius", "disagreement"))
    withheld = confidence is not None and all(math.isnan(value) for value in confidence)
    shift = found.get("domain_shift")
    return LandmarkPrediction(
        image=name,
        file=Path(file),
        output_name=name if output_name is None else output_name,
        names=landmark_names(landmarks),
        points_px=points,
        size_px=tuple(int(side) for side in meta["spatial_shape"]),
        spacing_mm=tuple(map(float, spacing)) if known else None,
        spacing_source=_text("spacing_source", given, meta) if known else "",
        affine=None if str(file).lower().endswith(PICTURE_SUFFIXES) else _rows(meta["file_affine"]),
        confidence=None if withheld else confidence,
        radius_px=None if withheld or radius is None else _of_hand(radius, points, meta["spatial_shape"]),
        withheld=withheld,
        disagreement=disagreement,
        domain_shift=None if shift is None else float(shift),
        mirrored=is_mirrored(image) != bool(found.get("mirrored", False)),
        thumb_side=_text("thumb_side", {}, meta),
        thumb_side_source=_text("thumb_side_source", {}, meta),
        sop_instance_uid=_text("sop_instance_uid", given, meta),
        model_version=model_version,
        modality=_text("modality", given, meta) or modality,
        picture=picture_of(given),
        skeleton=tuple(landmark_set(landmarks).skeleton),
    )


def _numbers(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(torch.as_tensor(values).double().tolist())


def _of_hand(fractions: Sequence[float], points: Sequence[Point], sides: Sequence[int]) -> tuple[float, ...]:
    # One landmark has no size of its own.
    size = float(hand_size(torch.tensor([points], dtype=torch.float64))) if len(points) > 1 else float(max(sides))
    return tuple(fraction * size for fraction in fractions)


def _text(key: str, given: Mapping[str, Any], meta: Mapping[Any, Any]) -> str:
    return str(given.get(key) or meta.get(key) or "")


def _rows(affine: Any) -> tuple[tuple[float, ...], ...]:
    matrix = torch.as_tensor(affine, dtype=torch.float64)
    return tuple(tuple(float(value) for value in row) for row in matrix)
