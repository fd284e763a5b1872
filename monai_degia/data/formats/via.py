"""VGG Image Annotator 2: point regions in a project, a JSON or a CSV file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.image_files import find_image
from monai_degia.data.formats.objects import LabelledObject, annotation_set, mapping, mappings, number_or_nan
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.data.formats.tables import read_rows, read_text_table
from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError

__all__ = ["VIA"]

_NAMING = ("name", "landmark", "keypoint", "label", "joint", "point")
_HIDDEN = ("occluded", "hidden")
_YES = {"1", "true", "yes"}


def _metadata(content: Content) -> dict[str, Any]:
    """The entries of a project or of an exported JSON, by key; empty if it is neither."""
    if content.objects("_via_img_metadata"):
        value = mapping(content.value["_via_img_metadata"])
        return {key: entry for key, entry in value.items() if isinstance(entry, dict)}
    entries = content.value if content.objects() else {}
    keys = {"filename", "regions"}
    return entries if entries and all(isinstance(e, dict) and keys <= e.keys() for e in entries.values()) else {}


def _is_table(content: Content) -> bool:
    if content.kind != "table":
        return False
    _, header = next(read_rows(content.path, content.value), (0, ("",)))
    return {"region_shape_attributes", "region_attributes"} <= set(header)


def _recognise(content: Content) -> bool:
    return bool(_metadata(content)) or _is_table(content) or content.objects("project", "view", "metadata")


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read point regions; the region attribute that differs within each picture is the landmark's name.

    cx and cy are whole pixels of the picture, ``Math.round(offset * scale)`` of the place of the click on the canvas
    (via-2.x.y/src/via.js, _via_reg_canvas_mouseup_handler). At full size that is the index of the pixel, so integers
    are centres; on a picture that is shown enlarged VIA rounds to the nearest corner of a pixel instead, up to half a
    pixel away. It keeps no size of pictures. Browsers turn pictures by their Exif orientation.
    """
    if content.objects("project", "view", "metadata"):
        raise UserError(f"{content.path} is a project of VIA 3. Points are read from VIA 2: export there, or as COCO.")
    left_out = Counter[str]()
    entries = list(_of_table(content) if _is_table(content) else _of_json(_metadata(content)))
    pictures = [(where, name, list(_points(regions, left_out)), about) for where, name, regions, about in entries]
    key = _naming_key(content, [points for _, _, points, _ in pictures], options)
    objects = []
    for where, name, points, about in pictures:
        left_out["picture without a point"] += not points
        if points:
            objects.append(_object(where, name, points, about, key, options))
    notes = [f"Left out, {kind}: {number}." for kind, number in left_out.items() if number]
    return annotation_set("via", objects, options, options.names if key is None else None, notes=notes)


_Region = tuple[Mapping[str, Any], Mapping[str, Any]]


def _of_json(entries: Mapping[str, Any]) -> Iterator[tuple[str, str, list[_Region], dict[str, Any]]]:
    for key, entry in entries.items():
        regions = entry.get("regions")
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1 numbers them
        pairs: list[_Region] = [
            (mapping(r.get("shape_attributes")), mapping(r.get("region_attributes"))) for r in mappings(regions)
        ]
        yield repr(key), str(entry.get("filename") or ""), pairs, mapping(entry.get("file_attributes"))


def _of_table(content: Content) -> Iterator[tuple[str, str, list[_Region], dict[str, Any]]]:
    table = read_text_table(content.path, content.value)
    header = [column.lstrip("#") for column in table.header]
    pictures: dict[str, tuple[str, str, list[_Region], dict[str, Any]]] = {}
    for line, row in table.rows:
        cells = dict(zip(header, row, strict=False))
        shape, attributes, about = (
            _cell(content, line, cells.get(key, ""))
            for key in ("region_shape_attributes", "region_attributes", "file_attributes")
        )
        name = cells.get("filename", "")
        pictures.setdefault(name, (f"line {line}", name, [], about))[2].append((shape, attributes))
    yield from pictures.values()


def _cell(content: Content, line: int, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise UserError(f"{content.path}, line {line}: {text[:40]!r} is not JSON ({error}).") from None
    return mapping(value)


def _points(regions: Sequence[_Region], left_out: Counter[str]) -> Iterator[_Region]:
    for shape, attributes in regions:
        if shape.get("name") == "point":
            yield shape, attributes
        elif shape:
            left_out[f"region of shape {shape.get('name')}"] += 1


def _naming_key(content: Content, pictures: Sequence[Sequence[_Region]], options: ReadOptions) -> str | None:
    """The region attribute that names points; None if the order does, for which names must be given."""
    everything = [attributes for points in pictures for _, attributes in points]
    keys = list(dict.fromkeys(key for attributes in everything for key in attributes if key not in _HIDDEN))

    def names(points: Sequence[_Region], key: str) -> list[str]:
        return [_text(attributes.get(key)) for _, attributes in points]

    given = [key for key in keys if all(_text(attributes.get(key)) for attributes in everything)]
    telling = [key for key in given if all(len(set(names(p, key))) == len(p) for p in pictures)]
    for candidates in (telling, given):
        known = [key for name in _NAMING for key in candidates if key.lower() == name]
        if known or len(candidates) == 1:
            return (known or candidates)[0]
        if candidates:
            break
    if not keys and options.names is not None:
        return None
    raise UserError(
        f"{content.path}: no region attribute names all points, each once a picture. Attributes: "
        f"{listed(keys, 10) or 'none'}. Add one called 'name'; where there is none at all, the names may be given in "
        "the order of the points."
    )


def _text(value: Any) -> str:
    """An attribute's value; of a check box or radio button, the one option that is chosen."""
    if isinstance(value, dict):
        chosen = [option for option, on in value.items() if on]
        return str(chosen[0]) if len(chosen) == 1 else ""
    return str(value).strip() if value is not None else ""


def _object(
    where: str, name: str, points: Sequence[_Region], about: Mapping[str, Any], key: str | None, options: ReadOptions
) -> LabelledObject:
    names = options.names or () if key is None else [_text(attributes.get(key)) for _, attributes in points]
    places = [(number_or_nan(shape.get("cx")), number_or_nan(shape.get("cy"))) for shape, _ in points]
    problem = ""
    if len(names) != len(places):
        problem = f"{len(places)} points where {len(names)} landmarks are named"
    elif len(set(names)) < len(names):
        problem = f"{listed([n for n, count in Counter(names).items() if count > 1])} is set twice"
    elif not np.isfinite(places).all():
        problem = "a point has no cx and cy"
    hidden = [any(_text(attributes.get(key)).lower() in _YES for key in _HIDDEN) for _, attributes in points]
    return LabelledObject(
        image=name,
        points={} if problem else dict(zip(names, places, strict=True)),
        hidden=frozenset(landmark for landmark, flag in zip(names, hidden, strict=False) if flag),
        where=where,
        fields=about,
        problem=problem,
    )


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """A project that VIA 2 opens; pictures are looked for by their names."""
    entries = {}
    for image in annotations.images:
        file = find_image(image, [options.image_dir]) if options.image_dir else None
        size = file.stat().st_size if file else -1  # bytes: VIA makes its keys of name and size
        about = {key: value for key, value in image.fields.items() if isinstance(value, str)}
        regions = list(_regions(image, annotations.names))
        entries[f"{image.image}{size}"] = {
            "filename": image.image,
            "size": size,
            "regions": regions,
            "file_attributes": about,
        }
    text = {"type": "text", "description": "", "default_value": ""}
    project = {
        "_via_settings": {"project": {"name": "landmarks"}, "core": {"filepath": {}, "default_filepath": ""}},
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {"name": text, "occluded": text}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    return {"": json.dumps(project, indent=1, allow_nan=False) + "\n"}


def _regions(image: AnnotatedImage, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    columns = (names, image.points.round(4).tolist(), image.labelled, image.occluded)
    for name, (x, y), known, hidden in zip(*columns, strict=True):
        if known:
            attributes = {"name": name, **({"occluded": "1"} if hidden else {})}
            yield {"shape_attributes": {"name": "point", "cx": x, "cy": y}, "region_attributes": attributes}


VIA = AnnotationFormat(
    name="via",
    title="VGG Image Annotator 2",
    sign="JSON with '_via_img_metadata' or with 'filename' and 'regions', or a table with 'region_shape_attributes'",
    recognise=_recognise,
    read=_read,
    write=_write,
    upright=True,
)
