"""From objects as tools label them, several an image or none, to one image each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.options import ReadOptions
from monai_degia.data.formats.wording import count_of, listed
from monai_degia.errors import UserError, did_you_mean

__all__ = [
    *("LabelledObject", "annotation_set", "identity", "image_path", "stated_size", "mapping", "mappings"),
    *("number_or_nan", "only_some", "which_of"),
]


@dataclass(frozen=True)
class LabelledObject:
    """The points of one object in one image.

    Args:
        image: path as the tool writes it.
        points: by name, (x, y) in the pixels of the tool, or (x, y, z); a landmark that is not among them has no label.
        hidden: names of those that are labelled and occluded.
        where: place in the file.
        size: (width, height) of the image, with a depth in a volume; None if not stated.
        fields: what else is known.
        problem: why it cannot be used.
        aliases: other paths of the image.

    """

    image: str
    points: Mapping[str, tuple[float, ...]]
    hidden: frozenset[str] = frozenset()
    where: str = ""
    size: tuple[int, ...] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    aliases: tuple[str, ...] = ()


def image_path(path: Any) -> str:
    r"""A path as written, with forward slashes: ``images\a.png`` becomes ``images/a.png``."""
    return str(path or "").strip().replace("\\", "/")


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; none for anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def identity(value: Any) -> str:
    """What stands where an id belongs, as text: 7 and "7" are one."""
    return str(value)


def number_or_nan(value: Any) -> float:
    """A number of a parsed file; NaN for what is none."""
    if isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def stated_size(*given: Any) -> tuple[int, ...] | None:
    """(width, height), or (width, height, depth), as a file states them; None unless all are whole numbers above 0."""
    sides = [number_or_nan(side) for side in given]
    return tuple(map(int, sides)) if all(side > 0 and side % 1 == 0 for side in sides) else None


def annotation_set(
    form: str,
    objects: Sequence[LabelledObject],
    options: ReadOptions,
    names: Sequence[str] | None = None,
    bones: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> AnnotationSet:
    """Put the objects of a file together, one an image.

    Args:
        form: name of the format.
        objects: in the order of the file; those of one image may stand anywhere.
        options: ``several`` says what becomes of an image with several objects.
        names: the landmarks that the file defines, in its order; default: those that its objects have, in the order in
            which they appear.
        bones: pairs of names.
        notes: sentences about what was left out.

    Returns:
        One image for each path, in the order in which they appear.

    """
    found = tuple(names) if names is not None else tuple(dict.fromkeys(name for o in objects for name in o.points))
    by_image: dict[str, list[LabelledObject]] = {}
    for labelled in objects:
        # What has a problem need not be of an image at all, and is told one by one.
        path = image_path(labelled.image)
        key = path if path and not labelled.problem else f"\0{len(by_image)}"
        by_image.setdefault(key, []).append(labelled)
    chosen = [_one(group, options.several) for group in by_image.values()]
    dims = max((len(point) for labelled in chosen for point in labelled.points.values()), default=2)
    crowded = sum(len(group) > 1 for group in by_image.values())
    if crowded and options.several != "refuse":
        notes = (*notes, f"{count_of(crowded, 'image')} with several objects: the {options.several} was taken.")
    images = tuple(_image(labelled, found, dims) for labelled in chosen)
    return AnnotationSet(found, images, tuple(bones), form, tuple(notes))


def _one(group: Sequence[LabelledObject], several: str) -> LabelledObject:
    first = group[0]
    if len(group) == 1 or several == "first":
        return first
    if several == "largest":
        return max(group, key=_extent)
    places = listed([labelled.where for labelled in group])
    return replace(
        first, problem=f"{len(group)} objects ({places}); one an image is expected. several='largest' or 'first' picks"
    )


def _extent(labelled: LabelledObject) -> float:
    """Longer side of the box around the points, in pixels."""
    points = np.array(list(labelled.points.values()) or [(np.nan, np.nan)])
    points = points[np.isfinite(points).all(axis=1)]
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0


def _image(labelled: LabelledObject, names: Sequence[str], spatial_dims: int) -> AnnotatedImage:
    problem = labelled.problem
    points = np.full((len(names), spatial_dims), np.nan)
    for index, name in enumerate(names):
        point = labelled.points.get(name, ())
        points[index, : len(point)] = point
        if 0 < len(point) < spatial_dims and not problem:
            problem = f"{name} has {len(point)} coordinates, others of this file have {spatial_dims}"
    gaps = np.isnan(points).sum(axis=1)
    half = (gaps > 0) & (gaps < spatial_dims)
    if np.isinf(points).any() and not problem:
        problem = "a coordinate is infinite"
    if half.any() and not problem:
        problem = (
            f"{listed([name for name, odd in zip(names, half, strict=True) if odd])} has only {only_some(spatial_dims)}"
        )
    points[half | np.isinf(points).any(axis=1)] = np.nan
    return AnnotatedImage(
        image=image_path(labelled.image),
        points=points,
        occluded=np.array([name in labelled.hidden for name in names], dtype=bool),
        where=labelled.where,
        size=labelled.size,
        fields=labelled.fields,
        problem=problem,
        aliases=labelled.aliases,
    )


def only_some(spatial_dims: int) -> str:
    """What a point has that lacks a coordinate."""
    return {2: "one of x and y", 3: "some of x, y and z"}[spatial_dims]


def which_of(kind: str, given: str | None, available: Sequence[str], why: str) -> str:
    """The one of several categories, individuals or sections that is meant.

    Args:
        kind: the argument's name.
        given: the argument, None if not given.
        available: those that the file has.
        why: what to say if the file has several and none was given.

    Returns:
        The one that was given, or the only one.

    Raises:
        ValueError: if the file has no such one, or several and none was given.

    """
    if given is None and len(available) == 1:
        return available[0]
    if given in available:
        return str(given)
    asked = why if given is None else f"There is no {kind} {given!r}.{did_you_mean(given, available)}"
    raise UserError(f"{asked} The file has: {listed(available, 20) or 'none'}. Pass {kind}=<one of them>.")
