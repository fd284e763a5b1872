"""labelme: a JSON file beside each picture, with a shape for each point."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content, load_content
from monai_degia.data.formats.image_files import stated_or_read_size
from monai_degia.data.formats.objects import (
    LabelledObject,
    annotation_set,
    image_path,
    mapping,
    number_or_nan,
    stated_size,
)
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.errors import UserError

__all__ = ["LABELME"]

_VERSION = "6.3.1"
_HIDDEN = ("occluded", "hidden")
_OWN = ("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth")


def _is_labelme(content: Content) -> bool:
    return content.objects("shapes", "imagePath") and isinstance(content.value["shapes"], list)


def _recognise(content: Content) -> bool:
    if content.kind != "folder":
        return _is_labelme(content)
    return any(_is_labelme(found) for found in _files(content.path))


def _files(folder: Path) -> Iterator[Content]:
    for path in sorted(folder.rglob("*.json")):
        if not path.name.startswith(".") and not path.name.endswith(".mrk.json"):
            try:
                yield load_content(path)
            except UserError:  # no JSON: not of labelme, and counted as such where it is read
                yield Content(path, "binary")


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read the points of one file, or of all files of a folder and its sub-folders.

    A landmark is a shape of type ``point`` by the name of its label; shapes that share a ``group_id`` are one object. A
    flag ``occluded`` or ``hidden`` of a shape says that it is so. Origin is the corner of the first pixel: the canvas
    draws the picture from 0 and takes the place of the cursor on it, without rounding (labelme 6.3.1,
    widgets/canvas.py, _transform_point_widget_to_image and is_out_of_pixmap, which allows 0 to the width). Pictures are
    turned by their Exif orientation as they are read (_label_file.py, read_image_file).
    """
    left_out = Counter[str]()
    objects: list[LabelledObject] = []
    files = [content] if content.kind != "folder" else list(_files(content.path))
    root = content.path if content.kind == "folder" else content.path.parent
    for file in files:
        if not _is_labelme(file):
            left_out["file that is not of labelme"] += 1
            continue
        found = list(_objects(file, root, left_out))
        left_out["file without a point"] += not found
        objects.extend(found)
    if not files or left_out["file that is not of labelme"] == len(files):
        raise UserError(f"{content.path} holds no file of labelme: a JSON object with 'shapes' and 'imagePath'.")
    notes = [f"Left out, {kind}: {number}." for kind, number in left_out.items() if number]
    return annotation_set("labelme", objects, options, notes=notes)


def _objects(file: Content, root: Path, left_out: Counter[str]) -> Iterator[LabelledObject]:
    value, where = file.value, file.path.relative_to(root).as_posix()
    groups: dict[str, list[dict[str, Any]]] = {}
    for shape in value["shapes"]:
        kind = shape.get("shape_type") if isinstance(shape, dict) else None
        if kind == "point":
            groups.setdefault("" if shape.get("group_id") is None else str(shape["group_id"]), []).append(shape)
        else:
            left_out[f"shape of type {kind}"] += 1
    fields = {**{key: entry for key, entry in value.items() if key not in _OWN}, **mapping(value.get("flags"))}
    for group, shapes in groups.items():
        points, problem = {}, ""
        for shape in shapes:
            name, place = str(shape.get("label", "")), _place(shape)
            if place is None or name in points:
                problem = problem or (f"{name} is set twice" if name in points else f"{name} is no pair [x, y]")
            else:
                points[name] = place
        yield LabelledObject(
            image=posixpath.normpath(posixpath.join(posixpath.dirname(where), image_path(value["imagePath"]))),
            points=points,
            hidden=frozenset(str(shape.get("label", "")) for shape in shapes if _is_hidden(shape)),
            where=f"{where}, group {group}" if group else where,
            size=stated_size(value.get("imageWidth"), value.get("imageHeight")),
            fields=fields,
            problem=problem,
        )


def _place(shape: Mapping[str, Any]) -> tuple[float, float] | None:
    points = shape.get("points")
    pair = points[0] if isinstance(points, list) and len(points) == 1 else None
    place = (
        tuple(number_or_nan(value) for value in pair) if isinstance(pair, list) and len(pair) == 2 else (float("nan"),)
    )
    return (place[0], place[1]) if all(value == value for value in place) else None


def _is_hidden(shape: Mapping[str, Any]) -> bool:
    return any(mapping(shape.get("flags")).get(key) is True for key in _HIDDEN)


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """A file for each picture, named like it. labelme looks for the picture beside the file."""
    files: dict[str, str] = {}
    for image in annotations.images:
        name = f"{posixpath.splitext(image.image)[0]}.json"
        if name in files or posixpath.isabs(name):
            reason = "two pictures have this name but for the ending" if name in files else "the path is absolute"
            raise UserError(f"{image.image} cannot have a labelme file: {reason}.")
        files[name] = json.dumps(_content(image, annotations, options), indent=2, allow_nan=False) + "\n"
    return files


def _content(image: AnnotatedImage, annotations: AnnotationSet, options: WriteOptions) -> dict[str, Any]:
    width, height = stated_or_read_size(image, options.image_dir, "labelme")
    columns = (annotations.names, image.points.round(4).tolist(), image.labelled, image.occluded)
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [
            {
                "label": name,
                "points": [point],
                "group_id": None,
                "description": "",
                "shape_type": "point",
                "flags": {"occluded": True} if hidden else {},
            }
            for name, point, known, hidden in zip(*columns, strict=True)
            if known
        ],
        "imagePath": posixpath.basename(image.image),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


LABELME = AnnotationFormat(
    name="labelme",
    title="labelme",
    sign="a JSON object with 'shapes' and 'imagePath', or a folder of them",
    recognise=_recognise,
    read=_read,
    write=_write,
    corner=0.5,
    upright=True,
)
