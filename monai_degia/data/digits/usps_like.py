"""Digits as USPS has them: 16 x 16 pixels that the digit fills, thick grey strokes, slanted; made from MNIST."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

__all__ = ["usps_like"]

_SIDE = 16
_SHEAR = 0.25
#: The box of the digit is stretched towards the whole side by this share of what is missing, along each axis.
_STRETCH = 0.25


def usps_like(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Another post office's scan of a digit, by a recipe of ours; no picture of USPS is used.

    In order: a slant, evenly drawn up to 0.25 to either side; strokes grow by one pixel to each side along both axes,
    in a share of one half to one; the box about what is above a tenth of white is cut out, and brought to 16 x 16, with
    its longer side filling them and the other one stretched by a quarter of what it lacks, by the mean over areas.

    Args:
        image: grey digit (28, 28), bright on dark, values in [0, 1], not all 0.
        generator: source of the draws.

    Returns:
        Grey digit (16, 16), values in [0, 1].

    """
    shear, share = generator.uniform(-_SHEAR, _SHEAR), generator.uniform(0.5, 1.0)
    middle = (np.array(image.shape) - 1) / 2
    matrix = np.array([[1.0, 0.0], [shear, 1.0]])
    slanted = ndimage.affine_transform(image, matrix, middle - matrix @ middle, order=1)
    thick = (1 - share) * slanted + share * ndimage.grey_dilation(slanted, (3, 3))
    rows, columns = (np.flatnonzero((thick > 0.1).any(axis)) for axis in (1, 0))
    cut = thick[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(_SIDE * side / max(cut.shape))) for side in cut.shape)
    height, width = (round(side + _STRETCH * (_SIDE - side)) for side in (height, width))
    small = np.asarray(Image.fromarray(cut.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
    out = np.zeros((_SIDE, _SIDE))
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    out[top : top + height, left : left + width] = small
    return out
