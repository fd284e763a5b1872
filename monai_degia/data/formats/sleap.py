"""SLEAP: ``.slp`` files, read through ``sleap-io``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from monai_degia.data.formats.annotations import AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.objects import LabelledObject, annotation_set, image_path, which_of
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions
from monai_degia.errors import MissingExtraError, UserError
from monai_degia.io.suffixes import IMAGE_SUFFIXES

__all__ = ["SLEAP"]

_LABELS = {"metadata", "frames", "instances", "points"}
_ANALYSIS = {"tracks", "node_names"}


def _recognise(content: Content) -> bool:
    return content.kind == "hdf5" and any(keys <= content.value.keys() for keys in (_LABELS, _ANALYSIS))


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read the instances that a person set; predicted ones are left out and counted.

    Pixel centres are at integers: so it is since version 1.1 of the format, and ``sleap-io`` takes half a pixel off
    what is older (sleap_io 0.9.5, io/slp.py). An instance's track is its ``individual``. A frame of a list of pictures
    is that picture; one of a video is in no file of its own and has a ``problem``.
    """
    if not content.value.keys() >= _LABELS:
        raise UserError(f"{content.path} is an analysis file of SLEAP, tracks of a video. Pass the .slp file.")
    try:
        import sleap_io
    except ImportError as error:
        raise MissingExtraError(f"{content.path} is of SLEAP: pip install monai_degia[sleap].") from error
    try:
        labels = sleap_io.load_slp(str(content.path), open_videos=False)
    except Exception as error:  # whatever a damaged file makes it raise
        raise UserError(f"{content.path} cannot be read by sleap-io ({type(error).__name__}: {error}).") from error
    if len(labels.skeletons) != 1:
        raise UserError(f"{content.path} has {len(labels.skeletons)} skeletons, and one is expected.")
    skeleton = labels.skeletons[0]
    names = [node.name for node in skeleton.nodes]
    left_out = Counter[str]()
    instances = list(_instances(labels, left_out))
    tracks = list(dict.fromkeys(track for _, _, track, _ in instances if track))
    if options.individual is not None:
        which_of("individual", options.individual, tracks, "")
        left_out["instance of another track"] = sum(track != options.individual for _, _, track, _ in instances)
        instances = [entry for entry in instances if entry[2] == options.individual]
    objects = [_object(where, frame, points, names) for where, frame, _, points in instances]
    bones = [(edge.source.name, edge.destination.name) for edge in skeleton.edges]
    notes = [f"Left out, {kind}: {number}." for kind, number in left_out.items() if number]
    return annotation_set("sleap", objects, options, names, bones, notes)


def _instances(labels: Any, left_out: Counter[str]) -> Iterator[tuple[str, Any, str, np.ndarray]]:
    """Place in the file, frame, track and points (K, 2) of each instance that a person set."""
    for number, frame in enumerate(labels.labeled_frames):
        for instance in frame.instances:
            points = np.asarray(instance.numpy(), dtype=np.float64)[:, :2]
            if hasattr(instance, "score"):
                left_out["predicted instance"] += 1
            elif not np.isfinite(points).any():
                left_out["instance without a labelled point"] += 1
            else:
                yield f"frame {number}", frame, instance.track.name if instance.track else "", points


def _object(where: str, frame: Any, points: np.ndarray, names: Sequence[str]) -> LabelledObject:
    path = _picture(frame.video, int(frame.frame_idx))
    problem = "" if path.lower().endswith(IMAGE_SUFFIXES) else "a frame of a video: save it as a picture of its own"
    return LabelledObject(
        image=path,
        points={name: (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True) if x == x or y == y},
        where=where,
        problem=problem,
        aliases=(path.rpartition("/")[2],),
    )


def _picture(video: Any, index: int) -> str:
    """Path of a frame's picture; of a video the path with the frame behind it."""
    while getattr(video, "source_video", None) is not None:  # what a .pkg.slp holds copies of
        video = video.source_video
    if isinstance(video.filename, list):
        return image_path(video.filename[index]) if index < len(video.filename) else ""
    name = image_path(video.filename)
    return name if index == 0 and name.lower().endswith(IMAGE_SUFFIXES) else f"{name}, frame {index}"


SLEAP = AnnotationFormat(
    name="sleap",
    title="SLEAP",
    sign="an HDF5 file with metadata, frames, instances and points",
    recognise=_recognise,
    read=_read,
    options=frozenset({"individual"}),
)
