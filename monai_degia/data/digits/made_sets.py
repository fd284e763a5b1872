"""Other domains of digits made from MNIST by stated recipes: to be evaluated on, never trained on."""

from __future__ import annotations

from os import PathLike

import numpy as np

from monai_degia.data.digits.corruptions import CORRUPTIONS, Corruption
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.keeping import kept_digits
from monai_degia.data.digits.usps_like import usps_like
from monai_degia.errors import UserError, did_you_mean

__all__ = ["MADE_SETS", "make_digits"]

#: Name to the map that makes a digit of that domain. A name's place decides its random numbers: new ones go to the end.
MADE_SETS: dict[str, Corruption] = {"usps_like": usps_like, **CORRUPTIONS}
_VERSION = 1  # to be raised whenever the same arguments would give other images


def make_digits(
    digits: DigitImages, name: str, seed: int = 0, cache_dir: str | PathLike[str] | None = None, first: int = 0
) -> DigitImages:
    """Make one of the sets: USPS-like digits, or one of the fifteen corruptions of MNIST-C.

    What a digit becomes depends on the seed, its number and itself alone.

    Args:
        digits: grey images (N, 28, 28), bright on dark.
        name: one of ``MADE_SETS``.
        seed: seed of the recipe, at least 0.
        cache_dir: folder to keep the set in, to be used again for the same digits, name, seed and number.
        first: number of the first digit.

    Returns:
        Grey images, (N, 16, 16) of ``usps_like`` and (N, 28, 28) of the others, with the labels of ``digits``.

    Raises:
        ValueError: if the digits are of another shape, one of them is all black, or the name is unknown.

    """
    if name not in MADE_SETS:
        raise UserError(f"Unknown set {name!r}.{did_you_mean(name, MADE_SETS)} Available: {', '.join(MADE_SETS)}.")
    if digits.images.shape[1:] != (28, 28):
        raise UserError(f"make_digits needs grey digits (N, 28, 28), got {digits.images.shape}. Pass those of MNIST.")
    if seed < 0 or first < 0:
        raise UserError(f"seed and first must be at least 0, got {seed} and {first}.")
    if not (digits.images.reshape(len(digits), -1).max(1) > 25).all():
        raise UserError("make_digits needs a digit in every image, bright on dark; one of them is black.")

    def make() -> DigitImages:
        draws = [np.random.default_rng([seed, list(MADE_SETS).index(name), first + i]) for i in range(len(digits))]
        images = [MADE_SETS[name](image / 255, own) for image, own in zip(digits.images, draws, strict=True)]
        bytes_ = np.rint(np.clip(np.stack(images), 0, 1) * 255).astype(np.uint8)
        return DigitImages(bytes_, digits.labels.copy())

    return kept_digits(name, [_VERSION, name, seed, first], digits, make, cache_dir)
