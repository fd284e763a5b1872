"""Hands in COCO key point files: ``images``, ``annotations`` with ``keypoints`` (x, y, visibility) and ``bbox``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.published.joints import JointSource, pick_joints
from monai_degia.data.published.listing import read_json_file
from monai_degia.data.published.records import Record
from monai_degia.errors import UserError

__all__ = ["CocoHand", "coco_record", "crop_box", "read_coco"]


@dataclass(frozen=True, eq=False)
class CocoHand:
    """One annotation of a COCO file.

    Attributes:
        where: place in the file for messages.
        image: file name as written; empty if the annotation belongs to no image.
        points: pixel coordinates (J, 2).
        labelled: bool (J,), False where the visibility is 0 or the point (0, 0).
        box: [x, y, width, height] in pixels, or whatever the file has.
        problem: why it cannot be read; empty if it can.

    """

    where: str
    image: str
    points: np.ndarray
    labelled: np.ndarray
    box: Any
    problem: str = ""


def read_coco(path: Path, count: int) -> tuple[list[CocoHand], tuple[str, ...] | None]:
    """Read all annotations of a COCO key point file.

    Args:
        path: the file.
        count: number J of key points that the set has.

    Returns:
        The hands in the order of the file, and the J names of the first category if the file gives them.

    Raises:
        ValueError: if the file is no COCO key point file.

    """
    content = read_json_file(path)
    parts: list[Any] = [content.get(key) if isinstance(content, dict) else None for key in ("images", "annotations")]
    if not all(isinstance(part, list) and all(isinstance(entry, dict) for entry in part) for part in parts):
        raise UserError(f"{path} is no COCO file: it needs lists of objects 'images' and 'annotations'.")
    names = {str(image.get("id")): str(image.get("file_name", "")) for image in parts[0]}
    hands = [_hand(f"annotations[{i}]", entry, names, count) for i, entry in enumerate(parts[1])]
    categories = content.get("categories")
    first = categories[0] if isinstance(categories, list) and categories and isinstance(categories[0], dict) else {}
    own = first.get("keypoints")
    return hands, tuple(map(str, own)) if isinstance(own, list) and len(own) == count else None


def _hand(where: str, entry: dict[str, Any], names: dict[str, str], count: int) -> CocoHand:
    image, problem = names.get(str(entry.get("image_id")), ""), ""
    try:
        values = np.array(entry.get("keypoints"), dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        values = np.empty(0)
    if len(values) != 3 * count:
        problem = f"keypoints are not {count} triples of numbers x, y, visibility"
        values = np.zeros(3 * count)
    if not image:
        problem = f"image_id {entry.get('image_id')!r} is not among the images"
    triples = values.reshape(count, 3)
    labelled = (triples[:, 2] > 0) & (triples[:, :2] != 0).any(axis=1)  # (0, 0) is how files leave a point out
    return CocoHand(where, image, triples[:, :2], labelled, entry.get("bbox"), problem)


def crop_box(box: Any, margin: float) -> list[int]:
    """Pixels that a box with a margin touches.

    Args:
        box: [x, y, width, height] in pixels; may reach beyond the image.
        margin: widening on each side, as a share of width and height.

    Returns:
        [x_start, y_start, x_end, y_end], integers, ends exclusive.

    Raises:
        ValueError: if the box is not four finite numbers with positive width and height.

    """
    try:
        x, y, width, height = (float(value) for value in box)
    except (TypeError, ValueError):
        raise UserError(f"bbox {box!r:.60} is not [x, y, width, height]") from None
    if not (math.isfinite(x + y + width + height) and min(width, height) > 0):
        raise UserError(f"bbox {box!r:.60} has no area")
    dx, dy = margin * width, margin * height
    return [math.floor(x - dx), math.floor(y - dy), math.ceil(x + width + dx), math.ceil(y + height + dy)]


def coco_record(
    hand: CocoHand, own_names: Sequence[str], sources: Sequence[JointSource], margin: float | None
) -> Record:
    """A record of the wanted joints of a hand.

    Args:
        hand: the annotation.
        own_names: names of its J points.
        sources: the K wanted joints.
        margin: of the field ``crop_box``, see :func:`crop_box`; None for none.

    Returns:
        The record; its field ``incomplete`` says which wanted joints have no label, if any.

    Raises:
        ValueError: if a wanted joint is not among the names.

    """
    known = np.where(hand.labelled[:, None], hand.points, np.nan)
    points = pick_joints(known, own_names, sources).tolist()
    wanted = [name for source in sources for name in source.names]
    lacking = [name for name in wanted if not hand.labelled[list(own_names).index(name)]]
    fields: dict[str, Any] = {}
    problem = hand.problem
    if lacking and not problem:
        fields["incomplete"] = f"{len(lacking)} points have no label: {', '.join(lacking[:4])}"
    try:
        if margin is not None and not problem:
            fields["crop_box"] = crop_box(hand.box, margin)
    except ValueError as error:
        problem = f"{error}; crop_margin=None takes the whole image"
    return Record(hand.where, hand.image, points, fields, problem)
