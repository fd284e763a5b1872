"""What a photographed hand is in front of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from monai_degia.data.rendered.model import FloatArray

__all__ = ["any_background", "smooth_noise", "studio_background"]

_PHOTOGRAPHS = 0.5  # share of the grounds that are photographs, where a folder of them is named


def studio_background(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Return a plain, graded or textured background, (H, W, 3); two in three are light."""
    level = rng.uniform(0.65, 1.0) if rng.random() < 0.67 else rng.uniform(0.05, 0.65)
    image = np.ones((*shape, 3)) * (level + rng.normal(0, 0.03, 3))
    kind = rng.choice(["plain", "gradient", "texture"], p=[0.4, 0.35, 0.25])
    if kind == "gradient":
        ramp = _ramp(shape, rng)  # drawn first, as ever: the same seed gives the same files
        image += (rng.uniform(0.05, 0.2) * ramp)[..., None]
    elif kind == "texture":
        for scale in (0.02, 0.05, 0.15):
            tint = rng.normal(0, 0.02, 3) + rng.normal(0, 0.05)
            image += smooth_noise(shape, scale, rng)[..., None] * tint
    return image.clip(0, 1)


def any_background(shape: tuple[int, int], rng: np.random.Generator, photographs: Sequence[Path] = ()) -> FloatArray:
    """Return a wall, a table, cloth, a room full of things, or a part of one of the photographs, (H, W, 3).

    Args:
        shape: (H, W) in pixels.
        rng: source of the draws.
        photographs: files of which half of the backgrounds are cut.

    """
    if photographs and rng.random() < _PHOTOGRAPHS:
        return _part_of(photographs[int(rng.integers(len(photographs)))], shape, rng)
    image = np.ones((*shape, 3)) * (rng.uniform(0.0, 1.0) + rng.normal(0, 0.1, 3))
    image += (rng.normal(0.0, 0.15) * _ramp(shape, rng))[..., None]
    kind = rng.choice(["even", "grain", "stripes", "things"], p=[0.35, 0.25, 0.15, 0.25])
    if kind == "grain":
        for scale in (0.01, 0.03, 0.1, 0.3):
            image += smooth_noise(shape, scale, rng)[..., None] * (rng.normal(0, 0.03, 3) + rng.normal(0, 0.06))
    elif kind == "stripes":
        waves = np.sin(_ramp(shape, rng) * rng.uniform(4, 40) + rng.uniform(0, 2) * smooth_noise(shape, 0.2, rng))
        image += waves[..., None] * (rng.normal(0, 0.05, 3) + rng.normal(0, 0.08))
    elif kind == "things":
        _put_things(image, rng)
    return image.clip(0, 1)


def smooth_noise(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> FloatArray:
    """Return noise of unit variance whose blobs are about ``scale`` of the image side."""
    coarse = [max(4, round(0.5 / scale)) for _ in shape]
    noise = ndimage.zoom(rng.normal(0, 1, coarse), np.array(shape) / coarse, order=1, grid_mode=True, mode="nearest")
    return noise / max(float(noise.std()), 1e-6)


def _ramp(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle)


def _put_things(image: FloatArray, rng: np.random.Generator) -> None:
    """Put boxes and discs of any size and colour into the image, in place, as edges that are no hand's."""
    y, x = np.linspace(-1, 1, image.shape[0])[:, None], np.linspace(-1, 1, image.shape[1])
    for _ in range(rng.integers(2, 9)):
        angle, (cx, cy), (a, b) = rng.uniform(0, np.pi), rng.uniform(-1.1, 1.1, 2), rng.uniform(0.05, 0.8, 2)
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        inside = (np.abs(u) < a) & (np.abs(v) < b) if rng.random() < 0.6 else (u / a) ** 2 + (v / b) ** 2 < 1
        image[inside] = rng.uniform(0, 1) + rng.normal(0, 0.1, 3)


def _part_of(path: Path, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    photograph = _read(path)
    height, width = photograph.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    part = Image.fromarray(photograph[top : top + side, left : left + side])
    return np.asarray(part.resize((shape[1], shape[0]), Image.Resampling.BOX), float) / 255


@lru_cache(maxsize=64)
def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.thumbnail((512, 512))
        return np.asarray(image.convert("RGB"))
