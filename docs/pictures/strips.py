"""Strips of small pictures with a title under each, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

SIDE, GAP, LINE = 112, 6, 16
#: Grey that is legible on white and on black.
INK = (128, 128, 128, 255)
POINT = (255, 106, 61, 255)
#: A palette keeps a strip of seven below 40 kB.
COLOURS = 96

Tile = tuple[str, Tensor, Tensor | None]


def save_strip(path: Path, rows: Sequence[Sequence[Tile]]) -> None:
    """Write rows of tiles as one PNG with a transparent ground.

    Args:
        path: where to.
        rows: of (title, image (C, X, Y) in [0, 1], landmarks (K, 2) in its pixels or None).

    """
    width = max(len(row) for row in rows) * (SIDE + GAP) - GAP
    strip = Image.new("RGBA", (width, len(rows) * (SIDE + LINE + GAP) - GAP))
    for y, row in enumerate(rows):
        for x, (title, image, points) in enumerate(row):
            corner = (x * (SIDE + GAP), y * (SIDE + LINE + GAP))
            strip.paste(_tile(image, points), corner)
            place = (corner[0] + SIDE // 2, corner[1] + SIDE + 2)
            ImageDraw.Draw(strip).text(place, title, fill=INK, anchor="ma", font=ImageFont.load_default(11))
    path.parent.mkdir(parents=True, exist_ok=True)
    strip.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)


def _tile(image: Tensor, points: Tensor | None) -> Image.Image:
    levels = (255 * image.clamp(0, 1)).round().byte().permute(2, 1, 0).numpy()
    picture = Image.fromarray(levels.squeeze(2) if levels.shape[2] == 1 else levels).convert("RGBA")
    scale = SIDE / max(picture.size)
    size = [max(1, round(scale * side)) for side in picture.size]
    tile = Image.new("RGBA", (SIDE, SIDE))
    shift = [(SIDE - side) // 2 for side in size]
    tile.paste(picture.resize((size[0], size[1]), Image.Resampling.BICUBIC), (shift[0], shift[1]))
    for x, y in [] if points is None else np.asarray(points, dtype=float):
        # Pixel centres are at integers; those beyond the tile are left out by Pillow itself.
        u, v = scale * (x + 0.5) + shift[0], scale * (y + 0.5) + shift[1]
        ImageDraw.Draw(tile).ellipse((u - 1.5, v - 1.5, u + 1.5, v + 1.5), fill=POINT)
    return tile
