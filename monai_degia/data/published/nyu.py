"""NYU Hand Pose: RGB and depth of three Kinects, 36 points a frame."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.data.published.joints import joint_sources, pick_joints
from monai_degia.data.published.listing import check_choice, dataset_folder, list_items
from monai_degia.data.published.records import Record
from monai_degia.errors import UserError
from monai_degia.io.mat_files import read_mat

__all__ = ["NYU_FOCAL", "NYU_KINDS", "load_nyu"]

#: Focal lengths (x, y) of the Kinects in pixels, from the set's ``convert_xyz_to_uvd.m``.
NYU_FOCAL = (588.036865, 587.075073)
#: Kind of image, the start of its file names, and its modality.
NYU_KINDS = {"rgb": "photo", "depth": "depth", "synthdepth": "depth"}
_VIEWS = 3


def load_nyu(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks = "hand21",
    split: str = "test",
    kind: str = "depth",
    views: Sequence[int] = (1,),
    every: int = 1,
    cube_mm: float | None = 300.0,
    domain: str | None = None,
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List images of NYU Hand Pose (Tompson, Stein, LeCun and Perlin, ACM Transactions on Graphics 33, 2014).

    Read are ``<split>/joint_data.mat`` (``joint_names``, ``joint_uvd`` (views, N, 36, 3): pixel x, pixel y, depth in
    mm) and ``<split>/<kind>_<view>_<frame>.png``, frames from 0000001. Depth lies in the green (high) and blue (low)
    bytes. The cube around a hand is a field of its item: ``CropBoxd`` cuts the image to ``crop_box``, and
    ``DecodeDepthd`` decodes depth and clears what lies before or behind the cube. Format: the MATLAB scripts that come
    with the set; meaning of the points: github.com/zanecodes/thesis, docs/nyu_dataset.md.

    Terms: the set is given out at https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm; what was read for this
    loader states no licence, so check that page before use.

    Args:
        folder: folder with ``train`` and ``test``.
        landmarks: name of a set or the K names, all of ``hand21`` can be had; see ``JOINT_MAPPING["nyu"]``.
        split: ``train`` (72,757 frames of one person) or ``test`` (8,252 frames of two).
        kind: ``rgb``, ``depth`` or ``synthdepth`` (rendered from the fitted model).
        views: 1 (front), 2, 3; each view of a frame is an item.
        every: take every n-th frame; neighbours in this video hardly differ.
        cube_mm: side of the cube around the mean of all points, in mm; None for whole images with background.
        domain: name of the domain; by default ``nyu_<kind>``.
        mirror: mark all images to be mirrored, where the other training data show the other hand.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``landmarks`` (K, 2), ``class``, ``domain``, ``modality``, ``mirror``; with a cube
        ``crop_box`` [x_start, y_start, x_end, y_end] in pixels, ends exclusive; for depth ``depth_encoding`` and, with
        a cube, ``depth_window_mm`` [near, far].

    Raises:
        ValueError: if a folder, file or image is missing, an option is unknown, counts do not fit, or a label is NaN.

    """
    root = dataset_folder(folder, "NYU Hand Pose") / split
    check_choice("split", split, ("train", "test"))
    check_choice("kind", kind, NYU_KINDS)
    _check_options(views, every, cube_mm)
    sources = joint_sources("nyu", landmarks)
    names, uvd = _read_labels(root / "joint_data.mat")
    if max(views) > len(uvd):
        raise UserError(f"{root / 'joint_data.mat'} labels {len(uvd)} views, asked for {list(views)}.")
    points = pick_joints(uvd[..., :2], names, sources)
    records = [
        _record(view, frame + 1, points[view - 1, frame], uvd[view - 1, frame], kind, cube_mm)
        for frame in range(0, uvd.shape[1], every)
        for view in views
    ]
    return list_items(
        root / "joint_data.mat",
        records,
        [root],
        domain=domain or f"nyu_{kind}",
        modality=NYU_KINDS[kind],
        mirror=mirror,
        outside_margin=outside_margin,
        allow_outside_files=allow_outside_files,
        keep=("crop_box", "depth_encoding", "depth_window_mm"),
    )


def _check_options(views: Sequence[int], every: int, cube_mm: float | None) -> None:
    known = range(1, _VIEWS + 1)
    if not views or len(set(views)) != len(views) or any(view not in known for view in views):
        raise UserError(f"views must be different numbers among 1, 2, 3, got {list(views)}.")
    if every < 1:
        raise UserError(f"every must be at least 1, got {every}.")
    if cube_mm is not None and not 0 < cube_mm < float("inf"):
        raise UserError(f"cube_mm must be a positive length in mm, or None, got {cube_mm}.")


def _read_labels(path: Path) -> tuple[list[str], np.ndarray]:
    if not path.is_file():
        raise UserError(f"There is no file {path}. Pass the folder that holds train and test of NYU Hand Pose.")
    content = read_mat(path, ["joint_names", "joint_uvd"])
    if not {"joint_names", "joint_uvd"} <= set(content):
        raise UserError(f"{path} needs joint_names and joint_uvd. Unpack the set again.")
    names = [str(np.squeeze(cell)) for cell in content["joint_names"].reshape(-1)]
    uvd = content["joint_uvd"]
    if uvd.dtype.kind not in "fiu" or uvd.ndim != 4 or uvd.shape[2:] != (len(names), 3):
        raise UserError(f"{path}: joint_uvd must be numbers (views, N, {len(names)}, 3), got {uvd.dtype} {uvd.shape}.")
    return names, uvd.astype(np.float64)


def _record(view: int, frame: int, points: np.ndarray, uvd: np.ndarray, kind: str, cube_mm: float | None) -> Record:
    """One image, its landmarks (K, 2) and all 36 points (36, 3) of it."""
    where, image = f"view {view}, frame {frame}", f"{kind}_{view}_{frame:07d}.png"
    fields: dict[str, Any] = {} if kind == "rgb" else {"depth_encoding": "nyu"}
    if cube_mm is None:
        return Record(where, image, points.tolist(), fields)
    if not (np.isfinite(uvd).all() and (uvd[:, 2] > 0).all()):
        problem = "joint_uvd holds NaN, infinity or a depth of 0 or less; cube_mm=None does without a cube"
        return Record(where, image, points.tolist(), fields, problem)
    u, v, depth = (float(mean) for mean in uvd.mean(axis=0))
    half_u, half_v = (0.5 * cube_mm * focal / depth for focal in NYU_FOCAL)
    fields["crop_box"] = [round(u - half_u), round(v - half_v), round(u + half_u) + 1, round(v + half_v) + 1]
    if kind != "rgb":
        fields["depth_window_mm"] = [max(depth - 0.5 * cube_mm, 0.0), depth + 0.5 * cube_mm]
    return Record(where, image, points.tolist(), fields)
