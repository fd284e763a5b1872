"""The files of the images that an annotation file names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage
from monai_degia.errors import UserError
from monai_degia.io.inside import is_there, lies_in
from monai_degia.io.tiff import tiff_size

__all__ = ["find_image", "paths_of_address", "size_of_picture", "stated_or_read_size"]


def find_image(image: AnnotatedImage, folders: Sequence[Path], outside: bool = False) -> Path | None:
    """The file of an image.

    Args:
        image: its path and aliases are tried in this order, each in all folders; an absolute path precedes a folder,
            and if it is of another machine, its last part is tried.
        folders: where to look.
        outside: whether a name may lead out of these folders: by an absolute path, ``..``, or a link.

    Returns:
        The first file that is there, None if none is.

    """
    absolute = image.image.startswith("/") or image.image[1:3] == ":/"
    for name in (image.image, *image.aliases, *([posixpath.basename(image.image)] if absolute else [])):
        for folder in folders:
            if name and is_there(folder / name) and (outside or lies_in(folder / name, folders)):
                return folder / name
    return None


def paths_of_address(address: str) -> list[str]:
    """Paths under which a picture may be found, from its address in Label Studio or on the web.

    ``/data/local-files/?d=`` gives the path below a storage; uploads lie flat under ``<8 hex digits>-<name>``; of any
    other address the path is kept, and its last part is tried too.

    Args:
        address: as a task or an export of it has it; a plain path is one too.

    Returns:
        Paths with forward slashes, the likeliest first.

    """
    address = address.strip().replace("\\", "/")
    try:
        parts = urlsplit(address)
    except ValueError:  # a bracket where the name of a host belongs
        return [address]
    local = parse_qs(parts.query).get("d") if parts.path.endswith("/data/local-files/") else None
    if local:
        path = local[0]
    elif "://" in address:
        path = unquote(parts.path).lstrip("/")
    elif address.startswith("/data/"):
        path = posixpath.basename(unquote(parts.path))
    else:
        path = address
    last = posixpath.basename(path)
    return list(dict.fromkeys([path, last, re.sub(r"^[0-9a-f]{8}-", "", last)]))


def size_of_picture(path: Path) -> tuple[int, int] | None:
    """(width, height) of a picture as it is stored, None if Pillow cannot tell."""
    try:
        with Image.open(path) as picture:
            return tiff_size(path) or picture.size
    except Exception:  # Pillow raises whatever a damaged header makes its parts raise
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
        raise UserError(
            f"{form} needs the size of {image.image}, which is not known{where}. Pass image_dir (on the command line: "
            "--images)."
        )
    return int(size[0]), int(size[1])
