"""MNIST-M made from MNIST and photographs, by the recipe of its authors."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.errors import UserError
from monai_degia.io.files import whole_file

__all__ = ["make_mnist_m"]

_SIDE = 28
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
_VERSION = 1  # to be raised whenever the same arguments would give other images


def make_mnist_m(
    digits: DigitImages,
    background_dir: str | PathLike[str],
    seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
) -> DigitImages:
    """Blend each digit with a random patch of a random photograph: ``|patch - digit|`` in each colour channel.

    The recipe is that of Ganin and Lempitsky (arXiv 1409.7495), who took the photographs of BSDS500. The digit keeps
    its grey levels. What digit i gets depends on the seed, i and the photographs alone, so the first digits of a
    longer set come out the same.

    Args:
        digits: grey images (N, 28, 28).
        background_dir: folder of photographs, each at least 28 pixels wide and high; sub-folders are left alone.
        seed: seed of the choice of photographs and patches, at least 0.
        cache_dir: folder to keep the result in. It is used again only for the same digits, the same seed and
            photographs of the same names and sizes in bytes.

    Returns:
        RGB images (N, 28, 28, 3) and the labels of ``digits``.

    Raises:
        ValueError: if the digits are of another shape, or there are no photographs, or one is too small or unreadable.

    """
    if digits.images.shape[1:] != (_SIDE, _SIDE):
        raise UserError(f"make_mnist_m needs grey digits (N, 28, 28), got {digits.images.shape}. Pass those of MNIST.")
    if seed < 0:
        raise UserError(f"seed must be at least 0, got {seed}.")
    photos = _photos(Path(background_dir).expanduser())
    if cache_dir is None:
        return _blend(digits, photos, seed)
    folder = Path(cache_dir).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cache_dir {folder} is a file. Name a folder.")
    file = folder / f"mnist_m_{_fingerprint(digits, photos, seed)}.npz"
    if file.is_file():
        try:
            return read_digits(file)
        except ValueError:
            pass  # damaged after it was written: it is made again
    made = _blend(digits, photos, seed)
    with whole_file(file) as partial:
        np.savez(partial, images=made.images, labels=made.labels)
    return made


def _photos(folder: Path) -> list[Path]:
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
        if min(width, height) < _SIDE:
            raise UserError(
                f"Background {photo} has {width} x {height} pixels, at least 28 x 28 are needed. Remove it."
            )
    return photos


def _fingerprint(digits: DigitImages, photos: list[Path], seed: int) -> str:
    known = [_VERSION, seed, digits.images.shape, [(photo.name, photo.stat().st_size) for photo in photos]]
    digest = hashlib.sha256(json.dumps(known).encode())
    digest.update(np.ascontiguousarray(digits.images).tobytes())
    digest.update(digits.labels.tobytes())
    return digest.hexdigest()[:32]


def _blend(digits: DigitImages, photos: list[Path], seed: int) -> DigitImages:
    # One row a digit, so that row i does not depend on how many follow.
    photo, top, left = np.random.default_rng(seed).random((len(digits), 3)).T
    chosen = (photo * len(photos)).astype(np.int64)
    images = np.empty((len(digits), _SIDE, _SIDE, 3), dtype=np.uint8)
    for number in np.unique(chosen):
        scene = _pixels(photos[number])
        rows, columns = scene.shape[0] - _SIDE + 1, scene.shape[1] - _SIDE + 1
        for i in np.flatnonzero(chosen == number):
            y, x = int(top[i] * rows), int(left[i] * columns)
            images[i] = np.abs(scene[y : y + _SIDE, x : x + _SIDE] - digits.images[i, :, :, None].astype(np.int16))
    return DigitImages(images, digits.labels.copy())


def _pixels(photo: Path) -> np.ndarray:
    try:
        with Image.open(photo) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # a header may be sound and the pixels not
        raise UserError(f"Cannot read background {photo} ({type(error).__name__}: {error}). Remove it.") from error
