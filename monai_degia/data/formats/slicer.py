"""3D Slicer: a folder of ``.mrk.json`` files, a point list an image."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content, load_content
from monai_degia.data.formats.image_files import find_image
from monai_degia.data.formats.objects import LabelledObject, annotation_set, mappings, number_or_nan
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.errors import UserError
from monai_degia.io.suffixes import IMAGE_SUFFIXES, is_dicom_file
from monai_degia.io.viewer_frame import viewer_frame

__all__ = ["SLICER"]

_ENDING = ".mrk.json"
_PLANE_TOLERANCE = 1.0  # mm; a point that is dragged in a slice view keeps to the slice
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


class _Images:
    """The images below a folder by their names, with and without ending; each sub-folder is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[Path, dict[str, list[Path]]] = {}

    def of(self, where: str) -> Path:
        """The image that a markups file belongs to, by its path relative to the root."""
        stem = where.removesuffix(_ENDING).removesuffix(".json")
        folder, name = self.root / posixpath.dirname(stem), posixpath.basename(stem).lower()
        if folder not in self._by_name:
            self._by_name[folder] = _named_images(folder)
        found = self._by_name[folder].get(name, [])
        exact = [path for path in found if path.name.lower() == name]
        if len(exact or found) != 1:
            several = (
                f"is said of several: {', '.join(path.name for path in found)}" if found else f"is not in {folder}"
            )
            raise UserError(f"the image of this file {several}. Pass image_dir")
        return (exact or found)[0]


def _named_images(folder: Path) -> dict[str, list[Path]]:
    names: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.name.lower()
        ending = next((e for e in sorted(IMAGE_SUFFIXES, key=len, reverse=True) if name.endswith(e)), "")
        if path.is_file() and (ending or (not name.endswith(".json") and is_dicom_file(path))):
            for key in dict.fromkeys((name, name.removesuffix(ending))):
                names.setdefault(key, []).append(path)
    return names


def _recognise(content: Content) -> bool:
    if content.kind == "folder":
        return any(content.path.rglob(f"*{_ENDING}"))
    return content.objects("markups") and isinstance(content.value["markups"], list)


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read one file, or all ``*.mrk.json`` of a folder and its sub-folders.

    ``a.mrk.json`` and ``a.png.mrk.json`` belong to ``a.png`` in the same sub-folder of ``image_dir`` (default: beside
    the file). Control points are landmarks by their labels; one that is not placed (``positionStatus``) has no label.
    Positions are LPS or RAS millimetres (Slicer's markups schema 1.0.3) in the frame in which ITK reads the image, with
    indices at pixel centres, and come back to pixels by that: x and y of an image, of a volume x, y and z.
    """
    root = content.path if content.kind == "folder" else content.path.parent
    files = sorted(content.path.rglob(f"*{_ENDING}")) if content.kind == "folder" else [content.path]
    images = _Images(options.image_dir or root)
    objects = [_object(load_content(file), root, images) for file in files]
    bare = sum(not labelled.points and not labelled.problem for labelled in objects)
    notes = [f"Left out, file without a placed point: {bare}."] if bare else []
    return annotation_set("slicer", [o for o in objects if o.points or o.problem], options, notes=notes)


def _object(content: Content, root: Path, images: _Images) -> LabelledObject:
    where = content.path.relative_to(root).as_posix()
    try:
        file = images.of(where)
        name = file.relative_to(images.root).as_posix()
    except UserError as error:
        return LabelledObject("", {}, where=where, problem=str(error))
    try:
        positions, hidden = _control_points(content)
        frame = viewer_frame(file)
    except UserError as error:
        return LabelledObject(name, {}, where=where, problem=str(error))
    points, away = frame.pixels(np.array(list(positions.values())).reshape(-1, 3))
    problem = ""
    if len(away) and away.max() > _PLANE_TOLERANCE:
        problem = f"{list(positions)[int(away.argmax())]} lies {away.max():.1f} mm off the image's plane"
    by_name = {key: tuple(map(float, point)) for key, point in zip(positions, points, strict=True)}
    return LabelledObject(name, by_name, frozenset(hidden), where, frame.size, problem=problem)


def _control_points(content: Content) -> tuple[dict[str, np.ndarray], set[str]]:
    """LPS positions (3,) of the placed points by label, and the labels of those that are described as hidden."""
    lists = content.value.get("markups") if content.objects() else None
    fiducials = [markup for markup in mappings(lists) if markup.get("type") == "Fiducial"]
    if len(fiducials) != 1:
        raise UserError(f"{len(fiducials)} point lists (markups of type Fiducial), and one is expected")
    markup = fiducials[0]
    system, units = markup.get("coordinateSystem", "LPS"), markup.get("coordinateUnits", "mm")
    if system not in ("LPS", "RAS") or (isinstance(units, str) and units != "mm"):
        raise UserError(f"points must be LPS or RAS in mm, they are {system!r} in {units!r}")
    flip = np.array((-1.0, -1.0, 1.0) if system == "RAS" else (1.0, 1.0, 1.0))
    positions: dict[str, np.ndarray] = {}
    hidden = set()
    for point in mappings(markup.get("controlPoints")):
        label, given = str(point.get("label")), point.get("position")
        if point.get("positionStatus", "defined") != "defined" or given is None:
            continue
        place = np.array([number_or_nan(value) for value in given] if isinstance(given, list) else [np.nan])
        if place.shape != (3,) or not np.isfinite(place).all():
            raise UserError(f"the position of {label} is {str(given)[:60]}, not three numbers")
        if label in positions:
            raise UserError(f"{label} is set twice")
        positions[label] = place * flip
        if "occluded" in str(point.get("description", "")).split("; "):
            hidden.add(label)
    return positions, hidden


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """A file for each image, named like it; the images themselves are needed, since they say where a pixel lies."""
    if options.image_dir is None:
        raise UserError(
            "Slicer's points are in millimetres of the image's place in space. Pass image_dir (on the command line: "
            "--images)."
        )
    files: dict[str, str] = {}
    for image in annotations.images:
        file = find_image(image, [options.image_dir])
        if file is None or posixpath.isabs(image.image):
            raise UserError(f"{options.image_dir} has no image {image.image}, whose place in space Slicer needs.")
        positions = viewer_frame(file, image.spatial_dims).positions(image.points)
        files[f"{image.image}{_ENDING}"] = json.dumps(_markups(image, annotations.names, positions), indent=1) + "\n"
    return files


def _markups(image: AnnotatedImage, names: Sequence[str], positions: np.ndarray) -> dict[str, Any]:
    columns = (names, positions.round(5).tolist(), image.labelled, image.occluded)
    points = [
        {
            "id": str(number),
            "label": name,
            "description": "occluded" if hidden else "",
            "position": position if known else None,
            "positionStatus": "defined" if known else "undefined",
        }
        for number, (name, position, known, hidden) in enumerate(zip(*columns, strict=True), start=1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    return {"@schema": _SCHEMA, "markups": [markup]}


SLICER = AnnotationFormat(
    name="slicer",
    title="3D Slicer markups",
    sign=f"a JSON object with 'markups', or a folder with *{_ENDING} files",
    recognise=_recognise,
    read=_read,
    write=_write,
    options=frozenset({"image_dir"}),
    volumes=True,
)
