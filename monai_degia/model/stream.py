"""From files and arrays to predictions, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import decollate_batch
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.data.lists.image_folders import list_images
from monai_degia.data.pool.prefetch import PrefetchLoader
from monai_degia.errors import UserError
from monai_degia.io.bars import WorkBar
from monai_degia.model.usable import predict_each, set_aside
from monai_degia.results.prediction import LandmarkPrediction, landmark_prediction

__all__ = ["Image", "image_items", "stream_predictions"]

_logger = logging.getLogger(__name__)

Image = str | Path | np.ndarray | Tensor
_GIVEN = ("modality", "picture", "picture_affine")


def image_items(images: Image | Iterable[Image]) -> list[dict[str, Any]]:
    """Items of a data list for files, a folder of them, or arrays.

    Raises:
        ValueError: if there is no image.

    """
    if isinstance(images, (str, Path)):
        path = Path(images)
        files = [item["image"] for item in list_images(path)] if path.is_dir() else [str(path)]
        return [{"image": file} for file in files]
    if isinstance(images, (np.ndarray, Tensor)):
        return [{"image": images}]
    items = [{"image": str(image) if isinstance(image, Path) else image} for image in images]
    if not items:
        raise UserError("There is no image to predict for: the list is empty.")
    return items


def stream_predictions(
    loader: PrefetchLoader,
    predict: Callable[..., dict[str, Tensor]],
    device: torch.device,
    about: dict[str, Any],
    skip_unreadable: bool = False,
    progress: bool | None = None,
) -> Iterator[LandmarkPrediction]:
    """Predict for batches of guarded pictures.

    Args:
        loader: batches, as :class:`monai_degia.LandmarkPreprocessing` makes them with ``guarded``.
        predict: pictures (B, C, X, Y), and which of them show the trained side for certain, to what was found.
        device: of the pictures to predict for.
        about: further arguments of :func:`monai_degia.results.prediction.landmark_prediction`.
        skip_unreadable: leave out images that cannot be used, with a warning each.
        progress: show a bar; default: for several images, on a terminal.

    Yields:
        A prediction an image.

    Raises:
        ValueError: if an image cannot be used.

    """
    count = len(loader.dataset)  # type: ignore[arg-type]
    hidden = None if progress is None else not progress
    if progress is None and count == 1:
        hidden = True
    # Closed, so that no thread reads on after an error.
    with closing(iter(loader)) as batches, WorkBar(total=count, desc="predict", unit="image", hidden=hidden) as bar:
        for batch in batches:
            set_aside(batch)
            pictures = decollate_batch(batch[CommonKeys.IMAGE])
            good = _readable(pictures, batch["error"], skip_unreadable)
            if good:
                plain = batch[CommonKeys.IMAGE].as_tensor()[good].to(device)
                sides = torch.tensor([bool(pictures[row].meta["thumb_side"]) for row in good])
                found, failed = predict_each(predict, plain, sides)
                for place, reason in failed.items():
                    _leave_out(pictures[good[place]], reason, skip_unreadable)
                good = [row for place, row in enumerate(good) if place not in failed]
                for place, row in enumerate(good):
                    given = {key: batch[key][row] for key in _GIVEN if key in batch}
                    of_image = {str(key): values[place].cpu() for key, values in found.items()}
                    record = _record(pictures[row], given, of_image, about, skip_unreadable)
                    if record is not None:
                        yield record
            bar.update(len(pictures))


def _record(
    picture: Any, given: dict[str, Any], found: dict[str, Any], about: dict[str, Any], skip: bool
) -> LandmarkPrediction | None:
    try:
        return landmark_prediction(picture, given, found, **about)
    except UserError as error:
        _leave_out(picture, str(error), skip)
        return None


def _readable(pictures: list[Any], errors: list[str], skip_unreadable: bool) -> list[int]:
    """Rows of the pictures that are some."""
    for picture, error in zip(pictures, errors, strict=True):
        if error:
            _leave_out(picture, str(error), skip_unreadable)
    return [row for row, error in enumerate(errors) if not error]


def _leave_out(picture: Any, reason: str, skip_unreadable: bool) -> None:
    if not skip_unreadable:
        raise UserError(reason)
    _logger.warning("%s is left out: %s", Path(picture.meta["filename_or_obj"]).name, reason)
