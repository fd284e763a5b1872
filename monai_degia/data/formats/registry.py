"""The formats there are, in the order in which a file is tried for them."""

from __future__ import annotations

from monai_degia.data.formats.coco import COCO
from monai_degia.data.formats.cvat import CVAT
from monai_degia.data.formats.deeplabcut import DEEPLABCUT
from monai_degia.data.formats.label_studio import LABEL_STUDIO
from monai_degia.data.formats.labelme import LABELME
from monai_degia.data.formats.options import AnnotationFormat
from monai_degia.data.formats.own_csv import CSV
from monai_degia.data.formats.own_json import JSON
from monai_degia.data.formats.sleap import SLEAP
from monai_degia.data.formats.slicer import SLICER
from monai_degia.data.formats.via import VIA
from monai_degia.errors import UserError, did_you_mean

__all__ = ["ANNOTATION_FORMATS", "find_format"]

ANNOTATION_FORMATS: dict[str, AnnotationFormat] = {
    form.name: form for form in (COCO, CVAT, LABELME, LABEL_STUDIO, VIA, DEEPLABCUT, SLEAP, SLICER, CSV, JSON)
}
"""Formats of annotation files by name."""


def find_format(name: str) -> AnnotationFormat:
    """A format by its name.

    Raises:
        ValueError: if there is none of that name.

    """
    if name not in ANNOTATION_FORMATS:
        hint = did_you_mean(name, ANNOTATION_FORMATS)
        raise UserError(f"Unknown annotation format {name!r}.{hint} Available: {', '.join(ANNOTATION_FORMATS)}.")
    return ANNOTATION_FORMATS[name]
