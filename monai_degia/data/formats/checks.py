"""Implausible lists of landmarks: what is wrong, in which rows, and why."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.wording import count_of, listed
from monai_degia.errors import UserError

__all__ = ["FAULT_KINDS", "Fault", "find_faults", "never_labelled", "refuse_faults"]

Size = tuple[int, ...]

_SIDEWAYS = (5, 6, 7, 8)
_EQUAL = 0.01  # pixels; points of one image that are no farther apart say nothing
_PERCENT_SIDE = 200  # pixels; below it, per cent and pixels cannot be told apart
_PERCENT_REACH = 60  # per cent of the image that points must reach over to be taken for per cent

FAULT_KINDS: dict[str, str] = {
    "problem": "the row cannot be read",
    "twice": "the image is listed more than once",
    "placeholder": "a point at 0/0, -1/-1 or the like stands for a missing one",
    "equal": "all points are the same",
    "fractions": "coordinates are fractions of the image",
    "percent": "coordinates are per cent of the image",
    "other_size": "points belong to a picture of another size",
    "upright": "points belong to the picture turned upright by its Exif orientation",
    "swapped": "x and y are exchanged",
}
"""Kinds of faults, in the order in which they are looked for: of one image, the first is told."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one image of a set.

    Args:
        index: of the image in the set.
        kind: a key of ``FAULT_KINDS``.
        reason: what is wrong and what to do, as a clause.

    """

    index: int
    kind: str
    reason: str


def find_faults(
    annotations: AnnotationSet,
    sizes: Sequence[Size | None] | None = None,
    orientations: Sequence[int] | None = None,
    margin: float = 0.1,
    accept: Collection[str] = (),
) -> tuple[Fault, ...]:
    """Judge every image of a set, each by itself and beside the others.

    Args:
        annotations: points in pixels of the files, or of the upright pictures if the set says so; see
            :func:`monai_degia.data.formats.orientation.all_as_stored`.
        sizes: (width, height) of each file as it is stored, None where unknown; default: those that the set states.
        orientations: Exif orientation of each file, 1 to 8; default: 1.
        margin: how far a landmark may lie beyond the image's edge, as a fraction of the side.
        accept: kinds that are meant so and not looked for.

    Returns:
        At most one fault an image, in the order of the set.

    Raises:
        ValueError: if a kind is unknown, or the lengths differ.

    """
    unknown = [kind for kind in accept if kind not in FAULT_KINDS]
    if unknown:
        raise UserError(f"There is no kind of fault {listed(unknown)}. Kinds: {', '.join(FAULT_KINDS)}.")
    images = annotations.images
    known: Sequence[Size | None] = [image.size for image in images] if sizes is None else sizes
    turns = [1] * len(images) if orientations is None else orientations
    if not len(images) == len(known) == len(turns):
        raise UserError(f"Sizes ({len(known)}) and orientations ({len(turns)}) must be those of {len(images)} images.")
    twice = _twice(images) if "twice" not in accept else {}
    percent = _percent(images, known) if "percent" not in accept else {}
    points = [image.points[image.labelled] for image in images]
    all_small = sum(map(len, points)) > 1 and all(map(_is_small, points))
    faults = []
    for index, (image, size, turn) in enumerate(zip(images, known, turns, strict=True)):
        found = {
            "problem": image.problem,
            "twice": twice.get(index, ""),
            "placeholder": _placeholder(image, annotations.names),
            "equal": _equal(image),
            "fractions": _fractions(points[index], size, all_small),
            "percent": percent.get(index, ""),
            **_against_size(image, size, turn, annotations.upright, margin),
        }
        kind = next((kind for kind in FAULT_KINDS if found.get(kind) and kind not in accept), None)
        if kind is not None:
            faults.append(Fault(index, kind, found[kind]))
    return tuple(faults)


def refuse_faults(path: object, annotations: AnnotationSet, faults: Sequence[Fault], count: int = 5) -> None:
    """Raise one message for all faults, kind by kind with their rows; nothing where there is none.

    Args:
        path: of the annotation file, for the message.
        annotations: the set that was judged.
        faults: from :func:`find_faults`.
        count: how many rows of a kind are listed.

    Raises:
        ValueError: if there are faults.

    """
    if not faults:
        return
    lines = []
    for kind, title in FAULT_KINDS.items():
        group = [fault for fault in faults if fault.kind == kind]
        if group:
            lines.append(f"{title} ({count_of(len(group), 'image')}):")
            for fault in group[:count]:
                image = annotations.images[fault.index]
                lines.append(f"  {image.where} ({image.image or 'no image'}): {fault.reason}")
            lines.extend([f"  ... and {len(group) - count} more"] if len(group) > count else [])
    rest = len(annotations.images)
    raise UserError(f"{path}: {len(faults)} of {rest} images cannot be used:\n  " + "\n  ".join(lines))


def never_labelled(annotations: AnnotationSet) -> tuple[str, ...]:
    """Landmarks that no image of the set has a label of."""
    labelled = [image.labelled for image in annotations.images]
    found = np.any(labelled, axis=0) if labelled else np.zeros(len(annotations.names), dtype=bool)
    return tuple(name for name, known in zip(annotations.names, found, strict=True) if not known)


def _twice(images: Sequence[AnnotatedImage]) -> dict[int, str]:
    groups: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        if image.image:
            groups.setdefault(posixpath.normpath(image.image.replace("\\", "/")), []).append(index)
    found = {}
    for group in groups.values():
        places = listed([images[index].where for index in group])
        found.update({index: f"listed {len(group)} times, in {places}; keep one" for index in group if len(group) > 1})
    return found


def _placeholder(image: AnnotatedImage, names: Sequence[str]) -> str:
    """Coordinates of one value that is exactly 0 or negative; tools whose origin is the corner make 0 a -0.5."""
    x = image.points[:, 0]
    value = x + 0.5 if np.isin(x, (-0.5, -1.5)).any() else x
    marked = (image.points == x[:, None]).all(axis=1) & ((x == 0) | (x == -0.5) | (x <= -1))
    if not marked.any():
        return ""
    first = float(value[marked][0])
    which = listed([name for name, flag in zip(names, marked, strict=True) if flag])
    return f"{which} at {'/'.join([f'{first:g}'] * image.spatial_dims)}; leave the cells of a missing landmark empty"


def _equal(image: AnnotatedImage) -> str:
    points = image.points[image.labelled]
    if len(points) < 2 or np.ptp(points, axis=0).max() > _EQUAL:
        return ""
    return f"all {len(points)} points are at ({', '.join(f'{value:g}' for value in points[0])})"


def _is_small(points: np.ndarray) -> bool:
    return not len(points) or bool(points.min() >= -0.5 and points.max() <= 1)


def _fractions(points: np.ndarray, size: Size | None, all_small: bool) -> str:
    tiny = size is not None and max(size) <= 4
    if not len(points) or tiny or not (all_small or (len(points) > 1 and _is_small(points))):
        return ""
    of = f"the {' x '.join(map(str, size))} image" if size else "the image"
    return f"all coordinates lie within {points.min():g} to {points.max():g}; multiply by the sides of {of}"


def _percent(images: Sequence[AnnotatedImage], sizes: Sequence[Size | None]) -> dict[int, str]:
    """Judged on the set: every image is larger than 100 pixels by far, and no point ever lies beyond 100."""
    points = [image.points[image.labelled] for image in images]
    known = [min(size) for size in sizes if size is not None]
    if not known or min(known) < _PERCENT_SIDE:
        return {}
    everything = np.concatenate(points)
    if len(everything) < 2 or everything.min() < -0.5 or everything.max() > 100:
        return {}
    if everything.max(axis=0).min() < _PERCENT_REACH or everything.max() <= 1:
        return {}
    reason = f"no coordinate of the file is above {everything.max():g}; multiply by the sides and divide by 100"
    return {index: reason for index, labelled in enumerate(points) if len(labelled)}


def _against_size(image: AnnotatedImage, size: Size | None, turn: int, upright: bool, margin: float) -> dict[str, str]:
    """Faults that show against the size of a picture's file."""
    if size is None or not len(size) == image.spatial_dims == 2:
        return {}
    turned = (size[1], size[0])
    # A tool that is known to turn pictures has not done so if it states the size of the file.
    seen = turned if upright and turn in _SIDEWAYS and image.size != size else size
    swapped = image.size == turned and image.size != size
    if turn in _SIDEWAYS and not upright and (swapped or _fits_only(image, turned, size, margin)):
        view = f"{turned[0]} x {turned[1]}"
        return {
            "upright": f"they count the upright view ({view}; Exif orientation {turn}), the file is stored sideways"
        }
    if image.size is not None and image.size != seen:
        stated = f"{image.size[0]} x {image.size[1]}"
        return {"other_size": f"the list says {stated}, the image has {seen[0]} x {seen[1]} pixels"}
    if _fits_only(image, turned, seen, margin):
        return {
            "swapped": f"points lie outside of {seen[0]} x {seen[1]} as they are, and inside with x and y exchanged"
        }
    return {}


def _fits_only(image: AnnotatedImage, other: Size, size: Size, margin: float) -> bool:
    """Whether the points lie within an image of the other size and beyond the edge of this one."""
    points = image.points[image.labelled]
    return bool(len(points)) and _beyond(points, size) > margin and _beyond(points, other) <= min(margin, 0.02)


def _beyond(points: np.ndarray, size: Size) -> float:
    """How far the farthest point lies beyond the edge, as a fraction of the side."""
    return float((np.maximum(-0.5 - points, points - (np.array(size) - 0.5)) / size).max())
