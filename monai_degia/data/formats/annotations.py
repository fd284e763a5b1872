"""Landmarks of labelled images, whichever tool labelled them: what every reader gives and every writer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError, did_you_mean

__all__ = ["AnnotatedImage", "AnnotationSet"]


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """The landmarks of one image, as its file states them.

    Args:
        image: path of the image as written, with forward slashes.
        points: float64 (K, 2), pixels of the image file as it is stored: x to the right, y down, integers at pixel
            centres. (K, 3) in a volume: voxels along the axes of its array. NaN where there is no label.
        occluded: bool (K,), landmarks that are labelled and hidden; default: none.
        where: place in the file for messages, such as ``line 7`` or ``annotations[3]``.
        size: (width, height) of the image in pixels as the annotation file states it, with a depth in a volume; None
            if it does not.
        fields: what else the file says of the image (patient, split, spacing_mm, class, ...).
        problem: why it cannot be used; empty if it can.
        confidence: float64 (K,) in [0, 1] for what a model found; None for what a person labelled.
        aliases: other paths under which the image may be found, where the tool renames or moves it.

    Raises:
        ValueError: if the lengths differ.

    """

    image: str
    points: np.ndarray
    occluded: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    where: str = ""
    size: tuple[int, ...] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    confidence: np.ndarray | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        hidden = np.asarray(self.occluded, dtype=bool)
        hidden = hidden if len(hidden) else np.zeros(len(points), dtype=bool)
        sure = None if self.confidence is None else np.asarray(self.confidence, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] not in (2, 3) or len(hidden) != len(points):
            raise UserError(
                f"{self.image}: points must be (K, 2) or (K, 3) and occluded (K,), got {points.shape} and "
                f"{hidden.shape}."
            )
        if sure is not None and sure.shape != (len(points),):
            raise UserError(f"{self.image}: confidence must be {len(points)} numbers, got shape {sure.shape}.")
        for name, value in (("points", points), ("occluded", hidden), ("confidence", sure)):
            object.__setattr__(self, name, value)

    @property
    def spatial_dims(self) -> int:
        """2 in a flat image, 3 in a volume."""
        return int(self.points.shape[1])

    @property
    def labelled(self) -> np.ndarray:
        """Which landmarks have a label, bool (K,)."""
        return np.isfinite(self.points).all(axis=1)


@dataclass(frozen=True, eq=False)
class AnnotationSet:
    """All images of an annotation file.

    Args:
        names: K names of the landmarks.
        images: the images, in the order of the file, also those that have a ``problem``.
        bones: pairs of names that the file joins by a line, such as COCO's ``skeleton``.
        format: name of the format that it was read from.
        notes: what was left out, and how often; one sentence each.
        upright: whether the points are in pixels of the picture as the tool turns it, by its Exif orientation, and not
            of the file as it is stored; see :func:`monai_degia.data.formats.orientation.as_stored`. It makes no
            difference for pictures without that tag.

    """

    names: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]
    bones: tuple[tuple[str, str], ...] = ()
    format: str = ""
    notes: tuple[str, ...] = ()
    upright: bool = False

    def select(self, names: Sequence[str]) -> AnnotationSet:
        """The same images with some of the landmarks, or in another order.

        Args:
            names: the wanted landmarks.

        Returns:
            A set whose ``names`` are these; bones between others are left out.

        Raises:
            ValueError: if a name is not among those of the file.

        """
        missing = [name for name in names if name not in self.names]
        if missing:
            raise UserError(
                f"There is no landmark {listed(missing)} in this file.{did_you_mean(missing[0], self.names)} It has: "
                f"{listed(self.names, 30)}. Choose landmarks among them."
            )
        order = [self.names.index(name) for name in names]
        images = tuple(
            replace(
                image,
                points=image.points[order],
                occluded=image.occluded[order],
                confidence=None if image.confidence is None else image.confidence[order],
            )
            for image in self.images
        )
        bones = tuple(bone for bone in self.bones if set(bone) <= set(names))
        return replace(self, names=tuple(names), images=images, bones=bones)

    def moved(self, offset: float) -> AnnotationSet:
        """The same images with ``offset`` pixels added to all coordinates."""
        if not offset:
            return self
        return replace(self, images=tuple(replace(image, points=image.points + offset) for image in self.images))
