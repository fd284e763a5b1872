"""Label Studio: tasks with key points in per cent of the picture, as JSON or JSON-MIN."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.image_files import paths_of_address, stated_or_read_size
from monai_degia.data.formats.objects import (
    LabelledObject,
    annotation_set,
    identity,
    mappings,
    number_or_nan,
    stated_size,
)
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.io.suffixes import IMAGE_SUFFIXES

__all__ = ["LABEL_STUDIO", "task", "task_name"]

_RESULTS = ("annotations", "completions")  # the second is what versions before 1.0 call it
_MIN_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}
_LOCAL = "/data/local-files/?d="


def _recognise(content: Content) -> bool:
    first = content.first_item() or (content.value if content.objects("data") else {})
    if isinstance(first.get("data"), dict):
        return any(key in first for key in (*_RESULTS, "predictions"))
    return any(_is_min_result(value) for value in first.values()) or {"annotation_id", "annotator"} <= first.keys()


def _is_min_result(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "original_width" in value[0]


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read key points.

    x and y are per cent of ``original_width`` and ``original_height``, from the corner of the first pixel to that
    opposite of the last: the editor divides places on its stage by the size of the stage
    (web/libs/editor/src/regions/KeyPointRegion.jsx). ``image_rotation`` only says how the picture was turned on the
    screen; the numbers are of the picture that is not turned (tags/object/Image/Image.js, rotate and
    createSerializedResult). Browsers turn a picture by its Exif orientation, and ``original_width`` is that of the
    turned one.

    A region's label is the landmark; ``hidden`` in its value is what Label Studio's own importer makes of COCO's v = 1
    (label_studio_sdk 2.1.2, converter/imports/coco.py). Regions inside one parent region are one object. Of several
    annotations of a task, a ground truth is taken; cancelled ones and predictions are left out and counted.
    """
    tasks = content.value if isinstance(content.value, list) else [content.value]
    left_out = Counter[str]()
    objects: list[LabelledObject] = []
    for index, entry in enumerate(tasks):
        if not isinstance(entry, dict):
            objects.append(LabelledObject("", {}, where=f"[{index}]", problem=f"{entry!r:.40} is no task"))
            continue
        found = list(_task(f"[{index}]", entry, left_out))
        left_out["task without a labelled point"] += not found
        objects.extend(found)
    notes = [f"Left out, {kind}: {number}." for kind, number in left_out.items() if number]
    return annotation_set("label_studio", objects, options, notes=notes)


def _task(where: str, entry: dict[str, Any], left_out: Counter[str]) -> Iterator[LabelledObject]:
    if not isinstance(entry.get("data"), dict):
        yield from _min_task(where, entry)
        return
    data = entry["data"]
    given: list[Any] = next((entry[key] for key in _RESULTS if isinstance(entry.get(key), list)), [])
    kept = [a for a in given if isinstance(a, dict) and not a.get("was_cancelled")]
    truth = [annotation for annotation in kept if annotation.get("ground_truth")]
    left_out["cancelled annotation"] += len(given) - len(kept)
    left_out["annotation beside a ground truth"] += len(kept) - len(truth) if truth else 0
    left_out["prediction"] += len(mappings(entry.get("predictions")))
    for number, annotation in enumerate(truth or kept):
        place = where if len(truth or kept) == 1 else f"{where}.annotations[{number}]"
        regions = _regions(mappings(annotation.get("result")), left_out)
        yield from _objects(place, data, regions)


def _min_task(where: str, entry: Mapping[str, Any]) -> Iterator[LabelledObject]:
    lists = {key: value for key, value in entry.items() if _is_min_result(value)}
    data = {key: value for key, value in entry.items() if key not in lists and key not in _MIN_KEYS}
    regions = [region for value in lists.values() for region in mappings(value) if "x" in region and "y" in region]
    yield from _objects(where, data, regions)


def _regions(result: Sequence[Any], left_out: Counter[str]) -> list[dict[str, Any]]:
    """Points with their labels in one dictionary each; a label may be an entry of its own with the id of the region."""
    entries = [entry for entry in result if isinstance(entry, dict) and isinstance(entry.get("value"), dict)]
    labels = {identity(e.get("id")): e["value"]["labels"] for e in entries if "labels" in e["value"]}
    regions = []
    for entry in entries:
        if str(entry.get("type", "")).startswith("keypoint"):
            regions.append({"labels": labels.get(identity(entry.get("id")), []), **entry, **entry["value"]})
        elif "labels" not in entry["value"]:
            left_out[f"region of type {entry.get('type')}"] += 1
    return regions


def _objects(where: str, data: Mapping[str, Any], regions: Sequence[dict[str, Any]]) -> Iterator[LabelledObject]:
    key = _image_key(data)
    names = paths_of_address(str(data.get(key, ""))) if key else [""]
    groups: dict[str, list[dict[str, Any]]] = {}
    for region in regions:
        groups.setdefault(identity(region.get("parentID") or ""), []).append(region)
    for group, members in groups.items():
        points: dict[str, tuple[float, float]] = {}
        hidden, problem, size = set(), "" if names[0] else "the task names no image", None
        for region in members:
            label = region.get("keypointlabels") or region.get("labels") or []
            name = str(label[0]) if isinstance(label, list) and len(label) == 1 else ""
            size = stated_size(region.get("original_width"), region.get("original_height"))
            if not name:
                problem = problem or f"a point has the labels {label!r:.40}, and one is expected"
            elif name in points:
                problem = problem or f"{name} is set twice"
            elif size is None:
                problem = problem or f"{name} has no original_width and original_height"
            else:
                points[name] = (
                    number_or_nan(region.get("x")) / 100 * size[0],
                    number_or_nan(region.get("y")) / 100 * size[1],
                )
                hidden |= {name} if region.get("hidden") is True else set()
        place = f"{where}, inside region {group}" if group else where
        fields = {k: v for k, v in data.items() if k != key}
        yield LabelledObject(names[0], points, frozenset(hidden), place, size, fields, problem, tuple(names[1:]))


def _image_key(data: Mapping[str, Any]) -> str:
    """The key of a task's data that holds the picture."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    pictures = [key for key, value in texts.items() if paths_of_address(value)[0].lower().endswith(IMAGE_SUFFIXES)]
    for key in ("image", "img"):
        if key in pictures or (key in texts and not pictures):
            return key
    return pictures[0] if pictures else ""


def task_name(image: AnnotatedImage) -> str:
    """The address of a picture in Label Studio's local storage."""
    return _LOCAL + quote(image.image)


def task(
    image: AnnotatedImage, names: Sequence[str], options: WriteOptions, scores: Sequence[float] | None = None
) -> dict[str, Any]:
    """The picture and the regions of a task, of which annotations and predictions are made.

    Args:
        image: points in pixels from the corner of the first.
        names: K landmarks.
        options: where to look for its size.
        scores: K numbers in [0, 1] for the regions, None for none.

    Returns:
        ``data`` and ``result``.

    """
    width, height = stated_or_read_size(image, options.image_dir, "Label Studio")
    percent = (image.points / (width, height) * 100).round(6).tolist()
    result = []
    for index in np.flatnonzero(image.labelled).tolist():
        value = {"x": percent[index][0], "y": percent[index][1], "width": 0.5, "keypointlabels": [names[index]]}
        if image.occluded[index]:
            value["hidden"] = True
        about = {"id": f"p{index + 1}", "type": "keypointlabels", "from_name": "landmarks", "to_name": "image"}
        size = {"original_width": width, "original_height": height, "image_rotation": 0}
        result.append({**about, **size, "value": value, **({"score": scores[index]} if scores is not None else {})})
    return {"data": {"image": task_name(image)}, "result": result}


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """Tasks for a project whose pictures are served from a local storage and whose config has the tags below.

    ``<Image name="image" value="$image"/>`` and ``<KeyPointLabels name="landmarks" toName="image">``.
    """
    tasks = []
    for image in annotations.images:
        parts = task(image, annotations.names, options)
        fields = {key: value for key, value in image.fields.items() if isinstance(value, str | int | float | bool)}
        tasks.append({"data": {**fields, **parts["data"]}, "annotations": [{"result": parts["result"]}]})
    return {"": json.dumps(tasks, indent=1, allow_nan=False) + "\n"}


LABEL_STUDIO = AnnotationFormat(
    name="label_studio",
    title="Label Studio",
    sign="a JSON list of tasks with 'data' and 'annotations', or of JSON-MIN",
    recognise=_recognise,
    read=_read,
    write=_write,
    corner=0.5,
    upright=True,
)
