"""What kind of image a file holds, where nobody says so: by its values."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["guess_modality"]

_logger = logging.getLogger(__name__)
_FARTHEST_MM = 10_000  # no camera of depth measures a hand from farther away
_DEEPEST_MM = 600  # of an object and what is left of its surroundings, where the rest was cut away
_NEAREST_MM = 100  # cameras measure nothing before that
_FEW = 0.005
_ENOUGH = 200_000  # values that tell the percentiles of all


def guess_modality(values: Tensor, meta: Mapping[Any, Any]) -> str:
    """Tell ``photo``, ``depth`` or ``xray`` for an image as it was read.

    DICOM is an X-ray, what has colours or values of 8 bits a photograph. Grey values beyond 8 bits are a depth map in
    mm if they look like one, and else an X-ray. A depth map has no value between 0, no measurement, and that of the
    nearest surface measures; all of it lies within 10 m; and once its surroundings are cut away, within as much again
    as the nearest surface is away. What could be either is told in the log.

    Args:
        values: shape (C, X, Y).
        meta: of the image; ``photometric_interpretation`` says that it was a DICOM file, ``mode`` how a picture is
            stored.

    """
    if meta.get("photometric_interpretation"):
        return "xray"
    deep = str(meta.get("mode", "")).startswith("I") or not bool(((values >= 0) & (values <= 255)).all())
    if not deep or len(values) > 1:
        return "photo"
    name = meta.get("filename_or_obj", "an image")
    sure, modality = _depth_or_xray(values[torch.isfinite(values)].flatten())
    if not sure:
        _logger.warning(
            "%s: its values could be those of a depth map or of an X-ray, and it is taken for %s. Say modality=depth "
            "or modality=xray where this is wrong.",
            *(name, {"depth": "a depth map in mm", "xray": "an X-ray"}[modality]),
        )
    return modality


def _depth_or_xray(values: Tensor) -> tuple[bool, str]:
    """Whether this is certain, and which of the two."""
    measured = values[values != 0]
    if len(measured) == 0 or bool((measured < 0).any()) or not torch.equal(measured, measured.round()):
        return len(measured) > 0, "depth" if len(measured) == 0 else "xray"
    ordered = measured[:: max(1, len(measured) // _ENOUGH)].sort().values
    near, far = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.01, 0.99))
    if far > _FARTHEST_MM:
        return True, "xray"
    holes = len(values) - len(measured) > _FEW * len(values)
    if near < _NEAREST_MM or float(measured.min()) < _NEAREST_MM / 2:
        return True, "xray"
    if far - near <= min(near, _DEEPEST_MM):
        return holes, "depth"
    return False, "depth" if holes else "xray"
