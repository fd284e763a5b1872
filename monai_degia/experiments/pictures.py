"""Pictures of several runs in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from monai_degia.data.files import whole_file

__all__ = ["side_by_side"]

HEADING = 36


def side_by_side(pictures: Mapping[str, Path], path: Path) -> Path:
    """Put pictures of equal layout next to each other, each under its name.

    Args:
        pictures: name to picture file.
        path: the file to write.

    Returns:
        ``path``.

    """
    images = {name: Image.open(file).convert("RGB") for name, file in pictures.items()}
    size = (sum(image.width for image in images.values()), HEADING + max(image.height for image in images.values()))
    canvas = Image.new("RGB", size, "white")
    draw, left = ImageDraw.Draw(canvas), 0
    for name, image in images.items():
        draw.text((left + image.width / 2, HEADING / 2), name, "black", ImageFont.load_default(24), anchor="mm")
        canvas.paste(image, (left, HEADING))
        left += image.width
    with whole_file(path) as partial:
        canvas.save(partial)
    return path
