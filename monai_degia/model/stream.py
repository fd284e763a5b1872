"""From files and arrays to predictions, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data import Dataset, decollate_batch
from monai.utils import CommonKeys
from torch import Tensor
from tqdm import tqdm

from monai_degia.data.lists.datalist import list_images
from monai_degia.data.pool.prefetch import PrefetchLoader
from monai_degia.errors import UserError
from monai_degia.results.prediction import LandmarkPrediction, landmark_prediction

if TYPE_CHECKING:
    from monai_degia.model.trained_model import TrainedModel

__all__ = ["Image", "image_items", "stream_predictions"]

_logger = logging.getLogger(__name__)

Image = str | Path | np.ndarray | Tensor


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
    model: TrainedModel,
    items: list[dict[str, Any]],
    image_dir: str | Path | None,
    skip_unreadable: bool,
    batch_size: int,
    num_workers: int,
    progress: bool | None,
    **preprocessing: Any,
) -> Iterator[LandmarkPrediction]:
    """Predictions in the order of the items; see :meth:`TrainedModel.stream` for the arguments.

    Yields:
        A prediction an image.

    Raises:
        ValueError: if an image cannot be used.

    """
    chain = model.preprocessing(guarded=True, **preprocessing)
    loader = PrefetchLoader(Dataset(items, chain), batch_size, num_workers)
    hidden = None if progress is None else not progress
    if progress is None and len(items) == 1:
        hidden = True
    with tqdm(total=len(items), desc="predict", unit="image", disable=hidden) as bar:
        for batch in loader:
            yield from _of_batch(model, batch, image_dir, skip_unreadable)
            bar.update(len(batch["error"]))


def _of_batch(
    model: TrainedModel, batch: dict[str, Any], image_dir: str | Path | None, skip_unreadable: bool
) -> Iterator[LandmarkPrediction]:
    pictures = decollate_batch(batch[CommonKeys.IMAGE])
    for picture, error in zip(pictures, batch["error"], strict=True):
        if error and not skip_unreadable:
            raise UserError(str(error))
        if error:
            _logger.warning("%s is left out: %s", Path(picture.meta["filename_or_obj"]).name, error)
    good = [row for row, error in enumerate(batch["error"]) if not error]
    if not good:
        return
    plain = batch[CommonKeys.IMAGE].as_tensor()[good].to(model.device)
    sides = torch.tensor([bool(pictures[row].meta["thumb_side"]) for row in good])
    found = model.predict_batch(plain, side_known=sides)
    for place, row in enumerate(good):
        yield landmark_prediction(
            pictures[row],
            {key: batch[key][row] for key in ("modality", "picture", "picture_affine") if key in batch},
            {str(key): values[place].cpu() for key, values in found.items()},
            model.names,
            image_dir=image_dir,
            model_version=model.model_version,
        )
