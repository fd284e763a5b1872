"""The fifteen corruptions of MNIST-C (Mu and Gilmer, arXiv 1906.02337), written from their definitions.

The paper names them; their strengths are those that its authors' program takes for the published set. Each is a map of
a grey digit (28, 28) with values in [0, 1] and a generator of random numbers to a digit of the same kind. Random
numbers come in another order than in that program, so that the images are others of the same distribution.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy import ndimage

__all__ = ["CORRUPTIONS"]

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]

_SIDE = 28


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, sigma, mode="nearest")


def _warp(image: np.ndarray, matrix: np.ndarray, move: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Fetch each pixel p from matrix (p - c) + c + move, bilinear, black beyond the edge; row, then column."""
    centre = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre + np.array(move), order=1)


def _shot_noise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Counts of a sensor that white gives 3 on average."""
    return generator.poisson(3 * image) / 3


def _impulse_noise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """17 % of the pixels are black or white, half of them each."""
    hit, white = generator.random(image.shape) < 0.17, generator.random(image.shape) < 0.5
    return np.where(hit, white, image)


def _glass_blur(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Twice over, half of the pixels change places with one at most a pixel up and left; blurred before and after."""
    out = _blur(image, 0.7)
    swap = generator.random((2, _SIDE, _SIDE)) < 0.5
    moves = generator.integers(-1, 1, (2, _SIDE, _SIDE, 2))
    for chosen, steps in zip(swap, moves, strict=True):
        for row in range(_SIDE - 1, 1, -1):
            for column in range(_SIDE - 1, 1, -1):
                if chosen[row, column]:
                    other = row + steps[row, column, 0], column + steps[row, column, 1]
                    out[row, column], out[other] = out[other], out[row, column]
    return _blur(out, 0.7)


def _motion_blur(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A trail to one side along a line of up to 45 degrees, its weights half a Gaussian of 3 pixels."""
    angle = np.deg2rad(generator.uniform(-45, 45))
    steps = np.arange(21)
    weights = np.exp(-(steps**2) / (2 * 3**2))
    rows, columns = (20 + np.ceil(steps * part - 0.5).astype(int) for part in (np.sin(angle), np.cos(angle)))
    padded = np.pad(image, 20, mode="edge")
    moved = [padded[row : row + _SIDE, column : column + _SIDE] for row, column in zip(rows, columns, strict=True)]
    return np.average(moved, axis=0, weights=weights)


def _shear(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """By 0.4 rad to either side: columns move by the sine with the row, rows shrink by the cosine."""
    angle = 0.4 * generator.choice([-1, 1])
    return _warp(image, np.array([[np.cos(angle), 0], [-np.sin(angle), 1]]))


def _scale(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """To 0.7 of its size."""
    return _warp(image, np.eye(2) / 0.7)


def _rotate(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """By 0.4 rad to either side."""
    angle = 0.4 * generator.choice([-1, 1])
    return _warp(image, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def _brightness(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Half of white is added."""
    return image + 0.5


def _translate(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """By 3 pixels along both axes, each to either side."""
    row, column = 3 * generator.choice([-1, 1], 2)
    return _warp(image, np.eye(2), (row, column))


def _stripe(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The outer quarters of the columns are inverted."""
    column = np.arange(_SIDE)
    return np.where((column < 7) | (column >= 21), 1 - image, image)


def _fog(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Three times a plasma fractal is added, and the whole brought back to the digit's range."""
    foggy, white = image + 3 * _plasma(generator, 256, 1.4)[:_SIDE, :_SIDE], image.max()
    return foggy * white / (white + 3)


def _plasma(generator: np.random.Generator, side: int, decay: float) -> np.ndarray:
    """A height map in [0, 1] with periodic borders by the diamond-square algorithm (Fournier et al., 1982)."""
    heights, step, wobble = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        centres = _wobbled(pairs + np.roll(pairs, -1, 1), wobble, generator)
        heights[half::step, half::step] = centres
        above = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        left = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[::step, half::step] = _wobbled(above, wobble, generator)
        heights[half::step, ::step] = _wobbled(left, wobble, generator)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return heights / heights.max()


def _wobbled(four: np.ndarray, wobble: float, generator: np.random.Generator) -> np.ndarray:
    return four / 4 + wobble * generator.uniform(-wobble, wobble, four.shape)


def _spatter(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Drops of a quarter grey where smoothed noise is high."""
    liquid = _blur(generator.normal(0.65, 0.3, image.shape), 1)
    drops = _blur((liquid > 0.65).astype(float), 1.5)
    drops = np.where(drops < 0.8, 0, drops)
    return image * (1 - drops) + 63 / 255 * drops


def _line(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """A bright line between two points (column, row): 1 + log(1 - d / 2.3) at d pixels above or below it."""
    if start[0] == end[0]:
        return np.zeros((_SIDE, _SIDE))
    column, row = np.arange(_SIDE), np.arange(_SIDE)[:, None]
    slope = (end[1] - start[1]) / (end[0] - start[0])
    distance = np.abs(row - (start[1] + slope * (column - start[0])))
    bright = np.clip(1 + np.log(1 - np.minimum(distance, 2.3 - 1e-10) / 2.3), 0, 1)
    return bright * ((column >= np.floor(start[0])) & (column < np.ceil(end[0])))


def _dotted_line(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A line from edge to edge, of which every other two columns are left out."""
    first, last = generator.integers(0, 27, 2)
    return image + _line((0, first), (27, last)) * (np.arange(_SIDE) % 4 >= 2)


def _zigzag(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A zigzag of strokes 2 wide and 2 high along a line; the digit becomes binary, unlike in the published program."""
    left, right, size = 2, 25, 2.0
    first = int(generator.integers(0, 27))
    rise = int(generator.integers(-5, 5))
    angle = np.arctan(rise / (right - left))
    length = (right - left) / np.cos(angle)
    turns = int((length - size) // (2 * size)) + 1
    points = [(0.0, 0.0), *(((2 * i + 1) * size, (-1) ** i * size) for i in range(turns))]
    rest = length - 2 * size * (length // (2 * size))
    if rest:
        points.append((length, points[-1][1] / (2 * rest)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = [turn @ point + (left, first) for point in np.array(points)]
    out = (image > 0).astype(float)
    for start, end in itertools.pairwise(corners):
        out = np.clip(out + _line(tuple(start), tuple(end)), 0, 1)
    return out


def _canny_edges(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Edges of one pixel by Canny's method, with a blur of 1 and thresholds of 0.1 and 0.2 on Sobel's gradient."""
    import SimpleITK as sitk  # here: whoever imports the package needs none of it

    # Sobel's sums are eight times the slope that ITK compares.
    edges = sitk.CannyEdgeDetection(sitk.GetImageFromArray(image), 0.1 / 8, 0.2 / 8, [1.0, 1.0])
    return sitk.GetArrayFromImage(edges).astype(float)


#: By their names in the published set. Values that leave [0, 1] are clipped by who calls.
CORRUPTIONS: dict[str, Corruption] = {
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "shear": _shear,
    "scale": _scale,
    "rotate": _rotate,
    "brightness": _brightness,
    "translate": _translate,
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted_line": _dotted_line,
    "zigzag": _zigzag,
    "canny_edges": _canny_edges,
}
