"""MNIST-M made from MNIST and photographs, as its authors made what they published."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.keeping import kept_digits
from monai_degia.errors import UserError, did_you_mean

__all__ = ["make_mnist_m"]

_SIDE = 28
_PADDING = 2
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
_VERSION = 2  # to be raised whenever the same arguments would give other images


def make_mnist_m(
    digits: DigitImages,
    background_dir: str | PathLike[str],
    seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
    recipe: str = "published",
) -> DigitImages:
    """Blend each digit with a random patch of a random photograph: ``|patch - digit|`` in each colour channel.

    So Ganin and Lempitsky (arXiv 1409.7495) describe it, who took the photographs of BSDS500. What they published was
    looked at: the 9,001 test pictures, of 32 x 32, against the first 9,001 test digits of MNIST, with which their
    labels agree one for one. Where the background is dark the digit can be read back, and it is binary: **every pixel
    above 0 counts as 255**, so strokes are thicker than MNIST's and jagged; around the digit of 28 x 28 lie two pixels
    of background on each side. ``published`` is this. ``grey``, which the description suggests and many programs do,
    keeps the digit's grey levels and its size; networks find it much easier, so figures on the two do not compare.

    What digit i gets depends on the seed, i and the photographs alone, so the first digits of a longer set come out the
    same.

    Args:
        digits: grey images (N, 28, 28).
        background_dir: folder of photographs, each at least as wide and high as a picture; sub-folders are left alone.
        seed: seed of the choice of photographs and patches, at least 0.
        cache_dir: folder to keep the result in. It is used again only for the same digits, recipe and seed, and
            photographs of the same names and sizes in bytes.
        recipe: ``published`` or ``grey``.

    Returns:
        RGB images (N, 32, 32, 3), or (N, 28, 28, 3) of ``grey``, and the labels of ``digits``.

    Raises:
        ValueError: if the digits are of another shape, the recipe is unknown, or there are no photographs, or one is
            too small or unreadable.

    """
    if recipe not in RECIPES:
        raise UserError(f"Unknown recipe {recipe!r}.{did_you_mean(recipe, RECIPES)} Available: {', '.join(RECIPES)}.")
    if digits.images.shape[1:] != (_SIDE, _SIDE):
        raise UserError(f"make_mnist_m needs grey digits (N, 28, 28), got {digits.images.shape}. Pass those of MNIST.")
    if seed < 0:
        raise UserError(f"seed must be at least 0, got {seed}.")
    drawn = RECIPES[recipe](digits.images)
    photos = _photos(Path(background_dir).expanduser(), drawn.shape[1])
    known = [_VERSION, recipe, seed, [(photo.name, photo.stat().st_size) for photo in photos]]
    return kept_digits("mnist_m", known, digits, lambda: _blend(drawn, digits.labels, photos, seed), cache_dir)


def _published(images: np.ndarray) -> np.ndarray:
    padding = ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING))
    return np.pad(np.where(images > 0, 255, 0).astype(np.uint8), padding)


def _grey(images: np.ndarray) -> np.ndarray:
    return images


#: What is blended with the patch, from digits (N, 28, 28), by the name of the recipe.
RECIPES = {"published": _published, "grey": _grey}


def _photos(folder: Path, side: int) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"background_dir {folder} is not a folder. Pass a folder of photographs.")
    photos = sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
    if not photos:
        raise UserError(
            f"background_dir {folder} holds no image ({', '.join(_SUFFIXES)}); sub-folders are not searched."
        )
    for photo in photos:
        try:
            with Image.open(photo) as header:
                width, height = header.size
        except Exception as error:  # decoders raise whatever a damaged file leads them to
            raise UserError(f"Cannot read background {photo} ({type(error).__name__}: {error}). Remove it.") from error
        if min(width, height) < side:
            raise UserError(
                f"Background {photo} has {width} x {height} pixels, at least {side} x {side} are needed. Remove it."
            )
    return photos


def _blend(drawn: np.ndarray, labels: np.ndarray, photos: list[Path], seed: int) -> DigitImages:
    # One row a digit, so that row i does not depend on how many follow.
    photo, top, left = np.random.default_rng(seed).random((len(drawn), 3)).T
    chosen, side = (photo * len(photos)).astype(np.int64), drawn.shape[1]
    images = np.empty((*drawn.shape, 3), dtype=np.uint8)
    for number in np.unique(chosen):
        scene = _pixels(photos[number])
        rows, columns = scene.shape[0] - side + 1, scene.shape[1] - side + 1
        for i in np.flatnonzero(chosen == number):
            y, x = int(top[i] * rows), int(left[i] * columns)
            images[i] = np.abs(scene[y : y + side, x : x + side] - drawn[i, :, :, None].astype(np.int16))
    return DigitImages(images, labels.copy())


def _pixels(photo: Path) -> np.ndarray:
    try:
        with Image.open(photo) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # a header may be sound and the pixels not
        raise UserError(f"Cannot read background {photo} ({type(error).__name__}: {error}). Remove it.") from error
