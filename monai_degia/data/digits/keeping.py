"""Made sets of digits kept in files: made once for the same digits and the same recipe."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.errors import UserError
from monai_degia.io.files import whole_file

__all__ = ["kept_digits"]

_logger = logging.getLogger(__name__)


def kept_digits(
    name: str,
    recipe: list[Any],
    digits: DigitImages,
    make: Callable[[], DigitImages],
    cache_dir: str | PathLike[str] | None,
) -> DigitImages:
    """A made set from its file if there is one of the same recipe and digits, else made and kept.

    Args:
        name: of the set; the file's name begins with it.
        recipe: everything but the digits that decides the result, as JSON takes it.
        digits: what the set is made from.
        make: makes it.
        cache_dir: folder of the files; ``None`` keeps nothing.

    Raises:
        ValueError: if ``cache_dir`` is a file.

    """
    if cache_dir is None:
        return make()
    folder = Path(cache_dir).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cache_dir {folder} is a file. Name a folder.")
    file = folder / f"{name}_{_fingerprint(recipe, digits)}.npz"
    if file.is_file():
        try:
            return read_digits(file)
        except ValueError as error:
            _logger.warning("%s is made again: %s", file, error)
    made = make()
    with whole_file(file) as partial:
        np.savez(partial, images=made.images, labels=made.labels)
    return made


def _fingerprint(recipe: list[Any], digits: DigitImages) -> str:
    digest = hashlib.sha256(json.dumps([*recipe, digits.images.shape]).encode())
    digest.update(np.ascontiguousarray(digits.images).tobytes())
    digest.update(digits.labels.tobytes())
    return digest.hexdigest()[:32]
