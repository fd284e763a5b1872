"""The project's JSON: lists of ``{"image": ..., "landmarks": [[x, y], ...]}`` in pixels with centres at integers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.objects import image_path, number_or_nan, stated_size, which_of
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.errors import UserError

__all__ = ["JSON"]

_ABOUT = ("landmark_names", "bones")
_OWN = ("image", "landmarks", "occluded", "size")


def _recognise(content: Content) -> bool:
    if content.first_item():
        return "image" in content.first_item() and _is_item(content.first_item())
    sections = _sections(content.value) if content.objects() else {}
    return any(_is_item(item) for items in sections.values() for item in items[:1])


def _is_item(item: Any) -> bool:
    """Whether an entry has landmarks, as points: other programs have objects in lists of that name."""
    points = item.get("landmarks", ...) if isinstance(item, dict) else ...
    return points is not ... and not (isinstance(points, list) and any(isinstance(point, dict) for point in points))


def _sections(value: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {key: items for key, items in value.items() if key not in _ABOUT and isinstance(items, list)}


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read ``{"landmark_names": [...], "training": [...]}``, or a bare list, which is what inference writes.

    The ``landmarks`` of an item are a list in the order of ``landmark_names`` with ``null`` for a missing one, or an
    object from name to [x, y]; in volumes to [x, y, z]. ``occluded`` is a list of names; ``bones`` of the file a list
    of pairs of names.
    """
    about = content.value if isinstance(content.value, dict) else {}
    sections = _sections(about) if about else {"": content.value}
    section = (
        ""
        if not about
        else which_of("section", options.section, list(sections), f"{content.path} has several lists of images.")
    )
    items = sections[section]
    names = _names(about.get("landmark_names"), items, options)
    dims = _spatial_dims(items)
    images = tuple(
        _image(f"{section}[{i}]" if section else f"[{i}]", item, names, dims) for i, item in enumerate(items)
    )
    pairs = about.get("bones") if isinstance(about.get("bones"), list) else []
    bones = tuple((str(pair[0]), str(pair[1])) for pair in pairs or [] if isinstance(pair, list) and len(pair) == 2)
    return AnnotationSet(names, images, bones, format="json")


def _names(own: Any, items: Sequence[Any], options: ReadOptions) -> tuple[str, ...]:
    if isinstance(own, list):
        return tuple(map(str, own))
    found = [item.get("landmarks") for item in items if isinstance(item, dict)]
    by_name = dict.fromkeys(str(name) for points in found if isinstance(points, dict) for name in points)
    if by_name:
        return tuple(by_name)
    if options.names is None:
        raise UserError("The file does not say what its landmarks are called. Add landmark_names, or name them.")
    return options.names


def _image(where: str, item: Any, names: Sequence[str], dims: int) -> AnnotatedImage:
    empty = np.full((len(names), dims), np.nan)
    if not isinstance(item, dict):
        problem = f"{item!r:.60} where an object with image and landmarks belongs"
        return AnnotatedImage("", empty, where=where, problem=problem)
    fields = {key: value for key, value in item.items() if key not in _OWN}
    image, given = item.get("image", ""), item.get("landmarks")
    problem, points = "", empty
    if not isinstance(image, str):
        image, problem = "", f"image is {image!r:.60}, not a path"
    if isinstance(given, dict):
        given = [given.get(name) for name in names]
    try:
        points = _points(given, names, dims)
    except ValueError as error:
        problem = problem or str(error)
    hidden = list(item["occluded"]) if isinstance(item.get("occluded"), list) else []
    sides = item.get("size")
    size = stated_size(*sides) if isinstance(sides, list) and len(sides) == dims else None
    return AnnotatedImage(
        image_path(image),
        points,
        np.array([name in hidden for name in names], dtype=bool),
        where,
        size,
        fields,
        problem,
    )


def _spatial_dims(items: Sequence[Any]) -> int:
    """3 if there is a point of three coordinates, else 2."""
    given = [item.get("landmarks") for item in items if isinstance(item, dict)]
    lists = [list(own.values()) if isinstance(own, dict) else own for own in given]
    points = [point for own in lists if isinstance(own, list) for point in own]
    return 3 if any(isinstance(point, list) and len(point) == 3 for point in points) else 2


def _points(given: Any, names: Sequence[str], dims: int) -> np.ndarray:
    if not isinstance(given, list) or len(given) != len(names):
        found = f"{len(given)} landmarks" if isinstance(given, list) else f"landmarks {given!r:.40}"
        raise UserError(f"{found} where {len(names)} are expected")
    points = np.full((len(names), dims), np.nan)
    form = {2: "a pair [x, y]", 3: "a triple [x, y, z]"}[dims]
    for index, pair in enumerate(given):
        if pair is None or pair in ([], [None] * dims):
            continue
        values = [number_or_nan(value) for value in pair] if isinstance(pair, list) else []
        odd = [value for value in pair if value is None or isinstance(value, bool)] if isinstance(pair, list) else []
        if len(values) != dims or odd or 0 < np.isnan(values).sum() < dims:
            raise UserError(f"coordinate {pair!r:.40} is not a number, or not in {form}")
        if np.isinf(values).any():
            raise UserError(f"coordinate of {names[index]} is infinite")
        points[index] = values
    return points


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    about: dict[str, Any] = {"landmark_names": annotations.names}
    if annotations.bones:
        about["bones"] = annotations.bones
    about["images"] = [_item(image, annotations.names) for image in annotations.images]
    return {"": json.dumps(about, indent=1, allow_nan=False, default=_plain) + "\n"}


def _item(image: AnnotatedImage, names: Sequence[str]) -> dict[str, Any]:
    item = {"image": image.image, **{key: value for key, value in image.fields.items() if key not in _OWN}}
    pairs = np.round(image.points, 4).tolist()
    item["landmarks"] = [pair if known else None for pair, known in zip(pairs, image.labelled, strict=True)]
    if image.occluded.any():
        item["occluded"] = [name for name, hidden in zip(names, image.occluded, strict=True) if hidden]
    if image.size:
        item["size"] = image.size
    return item


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


JSON = AnnotationFormat(
    name="json",
    title="the project's JSON",
    sign="lists of objects with 'image' and 'landmarks'",
    recognise=_recognise,
    read=_read,
    write=_write,
    volumes=True,
    options=frozenset({"section"}),
)
