"""CVAT for images 1.1: an XML file with points by label, or skeletons of named points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.image_files import stated_or_read_size
from monai_degia.data.formats.objects import LabelledObject, annotation_set, number_or_nan, stated_size, which_of
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.errors import UserError

__all__ = ["CVAT"]

_Points = dict[str, tuple[float, float]]


def _recognise(content: Content) -> bool:
    return content.kind == "xml" and content.value.tag == "annotations" and content.value.find("version") is not None


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read points and skeletons.

    A ``points`` element is a landmark by the name of its label; with several points in it, they are ``<label>_1`` and
    so on. A ``skeleton`` is an object of its own, whose elements are its landmarks; ``outside="1"`` is not labelled,
    ``occluded="1"`` hidden (CVAT manual, "XML annotation format"; cvat/apps/dataset_manager/formats/cvat.py writes two
    decimals). Origin is the corner of the first pixel: the canvas draws the picture from 0 to its width and keeps
    points within that (cvat-canvas/src/typescript/drawHandler.ts). Pictures are shown turned by their Exif orientation
    since 2.1 (cvat/apps/engine/media_extractors.py, pull request 4529).
    """
    root = content.value
    images = root.findall("image")
    if not images and root.find("track") is not None:
        raise UserError(
            f"{content.path} is 'CVAT for video', whose frames have no files. Export 'CVAT for images 1.1'."
        )
    labels = list(dict.fromkeys(s.get("label", "") for image in images for s in image.findall("skeleton")))
    loose = any(image.find("points") is not None for image in images)
    label = None
    if labels and (not loose or options.category is not None):
        label = which_of("category", options.category, labels, f"{content.path} has skeletons of several labels.")
    elif labels:
        raise UserError(
            f"{content.path} has skeletons ({', '.join(labels)}) and points beside them. Pass category=<a skeleton>."
        )
    elif options.category is not None:
        raise UserError(f"{content.path} has no skeletons to choose a category among. Leave category out.")
    objects: list[LabelledObject] = []
    left_out = Counter[str]()
    for image in images:
        found = list(_skeletons(image, label) if label is not None else _loose_points(image))
        objects.extend(found)
        left_out.update(child.tag for child in image if not _is_read(child, label))
        left_out["image without a labelled point"] += not found
    notes = [f"Left out, {kind}: {number}." for kind, number in left_out.items() if number]
    order, bones = _skeleton_of(root, label) if label is not None else ([], [])
    used = dict.fromkeys(name for labelled in objects for name in labelled.points)
    names = [*order, *(name for name in used if name not in order)] if order else None
    return annotation_set("cvat", objects, options, names, bones, notes)


def _is_read(child: ElementTree.Element, label: str | None) -> bool:
    return child.tag == "points" if label is None else child.tag == "skeleton" and child.get("label") == label


def _about(image: ElementTree.Element) -> tuple[str, tuple[int, ...] | None, str]:
    size = stated_size(image.get("width"), image.get("height"))
    return image.get("name", ""), size, f"image id={image.get('id')}"


def _skeletons(image: ElementTree.Element, label: str) -> Iterator[LabelledObject]:
    name, size, where = _about(image)
    skeletons = [child for child in image.findall("skeleton") if child.get("label") == label]
    for number, skeleton in enumerate(skeletons, start=1):
        elements = [e for e in skeleton.findall("points") if e.get("outside") != "1"]
        points, hidden, problem = _points(elements)
        place = where if len(skeletons) == 1 else f"{where}, skeleton {number}"
        if points or problem:
            yield LabelledObject(name, points, hidden, place, size, _attributes(skeleton), problem)


def _loose_points(image: ElementTree.Element) -> Iterator[LabelledObject]:
    """Points of an image, one object for each group that they were put in."""
    name, size, where = _about(image)
    groups: dict[str, list[ElementTree.Element]] = {}
    for element in image.findall("points"):
        if element.get("outside") != "1":
            groups.setdefault(element.get("group_id", ""), []).append(element)
    for group, elements in groups.items():
        points, hidden, problem = _points(elements)
        yield LabelledObject(name, points, hidden, f"{where}{f', group {group}' if group else ''}", size, {}, problem)


def _points(elements: list[ElementTree.Element]) -> tuple[_Points, frozenset[str], str]:
    points: _Points = {}
    hidden, problem = set(), ""
    for element in elements:
        label = element.get("label", "")
        pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
        places = [(number_or_nan(pair[0]), number_or_nan(pair[-1])) for pair in pairs if len(pair) == 2]
        if not places or len(places) < len(pairs) or any(x != x or y != y for x, y in places):
            problem = problem or f"points {element.get('points', '')[:40]!r} of {label} are not numbers"
            continue
        for number, place in enumerate(places, start=1):
            name = label if len(places) == 1 else f"{label}_{number}"
            if name in points:
                problem = problem or f"{name} is set twice"
            points[name] = place
            if element.get("occluded") == "1":
                hidden.add(name)
    return points, frozenset(hidden), problem


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {child.get("name", ""): child.text or "" for child in element.findall("attribute")}


def _skeleton_of(root: ElementTree.Element, label: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of a skeleton's points and its bones, as the label's definition in the file draws them."""
    labels = [entry for entry in root.iter("label") if entry.find("name") is not None]
    names = [entry.findtext("name", "") for entry in labels if entry.findtext("parent") == label]
    drawing = next((entry.findtext("svg", "") for entry in labels if entry.findtext("name") == label), "")
    nodes: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for tag in re.findall(r"<(?:circle|line)\b[^>]*>", drawing):
        marks = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "data-label-name" in marks:
            nodes[marks.get("data-node-id", "")] = marks["data-label-name"]
        elif "data-node-from" in marks:
            edges.append((marks["data-node-from"], marks.get("data-node-to", "")))
    return names, [(nodes[a], nodes[b]) for a, b in edges if a in nodes and b in nodes]


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """A skeleton an image; CVAT reads it into a task whose labels are those of the file's ``meta``."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    _define(ElementTree.SubElement(task, "labels"), annotations, options.category)
    for index, image in enumerate(annotations.images):
        width, height = stated_or_read_size(image, options.image_dir, "CVAT")
        about = {"id": str(index), "name": image.image, "width": str(width), "height": str(height)}
        element = ElementTree.SubElement(root, "image", about)
        _draw(
            ElementTree.SubElement(element, "skeleton", label=options.category, source="file", z_order="0"),
            image,
            annotations,
        )
    ElementTree.indent(root)
    return {"": '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"}


def _define(labels: ElementTree.Element, annotations: AnnotationSet, category: str) -> None:
    number = {name: str(index) for index, name in enumerate(annotations.names, start=1)}
    drawing = ElementTree.Element("svg")
    for a, b in annotations.bones:
        marks = {"data-type": "edge", "data-node-from": number[a], "data-node-to": number[b]}
        ElementTree.SubElement(drawing, "line", marks)
    for name in annotations.names:
        marks = {"data-type": "element node", "data-element-id": number[name], "data-node-id": number[name]}
        ElementTree.SubElement(drawing, "circle", {**marks, "data-label-name": name})
    lines = "".join(ElementTree.tostring(child, encoding="unicode") for child in drawing)
    for name, kind in ((category, "skeleton"), *((name, "points") for name in annotations.names)):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "type").text = kind
        ElementTree.SubElement(label, "attributes")
        if kind == "skeleton":
            ElementTree.SubElement(label, "svg").text = lines
        else:
            ElementTree.SubElement(label, "parent").text = category


def _draw(skeleton: ElementTree.Element, image: AnnotatedImage, annotations: AnnotationSet) -> None:
    columns = (annotations.names, image.points, image.labelled, image.occluded)
    for name, (x, y), known, hidden in zip(*columns, strict=True):
        marks = {"label": name, "source": "file", "outside": str(int(not known)), "occluded": str(int(hidden))}
        ElementTree.SubElement(skeleton, "points", {**marks, "points": f"{x:.4f},{y:.4f}" if known else "0.00,0.00"})


CVAT = AnnotationFormat(
    name="cvat",
    title="CVAT for images 1.1",
    sign="an XML element 'annotations' with a 'version'",
    recognise=_recognise,
    read=_read,
    write=_write,
    corner=0.5,
    upright=True,
    options=frozenset({"category"}),
)
