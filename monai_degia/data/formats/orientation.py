"""Points that were set on a photograph turned upright, in pixels of the file as it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

import numpy as np
from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.errors import UserError

__all__ = ["all_as_stored", "as_stored", "as_upright", "exif_orientation", "stored_points", "upright_points"]

_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


def exif_orientation(path: str | PathLike[str]) -> int:
    """The Exif orientation of a picture, 1 to 8; 1 where it has none, or is no picture that Pillow reads."""
    try:
        with Image.open(path) as picture:
            value = picture.getexif().get(_TAG, 1)
    except Exception:  # a damaged tag fails in as many ways as there are tags; the reader says what else is wrong
        return 1
    return value if value in range(1, 9) else 1


def stored_points(points: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Carry points from the upright view of a photograph to the pixels of its file.

    Exif 2.32, tag 0x0112: the value tells where the first row and column of the stored pixels lie in the upright view.

    Args:
        points: (K, 2) in the upright view, pixel centres at integers.
        size: (width, height) of the picture as it is stored.
        orientation: 1 to 8.

    Returns:
        (K, 2) in pixels of the file.

    """
    u, v = np.asarray(points, dtype=np.float64).T
    width, height = size
    x, y = (v, u) if orientation in _SIDEWAYS else (u, v)
    if orientation in (2, 3, 7, 8):
        x = width - 1 - x
    if orientation in (3, 4, 6, 7):
        y = height - 1 - y
    return np.stack([x, y], axis=1)


def upright_points(points: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Carry points of a file to the upright view of its photograph; undoes :func:`stored_points`.

    Args:
        points: (K, 2) in pixels of the file.
        size: (width, height) of the picture as it is stored.
        orientation: 1 to 8.

    Returns:
        (K, 2) in the upright view.

    """
    x, y = np.asarray(points, dtype=np.float64).T
    width, height = size
    if orientation in (2, 3, 7, 8):
        x = width - 1 - x
    if orientation in (3, 4, 6, 7):
        y = height - 1 - y
    return np.stack([y, x] if orientation in _SIDEWAYS else [x, y], axis=1)


def as_upright(image: AnnotatedImage, size: tuple[int, int], orientation: int) -> AnnotatedImage:
    """The same image with points, and the stated size, of the upright view; for tools that show that.

    Args:
        image: points in pixels of the file.
        size: (width, height) of the file as it is stored.
        orientation: of the file, from :func:`exif_orientation`.

    Returns:
        Points in the upright view.

    """
    shown = (size[1], size[0]) if orientation in _SIDEWAYS else size
    return replace(image, points=upright_points(image.points, size, orientation), size=shown)


def as_stored(image: AnnotatedImage, size: tuple[int, int], orientation: int) -> AnnotatedImage:
    """The same image with points in pixels of its file, for a set that is ``upright``.

    Args:
        image: points in the upright view.
        size: (width, height) of the file as it is stored.
        orientation: of the file, from :func:`exif_orientation`.

    Returns:
        Points, and the stated size, of the file. Where the size that is stated is that of the file and the upright view
        has another, the tool did not turn it, and the image is given back as it is.

    Raises:
        ValueError: if the orientation is not 1 to 8.

    """
    if orientation not in range(1, 9):
        raise UserError(f"An Exif orientation is 1 to 8, got {orientation}.")
    sideways = orientation in _SIDEWAYS
    if orientation == 1 or (sideways and image.size == size and size[0] != size[1]):
        return image
    stated = (image.size[1], image.size[0]) if sideways and image.size else image.size
    return replace(image, points=stored_points(image.points, size, orientation), size=stated)


def all_as_stored(
    annotations: AnnotationSet, sizes: Sequence[tuple[int, int] | None], orientations: Sequence[int]
) -> AnnotationSet:
    """The same set with points in pixels of the files; as it is if it is not ``upright``.

    Args:
        annotations: the set.
        sizes: (width, height) of each file as it is stored, None where unknown: such an image has no orientation.
        orientations: of each file.

    Returns:
        A set that is not ``upright``.

    Raises:
        ValueError: if the lengths differ, or an orientation is not 1 to 8.

    """
    if not annotations.upright:
        return annotations
    if not len(annotations.images) == len(sizes) == len(orientations):
        given = f"{len(sizes)} sizes and {len(orientations)} orientations"
        raise UserError(f"{given} do not fit {len(annotations.images)} images.")
    images = [
        image if size is None else as_stored(image, size, orientation)
        for image, size, orientation in zip(annotations.images, sizes, orientations, strict=True)
    ]
    return replace(annotations, images=tuple(images), upright=False)
