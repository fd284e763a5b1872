"""IDX, the format in which MNIST is published."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from monai_degia.data.digits.images import DigitImages, digit_images
from monai_degia.errors import UserError

__all__ = ["find_idx", "is_idx", "read_idx"]

_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}
_FOLDERS = ("", "raw", "MNIST/raw")  # the last two are where torchvision unpacks
_KINDS = {2051: "images", 2049: "labels"}
_GZIP = b"\x1f\x8b"


def find_idx(folder: Path, split: str) -> Path | None:
    """The image file of a split in a folder of MNIST, ``None`` if there is none."""
    for inner in _FOLDERS:
        for prefix in _PREFIXES[split]:
            for name in (f"{prefix}-images-idx3-ubyte", f"{prefix}-images.idx3-ubyte"):
                for file in (folder / inner / name, folder / inner / f"{name}.gz"):
                    if file.is_file():
                        return file
    return None


def is_idx(path: Path) -> bool:
    """Whether a file is an IDX file of bytes, or gzip, judged by how it begins."""
    with path.open("rb") as file:
        start = file.read(3)
    return start == b"\0\0\x08" or start[:2] == _GZIP


def read_idx(image_file: Path) -> DigitImages:
    """Read an IDX file of images and the file of labels beside it, each plain or gzip.

    Args:
        image_file: such as ``t10k-images-idx3-ubyte.gz``. Its labels are looked for under the same name with
            ``labels`` and ``idx1``.

    Returns:
        Grey images and labels.

    Raises:
        ValueError: if a file is missing, damaged, of the other kind, or the two do not fit.

    """
    return digit_images(_read(image_file, 2051), _read(_label_file(image_file), 2049), str(image_file))


def _label_file(image_file: Path) -> Path:
    plain = image_file.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    if "images" not in image_file.name:
        raise UserError(
            f"{image_file} has no 'images' in its name, so its labels cannot be found. Point at the file of images, "
            "such as t10k-images-idx3-ubyte, or at its folder."
        )
    for name in (plain, f"{plain}.gz"):
        if (image_file.parent / name).is_file():
            return image_file.parent / name
    raise UserError(f"There is no label file {plain} or {plain}.gz beside {image_file}. Put it there.")


def _read(path: Path, magic: int) -> np.ndarray:
    content = _content(path)
    # The last byte of the magic number is the number of axes, whose lengths follow.
    header = 4 + 4 * (magic & 0xFF)
    found = int.from_bytes(content[:4], "big")
    if found != magic:
        kind = _KINDS.get(found, "of another format")
        raise UserError(
            f"{path} is no IDX file of {_KINDS[magic]}: its magic number is {found} ({kind}), expected {magic}. "
            "Point at the file of images, with that of labels beside it."
        )
    if len(content) < header:
        raise UserError(f"{path} is truncated: it ends within its header, after {len(content)} bytes. Fetch it again.")
    shape = np.frombuffer(content, ">u4", magic & 0xFF, offset=4).tolist()
    if len(content) != header + math.prod(shape):
        raise UserError(
            f"{path} is truncated or damaged: its header promises {header + math.prod(shape)} bytes for shape "
            f"{tuple(shape)}, it has {len(content)}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if content.startswith(_GZIP) else content
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged: gzip says {error}. Fetch it again.") from error
    if not content:
        raise UserError(f"{path} is empty. Fetch it again.")
    return content
