"""Digits as arrays: one form for whatever a file holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_degia.errors import UserError

__all__ = ["DigitImages", "digit_images"]


@dataclass(frozen=True, eq=False)
class DigitImages:
    """Pictures of single digits and what they show.

    Attributes:
        images: uint8 array (N, H, W), grey, or (N, H, W, 3), RGB; rows from top to bottom, as in the file.
        labels: int64 array (N,), 0 to 9.

    Raises:
        TypeError: if an array is of another type.
        ValueError: if there is no image, or shapes, counts or labels do not fit.

    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.labels.dtype != np.int64:
            raise UserError(f"Need uint8 images and int64 labels, got {self.images.dtype} and {self.labels.dtype}.")
        shape = self.images.shape
        if len(shape) not in (3, 4) or shape[3:] not in ((), (3,)) or 0 in shape:
            raise UserError(f"Need at least one image, shape (N, H, W) or (N, H, W, 3), got {shape}.")
        if self.labels.shape != shape[:1]:
            raise UserError(
                f"Got {shape[0]} images and labels of shape {self.labels.shape}. Give each image one label."
            )
        if self.labels.min() < 0 or self.labels.max() > 9:
            raise UserError(f"Labels must be 0 to 9, got {self.labels.min()} to {self.labels.max()}.")

    def __len__(self) -> int:
        return len(self.images)


def digit_images(images: Any, labels: Any, where: str) -> DigitImages:
    """Bring arrays as they stand in published files to one form.

    Args:
        images: (N, H, W), (N, H, W, C), (N, C, H, W) with C 1 or 3, or (N, S * S), the rows of square grey images one
            after another. Integers in [0, 255]; or, if no value is above 1, fractions of white.
        labels: N integers of shape (N,), (N, 1) or (1, N), or one-hot rows (N, 10).
        where: file, and part of it, for messages.

    Returns:
        The same digits in the form of :class:`DigitImages`.

    Raises:
        ValueError: if the arrays are empty or of other shapes, differ in number, or hold other values.

    """
    pictures, targets = np.asarray(images), np.asarray(labels)
    for name, array in (("images", pictures), ("labels", targets)):
        if array.dtype.kind not in "biuf":
            raise UserError(f"{where}: the {name} are of type {array.dtype}, not numbers. Store them as plain arrays.")
    if 0 in pictures.shape or pictures.ndim < 2:
        raise UserError(f"{where} holds no images (shape {pictures.shape}). Check that the file is complete.")
    pictures = _arranged(pictures, where)
    return DigitImages(_eight_bit(pictures, where), _digit_labels(targets, len(pictures), where))


def _arranged(images: np.ndarray, where: str) -> np.ndarray:
    """Whatever order of axes to (N, H, W) or (N, H, W, 3)."""
    shape = images.shape
    if images.ndim == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
        return images.reshape(shape[0], math.isqrt(shape[1]), -1)
    if images.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        images = np.moveaxis(images, 1, 3)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3):
        return images
    raise UserError(
        f"{where}: images of shape {shape} are not known. Use (N, H, W), (N, H, W, 3), (N, 3, H, W) or rows (N, S * S) "
        "of square grey images."
    )


def _eight_bit(images: np.ndarray, where: str) -> np.ndarray:
    low, high = float(images.min()), float(images.max())  # NaN comes through both
    if not (low >= 0 and high <= 255):
        raise UserError(
            f"{where}: image values go from {low:g} to {high:g}. Store images in [0, 255], or as fractions in [0, 1]."
        )
    if high <= 1:
        images = images * np.float32(255)
    return np.ascontiguousarray(images if images.dtype == np.uint8 else np.rint(images).astype(np.uint8))


def _digit_labels(labels: np.ndarray, count: int, where: str) -> np.ndarray:
    if labels.shape == (count, 10) and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():
        return labels.argmax(axis=1).astype(np.int64)
    if labels.size != count:
        raise UserError(f"{where} holds {count} images but labels of shape {labels.shape}. Give each image one label.")
    flat = labels.reshape(-1)
    wrong = np.flatnonzero(~np.isin(flat, np.arange(10)))
    if len(wrong):
        raise UserError(
            f"{where}: {len(wrong)} of {count} labels are not digits 0 to 9, the first is {flat[wrong[0]]} of image "
            f"{wrong[0]}. Correct the labels."
        )
    return flat.astype(np.int64)
