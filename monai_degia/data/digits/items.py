"""Lists of digits for the datasets of MONAI."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.made_sets import MADE_SETS, make_digits
from monai_degia.data.digits.mnist_m import make_mnist_m
from monai_degia.errors import UserError

__all__ = ["load_digits", "load_made_digits", "load_mnist_m_from"]


def load_digits(
    path: str | PathLike[str], split: str = "test", domain: str = "", count: int | None = None, start: int = 0
) -> list[dict[str, Any]]:
    """Read a set of digits as a list of samples.

    Args:
        path: file or folder, see :func:`monai_degia.data.digits.files.read_digits`.
        split: ``train`` or ``test``.
        domain: name of the domain; by default that of the folder.
        count: how many digits, in the order of the file; ``None`` takes all that follow ``start``.
        start: first digit.

    Returns:
        Samples with ``image`` (uint8 array (C, X, Y) in [0, 255], C is 1 or 3, a view of one array that all share),
        ``target`` and ``class`` (the digit, an int), ``domain``, ``modality`` (always ``photo``) and ``name``, such
        as ``mnist/test/17``.

    Raises:
        ValueError: if the file cannot be read, or holds fewer digits.

    """
    if not domain:
        given = Path(path).expanduser().resolve()
        domain = given.name if given.is_dir() else given.parent.name
    name = f"{domain}/{split}"
    return _samples(_part(read_digits(path, split), name, count, start), name, domain, start)


def load_mnist_m_from(
    mnist: str | PathLike[str],
    background_dir: str | PathLike[str],
    split: str = "test",
    seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
    count: int | None = None,
    start: int = 0,
    recipe: str = "published",
) -> list[dict[str, Any]]:
    """Make MNIST-M from digits of MNIST and photographs, as a list of samples of the domain ``mnist_m``.

    Args:
        mnist: MNIST, see :func:`load_digits`.
        background_dir: folder of photographs, see :func:`monai_degia.data.digits.mnist_m.make_mnist_m`.
        split: ``train`` or ``test`` of MNIST.
        seed: seed of the recipe.
        cache_dir: folder to keep the images in; they are made of the whole split, whatever part is taken.
        count: see :func:`load_digits`.
        start: see :func:`load_digits`.
        recipe: ``published`` or ``grey``, see there.

    Returns:
        Samples as from :func:`load_digits`, with images (3, 32, 32), or (3, 28, 28) of ``grey``.

    Raises:
        ValueError: as :func:`load_digits` and ``make_mnist_m``.

    """
    made = make_mnist_m(read_digits(mnist, split), background_dir, seed, cache_dir, recipe)
    name = f"mnist_m/{split}"
    return _samples(_part(made, name, count, start), name, "mnist_m", start)


def load_made_digits(
    mnist: str | PathLike[str],
    sets: Sequence[str] = tuple(MADE_SETS),
    split: str = "test",
    seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
    count: int | None = None,
    start: int = 0,
) -> list[dict[str, Any]]:
    """Make other domains from digits of MNIST, as a list of samples, each of the domain that its set is called.

    Args:
        mnist: MNIST, see :func:`load_digits`.
        sets: names of :data:`monai_degia.data.digits.made_sets.MADE_SETS`: USPS-like digits and the corruptions of
            MNIST-C; default: all.
        split: ``train`` or ``test`` of MNIST.
        seed: seed of the recipes.
        cache_dir: folder to keep the images in, one file a set and part.
        count: digits of each set, see :func:`load_digits`.
        start: see :func:`load_digits`. What a digit looks like does not depend on the part that is taken.

    Returns:
        Samples as from :func:`load_digits`, of grey images, one set after the other.

    Raises:
        ValueError: as :func:`load_digits` and ``make_digits``.

    """
    part = _part(read_digits(mnist, split), f"{mnist}, {split}", count, start)
    samples = []
    for name in sets:
        samples += _samples(make_digits(part, name, seed, cache_dir, first=start), f"{name}/{split}", name, first=start)
    return samples


def _part(digits: DigitImages, name: str, count: int | None, start: int) -> DigitImages:
    stop = len(digits) if count is None else start + count
    if start < 0 or not start < stop <= len(digits):
        raise UserError(
            f"{name} has {len(digits)} digits, asked for count={count} from start={start}. Ask for at least one digit "
            "and no more than there are."
        )
    images = digits.images[start:stop]
    # A view would keep the whole set in memory.
    return DigitImages(images if len(images) == len(digits) else images.copy(), digits.labels[start:stop])


def _samples(part: DigitImages, name: str, domain: str, first: int) -> list[dict[str, Any]]:
    images = part.images
    channels = images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)
    return [
        {
            "image": image,
            "target": int(digit),
            "class": int(digit),
            "domain": domain,
            "modality": "photo",
            "name": f"{name}/{first + index}",
        }
        for index, (image, digit) in enumerate(zip(channels.swapaxes(2, 3), part.labels, strict=True))
    ]
