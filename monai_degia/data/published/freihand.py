"""Photographs of single hands: FreiHAND in its own files, OneHand10K in the COCO form of MMPose."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.landmark_sets import HAND21, Landmarks
from monai_degia.data.published.coco import CocoHand, coco_record, read_coco
from monai_degia.data.published.joints import ONEHAND10K_JOINTS, joint_sources, pick_joints
from monai_degia.data.published.listing import (
    check_choice,
    dataset_folder,
    find_in,
    list_items,
    read_json_file,
    settle_incomplete,
)
from monai_degia.data.published.records import Record
from monai_degia.errors import UserError

__all__ = ["FREIHAND_VERSIONS", "load_freihand", "load_onehand10k"]

#: Background of the training images, in the order in which the four copies are numbered: green screen, then three
#: ways of putting another background behind the hand.
FREIHAND_VERSIONS = ("gs", "hom", "sample", "auto")
_ENOUGH_HANDS = 10  # in a file of fewer, most may happen to be fists


def load_freihand(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks = "hand21",
    split: str = "training",
    version: str = "gs",
    domain: str = "freihand",
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List photographs of FreiHAND (Zimmermann et al., ICCV 2019).

    Read are ``<split>_xyz.json`` (N times 21 points in metres before the camera), ``<split>_K.json`` (N camera
    matrices) and ``<split>/rgb/<8 digits>.jpg``; a landmark is the projection K x / z. The points are wrist, then
    thumb to little finger from palm to tip, the order of ``hand21``. All are right hands. Format:
    github.com/lmb-freiburg/freihand, utils/fh_utils.py.

    Terms: "for research purposes only and without any warranty. Any commercial use is prohibited"; the paper must be
    cited (README of that repository).

    Args:
        folder: folder with ``training`` and the JSON files.
        landmarks: name of a set or the K names, all of ``hand21`` can be had.
        split: ``training`` or ``evaluation``; labels of the latter are a download of their own.
        version: background of the training images, one of ``FREIHAND_VERSIONS``; the labels are the same for all.
        domain: name of the domain.
        mirror: mark all images to be mirrored.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``landmarks`` (K, 2), ``class``, ``domain``, ``modality`` (photo) and ``mirror``.

    Raises:
        ValueError: if a folder, file or image is missing, an option is unknown, or counts, shapes or numbers do not
            fit.

    """
    root = dataset_folder(folder, "FreiHAND")
    check_choice("split", split, ("training", "evaluation"))
    check_choice(f"version of {split}", version, FREIHAND_VERSIONS if split == "training" else FREIHAND_VERSIONS[:1])
    sources = joint_sources("freihand", landmarks)
    file = root / f"{split}_xyz.json"
    xyz, cameras = _numbers(file, (len(HAND21), 3)), _numbers(root / f"{split}_K.json", (3, 3))
    if len(xyz) != len(cameras):
        raise UserError(f"{root} holds {len(xyz)} hands and {len(cameras)} cameras. Unpack the set again.")
    first = FREIHAND_VERSIONS.index(version) * len(xyz)
    with np.errstate(divide="ignore", invalid="ignore"):  # points that no camera sees are refused below
        seen = np.einsum("nij,nkj->nki", cameras, xyz)
        points = pick_joints(seen[..., :2] / seen[..., 2:], HAND21, sources)
    records = [
        Record(
            f"entry {i}",
            f"{first + i:08d}.jpg",
            points[i].tolist(),
            {},
            "a joint lies behind the camera" if (seen[i, :, 2] <= 0).any() else "",
        )
        for i in range(len(xyz))
    ]
    return list_items(
        file,
        records,
        [find_in(root, [f"{split}/rgb"], "folder")],
        domain=domain,
        modality="photo",
        mirror=mirror,
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
    )


def _numbers(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    content = read_json_file(path)
    try:
        array = np.array(content, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape[1:] != shape or not len(array):
        wanted = " x ".join(map(str, shape))
        raise UserError(f"{path} must be a list of {wanted} numbers for each image. Unpack the set again.")
    return array


def load_onehand10k(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks = "hand21",
    annotations: str | PathLike[str] = "annotations/onehand10k_train.json",
    image_dir: str | PathLike[str] = ".",
    crop_margin: float | None = 0.25,
    incomplete: str = "error",
    domain: str = "onehand10k",
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List photographs of OneHand10K (Wang, Peng and Liu, IEEE TCSVT 29, 2019) from MMPose's annotation files.

    The files are COCO: ``keypoints`` are 21 times x, y, visibility, names are those of the category or, if it has
    none, ``ONEHAND10K_JOINTS``. Unlabelled points (0, 0, 0) are frequent, and an item has all its landmarks: see
    ``incomplete``. Other sets that MMPose gives in this form (FreiHAND, CMU Panoptic) are read too. RHD is not: under
    the same names it numbers each finger from the tip, which the points tell. Format:
    github.com/open-mmlab/mmpose, configs/_base_/datasets/onehand10k.py and docs on 2D hand key points.

    Terms: none are stated in the annotation files; the images come from the authors
    (https://yangangwang.com/papers/WANG-MCC-2018-10.html), whose page is to be read for theirs.

    Args:
        folder: folder to which the annotation file's image names are relative, with ``Train`` and ``Test``.
        landmarks: name of a set or the K names, all of ``hand21`` can be had.
        annotations: the annotation file.
        image_dir: folder of the images, if the names are relative to another.
        crop_margin: widening of the annotated box on each side for ``crop_box``, as a share of its sides; None for
            whole images.
        incomplete: ``error`` refuses hands without all wanted landmarks, ``drop`` leaves them out with a
            warning, ``keep`` takes them with NaN for what they lack.
        domain: name of the domain.
        mirror: mark all images to be mirrored.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``landmarks`` (K, 2), ``class``, ``domain``, ``modality`` (photo), ``mirror`` and
        ``crop_box`` [x_start, y_start, x_end, y_end] in pixels, ends exclusive.

    Raises:
        ValueError: if a folder, file or image is missing, a joint is not named, annotations do not fit, or fingers are
            numbered from the tip.

    """
    root = dataset_folder(folder, "OneHand10K")
    sources = joint_sources("onehand10k", landmarks)
    file = find_in(root, [annotations], "annotations")
    hands, own_names = read_coco(file, len(ONEHAND10K_JOINTS))
    joints = own_names or ONEHAND10K_JOINTS
    _check_direction(file, hands, joints)
    records = [coco_record(hand, joints, sources, crop_margin) for hand in hands]
    return list_items(
        file,
        settle_incomplete(file, records, incomplete),
        [find_in(root, [image_dir], "image_dir")],
        domain=domain,
        modality="photo",
        mirror=mirror,
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
        keep=("crop_box",),
    )


def _check_direction(file: Path, hands: Sequence[CocoHand], joints: Sequence[str]) -> None:
    """A clenched finger points back to the wrist, most of many fingers do not."""
    places = [list(joints).index(name) for name in ONEHAND10K_JOINTS if name in joints]
    whole = [hand.points[places] for hand in hands if hand.labelled.all()]
    if len(places) < len(ONEHAND10K_JOINTS) or len(whole) < _ENOUGH_HANDS:
        return
    points = np.stack(whole)
    away = np.linalg.norm(points[:, 1:] - points[:, :1], axis=-1).reshape(len(whole), 5, 4)
    backwards = float((away[..., 3] < away[..., 0]).mean())
    if backwards > 0.5:
        raise UserError(
            f"{file}: {backwards:.0%} of the fingers of {len(whole)} hands end nearer to the wrist than they begin, as "
            "if numbered from the tip. Name the key points in the file's category in their true order, "
            f"{', '.join(ONEHAND10K_JOINTS[1:5])} leading from palm to tip."
        )
