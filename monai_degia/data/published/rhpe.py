"""RHPE: radiographs of children with 17 key points a hand, in the COCO form that BoNet reads."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.data.published.coco import CocoHand, coco_record, read_coco
from monai_degia.data.published.joints import RHPE_JOINTS, joint_sources
from monai_degia.data.published.listing import check_choice, dataset_folder, find_in, list_items, settle_incomplete
from monai_degia.errors import UserError

__all__ = ["load_rhpe", "read_rhpe_hands"]

_CHAINS = [("thumb_cmc", "thumb_mcp", "thumb_ip")]
_CHAINS += [(f"{f}_mcp", f"{f}_pip", f"{f}_dip") for f in ("index", "middle", "ring", "little")]


def load_rhpe(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks | None = None,
    split: str = "train",
    annotations: str | PathLike[str] | None = None,
    image_dir: str | PathLike[str] | None = None,
    order: Sequence[str] = RHPE_JOINTS,
    crop_margin: float | None = 0.0,
    incomplete: str = "error",
    domain: str = "rhpe",
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List hands of the Radiological Hand Pose Estimation set (Escobar, Gonzalez et al., MICCAI 2019).

    Read are ``RHPE_Annotations/RHPE_anatomical_ROIs_<split>.json`` (``keypoints``: 17 times x, y, visibility) and
    ``RHPE_<split>/<5 digits>.png``. An image may show both hands, so each item has the ``crop_box`` of its annotation
    for ``CropBoxd``. Some radiographs are white on black, others black on white. Format: github.com/BCV-Uniandes/Bonet,
    data/data_loader.py.

    Neither files nor paper name the key points. ``RHPE_JOINTS`` is their order as the geometry of a public annotation
    shows it: DIP, PIP and MCP of little to index finger, IP, MCP and CMC of the thumb, carpus, forearm. There are no
    fingertips, so ``hand21`` and ``hand17`` cannot be had whole. A file whose hands contradict the order is refused.

    Terms: images and annotations are given out on request by their authors (Universidad de los Andes, with Fundacion
    Santa Fe de Bogota; https://bcv-uniandes.github.io/baar-wp); BoNet's code is under the MIT licence, for the data no
    licence is stated there.

    Args:
        folder: folder with the images and annotations.
        landmarks: name of a set or the K names; None takes all 16 joints that can be had.
        split: ``train``, ``val`` or ``test``.
        annotations: path of the key point file, if it is elsewhere or named otherwise.
        image_dir: folder of the images, if it is elsewhere.
        order: names of the 17 key points, where a release has another order.
        crop_margin: widening of the box on each side, as a share of its sides; None for whole images.
        incomplete: ``error`` refuses hands without all wanted landmarks, ``drop`` leaves them out with a
            warning, ``keep`` takes them with NaN for what they lack.
        domain: name of the domain.
        mirror: mark all images to be mirrored.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``landmarks`` (K, 2), ``class``, ``domain``, ``modality`` (xray), ``mirror`` and
        ``crop_box`` [x_start, y_start, x_end, y_end] in pixels, ends exclusive.

    Raises:
        ValueError: if a folder, file or image is missing, a landmark cannot be had, or annotations do not fit.

    """
    root = dataset_folder(folder, "RHPE")
    check_choice("split", split, ("train", "val", "test"))
    sources = joint_sources("rhpe", landmarks)
    name = f"RHPE_anatomical_ROIs_{split}.json"
    places = [f"RHPE_Annotations/{name}", f"RHPE_ANNOTATIONS/{name}", name]
    file = find_in(root, places if annotations is None else [annotations], "annotations")
    folders = [f"RHPE_{split}", f"RHPE_{split.upper()}"] if image_dir is None else [image_dir]
    hands = read_rhpe_hands(file, order)
    records = [coco_record(hand, order, sources, crop_margin) for hand in hands]
    return list_items(
        file,
        settle_incomplete(file, records, incomplete),
        [find_in(root, folders, "image_dir")],
        domain=domain,
        modality="xray",
        mirror=mirror,
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
        keep=("crop_box",),
    )


def read_rhpe_hands(file: Path, order: Sequence[str]) -> list[CocoHand]:
    """Read hands with 17 key points, if their geometry agrees with the order of the points.

    Args:
        file: COCO key point file.
        order: names of the 17 key points, a permutation of ``RHPE_JOINTS``.

    Returns:
        The hands in the order of the file.

    Raises:
        ValueError: if the order is not a permutation; if in half of the fully labelled hands or more a finger does
            not lead away from the carpus in the order MCP, PIP, DIP (thumb CMC, MCP, IP).

    """
    if sorted(order) != sorted(RHPE_JOINTS):
        raise UserError(f"order must name each of {', '.join(RHPE_JOINTS)} once, got {list(order)}.")
    hands, _ = read_coco(file, len(order))
    whole = [hand.points for hand in hands if hand.labelled.all() and np.isfinite(hand.points).all()]
    contrary = sum(not _leads_outwards(points, list(order)) for points in whole)
    if whole and 2 * contrary >= len(whole):
        raise UserError(
            f"{file}: in {contrary} of {len(whole)} hands the key points do not lie on a hand in the order "
            f"{', '.join(order)}. Pass order=... with the names in the order of this file."
        )
    return hands


def _leads_outwards(points: np.ndarray, order: list[str]) -> bool:
    carpus = points[order.index("carpus")]
    away = [[np.linalg.norm(points[order.index(name)] - carpus) for name in chain] for chain in _CHAINS]
    return bool((np.diff(away, axis=1) > 0).all())
