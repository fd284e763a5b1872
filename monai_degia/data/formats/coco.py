"""COCO key points: ``images``, ``annotations`` and ``categories`` in one JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.coco_exporters import exporter_of, joined_by_image, landmark_categories
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.image_files import paths_of_address, stated_or_read_size
from monai_degia.data.formats.objects import (
    LabelledObject,
    annotation_set,
    identity,
    mappings,
    number_or_nan,
    stated_size,
    which_of,
)
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError

__all__ = ["COCO", "coco_content", "plain"]

_IMAGE_KEYS = {"id", "file_name", "width", "height", "license", "coco_url", "flickr_url", "date_captured"}
_ANNOTATION_KEYS = {"id", "image_id", "category_id", "keypoints", "num_keypoints", "area", "iscrowd", "segmentation"}


def _recognise(content: Content) -> bool:
    if {"image_id", "keypoints"} <= content.first_item().keys():
        return True  # a results file, which reading refuses with the reason
    return content.objects("images", "annotations") and all(
        isinstance(content.value[key], list) for key in ("images", "annotations")
    )


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read the key points of one category.

    A key point is x, y and v: 0 is not labelled (whatever x and y are), 1 labelled and not visible, 2 visible
    (cocodataset.org, "Data format"). Coordinates count pixels from 0 and are centres: Detectron2 adds 0.5 to them, and
    to nothing else, to come from centres to corners (detectron2/data/datasets/coco.py, load_coco_json).

    Exporters take over the numbers of tools whose origin is the corner. Label Studio's names itself, and half a pixel
    is taken off (label_studio_sdk 2.1.2, converter/keypoints.py, which rounds to whole pixels too). Datumaro's, through
    which CVAT exports, does not say where its points are from, so the log asks for ``origin='corner'``.

    Where all categories have a single point without a name, as Datumaro writes points that are in no skeleton, the
    categories are the landmarks.

    Crowds, other categories and objects without a labelled point are left out and counted.
    """
    if isinstance(content.value, list):
        raise UserError(f"{content.path} is a COCO results file: it names no images. Pass the file of the annotations.")
    images = {identity(image.get("id")): image for image in mappings(content.value["images"])}
    entries = content.value["annotations"]
    exporter = exporter_of(content)
    landmarks = landmark_categories(content) if options.category is None else {}
    category = {} if landmarks else _category(content, options)
    names = tuple(landmarks.values()) if landmarks else _names(content, category, options)
    objects, left_out = [], Counter[str]()
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            objects.append(LabelledObject("", {}, where=f"annotations[{index}]", problem=f"{entry!r:.40} is no object"))
            continue
        reason = _passed_over(entry, category)
        own = (landmarks[identity(entry.get("category_id"))],) if landmarks and not reason else names
        if reason:
            left_out[reason] += 1
        else:
            objects.append(_object(f"annotations[{index}]", entry, images, own, exporter))
    objects = joined_by_image(objects) if landmarks else objects
    named = {labelled.image for labelled in objects}
    bare = sum(_paths(image)[0] not in named for image in images.values())
    if bare:
        left_out["image without a labelled point"] = bare
    notes = [f"Left out, {reason}: {number}." for reason, number in left_out.items()]
    if exporter == "datumaro" and options.origin is None:
        notes.append("Written by Datumaro: pass origin='corner' if the points were set in CVAT, or 'centre' if not.")
    found = annotation_set("coco", objects, options, names, _bones(category, names), notes)
    if exporter != "label_studio":
        return found
    return replace(found.moved(-0.5) if options.origin is None else found, upright=True)


def _category(content: Content, options: ReadOptions) -> dict[str, Any]:
    """The category that has the key points; an empty one if the file describes none."""
    entries = mappings(content.value["annotations"])
    used = {identity(entry.get("category_id")) for entry in entries if entry.get("keypoints")}
    categories = [c for c in mappings(content.value.get("categories")) if identity(c.get("id")) in used]
    if not used:
        raise UserError(f"{content.path} is a COCO file without key points: no annotation has 'keypoints'.")
    if not categories:
        if options.category is not None:
            raise UserError(f"{content.path} describes no category that has key points. Leave category out.")
        return {}
    by_name = {str(category.get("name", category.get("id"))): category for category in categories}
    if len(by_name) < len(categories):
        raise UserError(f"{content.path} has two categories of one name among {listed(list(by_name))}. Rename one.")
    return by_name[which_of("category", options.category, list(by_name), f"{content.path} has several categories.")]


def _names(content: Content, category: Mapping[str, Any], options: ReadOptions) -> tuple[str, ...]:
    own = category.get("keypoints")
    if isinstance(own, list) and own:
        names = tuple(map(str, own))
    elif options.names is not None:
        names = options.names
    else:
        raise UserError(f"{content.path} does not say what its key points are called. Name the landmarks.")
    if len(set(names)) < len(names):
        raise UserError(f"{content.path} has two key points of one name among {listed(names, 30)}. Rename one.")
    return names


def _passed_over(entry: Mapping[str, Any], category: Mapping[str, Any]) -> str:
    if category and identity(entry.get("category_id")) != identity(category.get("id")):
        return "annotation of another category"
    if entry.get("iscrowd"):
        return "annotation of a crowd"
    values = entry.get("keypoints")
    if not values or (isinstance(values, list) and len(values) % 3 == 0 and all(v == 0 for v in values[2::3])):
        return "annotation without a labelled point"
    return ""


def _object(
    where: str, entry: Mapping[str, Any], images: Mapping[str, Any], names: Sequence[str], exporter: str
) -> LabelledObject:
    image, problem = images.get(identity(entry.get("image_id")), {}), ""
    given = entry["keypoints"] if isinstance(entry["keypoints"], list) else []
    values = np.array([number_or_nan(value) for value in given], dtype=np.float64)
    if not image:
        problem = f"image_id {entry.get('image_id')!r} is not among the images"
    elif len(values) != 3 * len(names):
        problem = f"{len(values)} numbers where {len(names)} key points have {3 * len(names)} (x, y, v)"
    elif not np.isin(values[2::3], (0, 1, 2)).all():
        problem = f"visibility {listed([v for v in given[2::3] if v not in (0, 1, 2)], 1)} is not 0, 1 or 2"
    elif not np.isfinite(values.reshape(-1, 3)[values[2::3] > 0]).all():
        problem = "a coordinate is not a number"
    triples = values.reshape(-1, 3).tolist() if not problem else []
    paths = _paths(image)
    return LabelledObject(
        image=paths[0],
        points={name: (x, y) for name, (x, y, v) in zip(names, triples, strict=False) if v > 0},
        hidden=frozenset(name for name, (_, _, v) in zip(names, triples, strict=False) if v == 1),
        where=where,
        size=None if exporter == "label_studio" else stated_size(image.get("width"), image.get("height")),
        fields={
            **{key: value for key, value in image.items() if key not in _IMAGE_KEYS},
            **{key: value for key, value in entry.items() if key not in _ANNOTATION_KEYS},
        },
        problem=problem,
        aliases=tuple(paths[1:]),
    )


def _paths(image: Mapping[str, Any]) -> list[str]:
    """The picture's path; Label Studio's exports have its address on the server instead."""
    name = str(image.get("file_name") or "")
    return paths_of_address(name) if "://" in name or name.startswith("/data/") else [name]


def _bones(category: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names; the skeleton counts key points from 1."""
    numbers = range(1, len(names) + 1)
    pairs = category.get("skeleton") if isinstance(category.get("skeleton"), list) else []
    ok = [p for p in pairs or [] if isinstance(p, list) and len(p) == 2 and all(n in numbers for n in p)]
    return [(names[int(a) - 1], names[int(b) - 1]) for a, b in ok]


def coco_content(annotations: AnnotationSet, options: WriteOptions) -> dict[str, Any]:
    """A COCO key point data set as plain values; one annotation an image, ids count from 1."""
    number = {name: index for index, name in enumerate(annotations.names, start=1)}
    category = {
        "id": 1,
        "name": options.category,
        "supercategory": options.category,
        "keypoints": list(annotations.names),
        "skeleton": [[number[a], number[b]] for a, b in annotations.bones],
    }
    images, entries = [], []
    for index, image in enumerate(annotations.images, start=1):
        width, height = stated_or_read_size(image, options.image_dir, "COCO")
        fields = {key: plain(value) for key, value in image.fields.items() if key not in _IMAGE_KEYS | {"bbox"}}
        images.append({"id": index, "file_name": image.image, "width": width, "height": height, **fields})
        entries.append(_annotation(index, image))
    return {"images": images, "annotations": entries, "categories": [category]}


def _annotation(index: int, image: AnnotatedImage) -> dict[str, Any]:
    visibility = np.where(image.labelled, np.where(image.occluded, 1, 2), 0)
    points = np.where(image.labelled[:, None], image.points, 0.0).round(4)
    triples = np.column_stack([points, visibility]).tolist()
    labelled = points[image.labelled] if image.labelled.any() else np.zeros((1, 2))
    low, high = labelled.min(axis=0), labelled.max(axis=0)
    own = image.fields.get("bbox")
    box = own if isinstance(own, list) and len(own) == 4 else [*low.tolist(), *(high - low).round(4).tolist()]
    return {
        "id": index,
        "image_id": index,
        "category_id": 1,
        "keypoints": [value for x, y, seen in triples for value in (x, y, int(seen))],
        "num_keypoints": int(image.labelled.sum()),
        "bbox": box,
        "area": round(float(box[2]) * float(box[3]), 4),
        "iscrowd": 0,
        "segmentation": [],  # some readers (Datumaro) ask for it
    }


def plain(value: Any) -> Any:
    """A value that JSON has a form for."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, str | int | float | bool | list | dict | tuple | None) else str(value)


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    return {"": json.dumps(coco_content(annotations, options), allow_nan=False) + "\n"}


COCO = AnnotationFormat(
    name="coco",
    title="COCO key points",
    sign="a JSON object with lists 'images' and 'annotations'",
    recognise=_recognise,
    read=_read,
    write=_write,
    options=frozenset({"category"}),
)
