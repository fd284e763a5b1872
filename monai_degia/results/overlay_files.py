"""One picture an image with its landmarks on it, to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from monai_degia.data.lists.landmark_sets import LandmarkSet, landmark_set
from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.results.overlay import draw_landmarks
from monai_degia.results.prediction import LandmarkPrediction
from monai_degia.results.upright_image import UprightImage

__all__ = ["OverlayWriter"]

_STRIP = 34  # pixels below the picture, for the caption
_FONT_SIZE = 18
_MARK_SIZE = 0.65  # the joint itself should be seen


class OverlayWriter:
    """Write ``<output_name>.overlay.png``: the image, upright and at a size to look at, its landmarks and bones.

    A landmark of low confidence, or whose confidence is withheld, is a ring instead of a dot, and a thin circle about
    each landmark should hold nine of ten true places. The caption below says so, and that this is for research only; no
    name of a file or a person is written, but what is burned into the pixels stays.

    Args:
        output_dir: folder of the files.
        long_side: longer side of the picture in pixels, without the caption. A very narrow image comes out larger.
        doubtful_below: confidence in [0, 1] under which a landmark is drawn as a ring.

    Raises:
        ValueError: if an option is out of range.

    """

    ending = ".overlay.png"

    def __init__(self, output_dir: str | Path, long_side: int = 1024, doubtful_below: float = 0.5) -> None:
        if long_side < 64 or not 0 <= doubtful_below <= 1:
            raise UserError(f"Need long_side >= 64 and doubtful_below in [0, 1], got {long_side} and {doubtful_below}.")
        self.output_dir, self.long_side, self.doubtful_below = Path(output_dir), long_side, doubtful_below
        self._upright = UprightImage()

    def write(self, record: LandmarkPrediction) -> Path:
        """Write the picture of one image.

        Args:
            record: the image's landmarks; its file is read anew if it has no picture.

        Returns:
            The file written.

        Raises:
            ValueError: if the file cannot be read.

        """
        path = self.output_dir / f"{record.output_name}{self.ending}"
        if len(record.size_px) != 2:
            raise UserError(f"{record.image} is a volume, of which there is no overlay: ask for markups.")
        points = torch.tensor(record.points_px, dtype=torch.float64)
        if record.picture is None:
            image, shown = self._resize(*self._upright(record.file, points, record.modality))
        else:
            image, shown = self._resize(record.picture.image, record.picture.carry(points))
        doubtful, radii = None, None
        if record.withheld:
            doubtful = [True] * len(record.names)
        elif record.confidence is not None:
            doubtful = [value < self.doubtful_below for value in record.confidence]
        if record.radius_px is not None:
            # By how much the picture is larger than the file, however it was turned.
            factor = max(image.shape[1:]) / max(record.size_px)
            radii = [factor * radius for radius in record.radius_px]
        known = landmark_set(record.names)
        if not known.bones:
            bones = tuple((record.names[a], record.names[b]) for a, b in record.skeleton)
            known = LandmarkSet(record.names, bones)
        picture = draw_landmarks(image, shown, known, doubtful=doubtful, mark_size=_MARK_SIZE, radii=radii)
        caption = _caption(record, doubtful, self.doubtful_below)
        with whole_file(path) as partial:
            Image.fromarray(_with_caption(picture, caption)).save(partial)
        return path

    def _resize(self, image: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.long_side / max(image.shape[1:])
        size = [max(1, round(side * factor)) for side in image.shape[1:]]
        resized = interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        scale = torch.tensor(size, dtype=torch.float64) / torch.tensor(image.shape[1:], dtype=torch.float64)
        return resized, (points + 0.5) * scale - 0.5


def _caption(record: LandmarkPrediction, doubtful: list[bool] | None, doubtful_below: float) -> str:
    if record.withheld:
        return "Research use only. Rings: unlike the images that confidence was fitted on, so it is withheld"
    caption = "Research use only"
    if record.radius_px is not None:
        caption += ". Circles: should hold 9 of 10 true places"
    if doubtful is not None and any(doubtful):
        caption += f". Rings: confidence below {100 * doubtful_below:g} %"
    return caption


def _with_caption(picture: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    sheet = Image.new("RGB", (picture.shape[1], picture.shape[0] + _STRIP), (0, 0, 0))
    sheet.paste(Image.fromarray(picture), (0, 0))
    # A narrow picture gets a smaller font rather than a caption that is cut off.
    font_size = min(_FONT_SIZE, max(8, round(1.8 * picture.shape[1] / len(caption))))
    font = ImageFont.load_default(font_size)
    ImageDraw.Draw(sheet).text((8, picture.shape[0] + 7), caption, fill=(230, 230, 230), font=font)
    return np.asarray(sheet)
