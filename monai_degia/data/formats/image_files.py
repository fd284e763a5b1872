"""The files of the images that an annotation file names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage
from monai_degia.errors import UserError

__all__ = ["find_image", "size_of_picture", "stated_or_read_size"]


def find_image(image: AnnotatedImage, folders: Sequence[Path]) -> Path | None:
    """The file of an image.

    Args:
        image: its path and aliases are tried in this order, each in all folders; an absolute path goes before a folder.
        folders: where to look.

    Returns:
        The first file that is there, None if none is.

    """
    for name in (image.image, *image.aliases):
        for folder in folders:
            if name and (folder / name).is_file():
                return folder / name
    return None


def size_of_picture(path: Path) -> tuple[int, int] | None:
    """(width, height) of a picture as it is stored, None if Pillow cannot tell."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def stated_or_read_size(image: AnnotatedImage, folder: Path | None, form: str) -> tuple[int, int]:
    """The size that an image has by its annotation, or else by its file.

    Args:
        image: of any size.
        folder: of the images, None if not given.
        form: what needs it, for the message.

    Raises:
        ValueError: if neither tells.

    """
    file = None if image.size or folder is None else find_image(image, [folder])
    size = image.size or (size_of_picture(file) if file else None)
    if size is None:
        where = f" and {folder} has no such picture" if folder else ""
        raise UserError(f"{form} needs the size of {image.image}, which is not known{where}. Pass image_dir.")
    return size
