"""Pictures that nothing can be found in, told before a network or a writer trips over them."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.utils import CommonKeys
from torch import Tensor

from monai_degia.errors import UserError

__all__ = ["predict_each", "set_aside"]

_ERROR = "error"


def set_aside(batch: MutableMapping[str, Any]) -> None:
    """Mark pictures of a guarded batch that were read and are still of no use, so that the others are predicted.

    Grey values may be too large for 32 bits once they are scaled, and a file's affine may have no inverse, so that no
    point could be carried back to the file. Such a picture gets its reason in ``error`` and becomes blank.

    Args:
        batch: collated, as :class:`monai_degia.LandmarkPreprocessing` with ``guarded`` makes its samples; any other
            batch is left alone.

    """
    errors, pictures = batch.get(_ERROR), batch.get(CommonKeys.IMAGE)
    if not isinstance(errors, list) or not isinstance(pictures, MetaTensor):
        return
    plain = pictures.as_tensor()
    found = list(errors)
    for row, told in enumerate(errors):
        if told:
            continue
        found[row] = _reason(plain[row], [_row(pictures.affine, row), _row(pictures.meta.get("original_affine"), row)])
        if found[row]:
            plain[row] = 0
    batch[_ERROR] = found


def predict_each(
    predict: Callable[..., dict[str, Tensor]], pictures: Tensor, side_known: Tensor
) -> tuple[dict[str, Tensor], dict[int, str]]:
    """Predict for pictures, of which one that nothing can be found in costs nobody but itself.

    Args:
        predict: what :meth:`monai_degia.TrainedModel.predict_batch` does.
        pictures: shape (B, C, X, Y).
        side_known: shape (B,).

    Returns:
        What was found, for the pictures that it was found for, in order; and the reason for each other row.

    """
    try:
        return (predict(pictures, side_known=side_known) if len(pictures) else {}), {}
    except (UserError, torch.linalg.LinAlgError) as error:
        if len(pictures) == 1:
            return {}, {0: str(error)}
    parts, reasons = [], {}
    for row in range(len(pictures)):
        found, failed = predict_each(predict, pictures[row : row + 1], side_known[row : row + 1])
        if failed:
            reasons[row] = failed[0]
        else:
            parts.append(found)
    return {key: torch.cat([part[key] for part in parts]) for key in (parts[0] if parts else ())}, reasons


def _row(affines: Any, row: int) -> Tensor | None:
    if affines is None:
        return None
    affine = torch.as_tensor(affines, dtype=torch.float64)
    return affine[row] if affine.ndim == 3 else affine


def _reason(picture: Tensor, affines: list[Tensor | None]) -> str:
    if not torch.isfinite(picture).all():
        return "Its grey values are not finite, or too large for 32 bits: check the file, or scale it down."
    for affine in affines:
        if affine is not None and not bool(torch.isfinite(affine).all() and torch.linalg.det(affine[:2, :2]).abs() > 0):
            return "Its affine has no inverse, so no point can be placed in the file: check the file's geometry."
    return ""
