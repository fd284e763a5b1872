"""What a model found, as files that annotation tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import load_content
from monai_degia.data.formats.label_studio import LABEL_STUDIO, task
from monai_degia.data.formats.objects import image_path
from monai_degia.data.formats.options import WriteOptions
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.wording import listed
from monai_degia.data.formats.write import check_dimensions, save_files, shown_in
from monai_degia.errors import UserError, did_you_mean

__all__ = ["PREDICTION_FORMATS", "FoundLandmarks", "annotations_of", "write_predictions"]


class FoundLandmarks(Protocol):
    """What is needed of a prediction; :class:`monai_degia.LandmarkPrediction` has it."""

    @property
    def image(self) -> str:
        """Path of the file, with forward slashes."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """K names."""
        ...

    @property
    def points_px(self) -> tuple[tuple[float, ...], ...]:
        """K points (x, y), pixels of the file; (x, y, z) of a volume."""
        ...

    @property
    def size_px(self) -> tuple[int, ...]:
        """(width, height) of the file, with a depth in a volume."""
        ...

    @property
    def confidence(self) -> tuple[float, ...] | None:
        """K numbers in [0, 1], None if the model gives none."""
        ...

    @property
    def model_version(self) -> str:
        """Name and version of the model."""
        ...


def annotations_of(predictions: Sequence[FoundLandmarks]) -> AnnotationSet:
    """Predictions as a set of annotations, which :func:`monai_degia.write_annotations` writes in any format.

    Args:
        predictions: of one set of landmarks.

    Returns:
        Points in pixels of the files, with confidences.

    Raises:
        ValueError: if there is none, or they have different landmarks.

    """
    if not predictions:
        raise UserError("There is no prediction to write.")
    names = predictions[0].names
    odd = next((p for p in predictions if p.names != names), None)
    if odd is not None:
        raise UserError(f"{odd.image} has other landmarks than {predictions[0].image}. Write them apart.")
    images = tuple(
        AnnotatedImage(
            image=found.image,
            points=np.array(found.points_px, dtype=np.float64),
            size=found.size_px,
            fields={"model_version": found.model_version},
            confidence=None if found.confidence is None else np.array(found.confidence),
        )
        for found in predictions
    )
    return AnnotationSet(names, images, format="predictions")


def write_predictions(
    predictions: Sequence[FoundLandmarks],
    path: str | PathLike[str],
    format: str,
    *,
    reference: str | PathLike[str] | None = None,
    image_dir: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write predictions as COCO results, which ``pycocotools`` scores, or as Label Studio pre-annotations.

    Args:
        predictions: of one set of landmarks, such as :class:`monai_degia.LandmarkPrediction`.
        path: file to write.
        format: a key of ``PREDICTION_FORMATS``.
        reference: for COCO, the file of the annotations, whose ids of images and of the category are taken; default:
            images are numbered from 1 and the category is 1.
        image_dir: folder of the images, for Label Studio and photographs that are stored sideways: it shows them
            upright, and counts pixels of that.
        overwrite: whether a file that exists may be replaced.

    Returns:
        The file written.

    Raises:
        ValueError: if the format is unknown, an image is not in the reference, or the file exists.

    """
    if format not in PREDICTION_FORMATS:
        hint = did_you_mean(format, PREDICTION_FORMATS)
        raise UserError(f"Unknown format of predictions {format!r}.{hint} Available: {', '.join(PREDICTION_FORMATS)}.")
    found = annotations_of(predictions)
    check_dimensions(found, ANNOTATION_FORMATS[format])
    if format == LABEL_STUDIO.name:
        found = shown_in(found, LABEL_STUDIO, None if image_dir is None else Path(image_dir).expanduser())
    text = PREDICTION_FORMATS[format](found, None if reference is None else Path(reference).expanduser())
    return save_files(Path(path).expanduser(), {"": text}, overwrite)[0]


def _coco_results(found: AnnotationSet, reference: Path | None) -> str:
    """Entries with x, y, confidence of each key point, and the mean as ``score`` (cocodataset.org, "Results format").

    Without confidences each counts as 1: COCO needs a score.
    """
    ids, category = _numbers(found, reference)
    entries = []
    for image in found.images:
        sure = np.ones(len(image.points)) if image.confidence is None else image.confidence
        triples = np.column_stack([image.points.round(4), sure.round(6)])
        keypoints, score = triples.reshape(-1).tolist(), round(float(sure.mean()), 6)
        number = ids[image.image]
        entries.append({"image_id": number, "category_id": category, "keypoints": keypoints, "score": score})
    return json.dumps(entries, allow_nan=False) + "\n"


def _numbers(found: AnnotationSet, reference: Path | None) -> tuple[Mapping[str, object], object]:
    """Id of each image by its path, and of the category."""
    if reference is None:
        return {image.image: number for number, image in enumerate(found.images, start=1)}, 1
    content = load_content(reference)
    if not content.objects("images", "categories"):
        raise UserError(f"{reference} is no COCO file: it needs 'images' and 'categories'.")
    ids = {image_path(entry.get("file_name")): entry.get("id") for entry in content.value["images"]}
    lacking = [image.image for image in found.images if image.image not in ids]
    if lacking:
        raise UserError(
            f"{reference} lacks {len(lacking)} images: {listed(lacking)}. Pass the file that they are from."
        )
    fitting = [c for c in content.value["categories"] if tuple(c.get("keypoints") or ()) == found.names]
    if len(fitting) != 1:
        raise UserError(f"{len(fitting)} categories of {reference} have the landmarks {', '.join(found.names)}.")
    return ids, fitting[0].get("id")


def _pre_annotations(found: AnnotationSet, reference: Path | None) -> str:
    """Tasks with ``predictions`` (labelstud.io/guide/predictions), for the config of the format ``label_studio``."""
    if reference is not None:
        raise UserError("Label Studio's pre-annotations take no reference. Leave it out.")
    tasks = []
    for image in found.moved(LABEL_STUDIO.corner).images:
        sure = None if image.confidence is None else image.confidence.round(6).tolist()
        parts = task(image, found.names, WriteOptions(), sure)
        score = {} if sure is None else {"score": round(float(np.mean(sure)), 6)}
        about = {"model_version": str(image.fields.get("model_version", "")), **score}
        tasks.append({"data": parts["data"], "predictions": [{**about, "result": parts["result"]}]})
    return json.dumps(tasks, indent=1, allow_nan=False) + "\n"


PREDICTION_FORMATS: dict[str, Callable[[AnnotationSet, Path | None], str]] = {
    "coco": _coco_results,
    "label_studio": _pre_annotations,
}
"""Formats that predictions are written in by :func:`write_predictions`."""
