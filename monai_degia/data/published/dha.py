"""Digital Hand Atlas: radiographs with 37 points by experts, ``all.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.data.published.joints import DHA_JOINTS, JointSource, joint_sources, pick_joints
from monai_degia.data.published.listing import dataset_folder, find_in, list_items, read_table
from monai_degia.data.published.records import Record
from monai_degia.errors import UserError
from monai_degia.io.suffixes import IMAGE_SUFFIXES

__all__ = ["load_dha"]

_POINTS = len(DHA_JOINTS)
_COLUMNS = [f"{axis}{i}" for i in range(_POINTS) for axis in "xy"]
_SUFFIXES = IMAGE_SUFFIXES


def load_dha(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks = "hand21",
    annotations: str | PathLike[str] | None = None,
    image_dir: str | PathLike[str] | None = None,
    wrist_width_mm: float | None = 50.0,
    wrist_points: Sequence[int] = (1, 5),
    domain: str = "dha",
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List radiographs of the Digital Hand Atlas with the points of Payer et al. (Medical Image Analysis 54, 2019).

    ``all.csv`` has no header: image number, then x and y of 37 points in pixels of the image file; one or two more
    cells are its pixel size in mm (x, y). A file with a header has the columns ``image`` (or ``id``), ``x0``, ``y0`` to
    ``x36``, ``y36`` and, if known, ``spacing_mm``. Where no size is given, the wrist is taken to be 50 mm wide, as
    is usual with this set, so millimetres are estimates. The points that span the wrist are 1 and 5, counted from 0, in
    the evaluation of the authors' MedicalDataAugmentationTool (``normalization_indizes=[1, 5]``); later work
    (github.com/JuzhengMiao/FM-OSD, datasets/hand.py) takes 0 and 4, by which five hands of the set come out 3 to
    15 % smaller. Images that the file does not list are not looked at.

    Terms: the repository with the points is under GPL-3.0; the atlas is given out by the Image Processing and
    Informatics Lab, University of Southern California (https://ipilab.usc.edu/research/baaweb), whose page is to be
    read for the terms of the images.

    Args:
        folder: folder with file and images.
        landmarks: name of a set or the K names, all of ``hand21`` can be had; see ``JOINT_MAPPING["dha"]``.
        annotations: the file; by default ``all.csv``, else ``landmarks37.csv``.
        image_dir: folder of the images; by default ``images``, else ``jpg``, else the folder itself.
        wrist_width_mm: width that is assumed where the file gives no pixel size; None for no size.
        wrist_points: the two points, 0 to 36, that lie so far apart.
        domain: name of the domain.
        mirror: mark all images to be mirrored.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``landmarks`` (K, 2), ``class``, ``domain``, ``modality`` (xray), ``mirror`` and, where
        known or assumed, ``spacing`` [sx, sy] in mm.

    Raises:
        ValueError: if a folder, file or image is missing, a row does not have 37 points, or a number is NaN.

    """
    root = dataset_folder(folder, "the Digital Hand Atlas")
    if wrist_width_mm is not None and not 0 < wrist_width_mm < float("inf"):
        raise UserError(f"wrist_width_mm must be a positive length in mm, or None, got {wrist_width_mm}.")
    if len(set(wrist_points)) != 2 or not all(0 <= i < _POINTS for i in wrist_points):
        raise UserError(f"wrist_points must be two different points from 0 to 36, got {list(wrist_points)}.")
    sources = joint_sources("dha", landmarks)
    file = find_in(root, ["all.csv", "landmarks37.csv"] if annotations is None else [annotations], "annotations")
    images = find_in(root, ["images", "jpg", "."] if image_dir is None else [image_dir], "image_dir")
    known = _images_by_number(images)
    wrist = None if wrist_width_mm is None else (wrist_width_mm, tuple(wrist_points))
    records = [_record(*row, known, sources, wrist) for row in _rows(file)]
    return list_items(
        file,
        records,
        [images],
        domain=domain,
        modality="xray",
        mirror=mirror,
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
    )


def _images_by_number(folder: Path) -> dict[str, str]:
    """File names by name without ending, numbers without leading zeros."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder. Pass image_dir=... with the folder of the images.")
    return {_number(file.name): file.name for file in sorted(folder.iterdir()) if _stem(file.name) != file.name}


def _stem(name: str) -> str:
    endings = [suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)]
    return name[: -max(map(len, endings))] if endings else name


def _number(name: str) -> str:
    stem = _stem(name)
    return str(int(stem)) if stem.isdecimal() else stem


def _rows(file: Path) -> list[tuple[int, list[str], str]]:
    """Line, cells (image, 74 coordinates, the pixel size if there is one) and what is wrong with their number."""
    table = read_table(file)
    header = table[0][1]
    if header[0].lower() not in ("image", "id"):
        counts = range(1 + 2 * _POINTS, 4 + 2 * _POINTS)
        expected = f"expected the image, {_POINTS} times x, y, and at most 2 for the pixel size"
        return [(n, cells, "" if len(cells) in counts else f"{len(cells)} cells; {expected}") for n, cells in table]
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise UserError(f"{file} lacks {len(missing)} of the columns x0, y0 to x36, y36, the first is {missing[0]}.")
    wanted = [header[0], *_COLUMNS, *(["spacing_mm"] if "spacing_mm" in header else [])]
    order = [header.index(column) for column in wanted]
    return [
        (n, [cells[i] for i in order], "")
        if len(cells) == len(header)
        else (n, cells, f"{len(cells)} cells where the header has {len(header)}")
        for n, cells in table[1:]
    ]


def _record(
    line: int,
    cells: list[str],
    problem: str,
    images: dict[str, str],
    sources: Sequence[JointSource],
    wrist: tuple[float, tuple[int, ...]] | None,
) -> Record:
    where, image = f"line {line}", images.get(_number(cells[0]), cells[0])
    numbers, size = cells[1 : 1 + 2 * _POINTS], [cell for cell in cells[1 + 2 * _POINTS :] if cell]
    if problem:
        return Record(where, image, [], {}, problem)
    try:
        points = np.array(numbers, dtype=np.float64).reshape(_POINTS, 2)
        fields: dict[str, Any] = {"spacing_mm": [float(cell) for cell in size]} if size else {}
    except ValueError:
        return Record(where, image, [], {}, "a coordinate or pixel size is not a number")
    if wrist and not fields:
        width = float(np.linalg.norm(points[wrist[1][0]] - points[wrist[1][1]]))
        if not 0 < width < float("inf"):
            problem = f"points {wrist[1][0]} and {wrist[1][1]} of the wrist coincide or are NaN or infinite"
            return Record(where, image, [], {}, problem)
        fields["spacing_mm"] = wrist[0] / width
    return Record(where, image, pick_joints(points, DHA_JOINTS, sources).tolist(), fields)
