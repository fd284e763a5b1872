"""RSNA Pediatric Bone Age: radiographs and bone ages; landmarks from BoNet's files where given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.data.published.coco import coco_record
from monai_degia.data.published.joints import RHPE_JOINTS, joint_sources
from monai_degia.data.published.listing import dataset_folder, find_in, list_items, read_table, settle_incomplete
from monai_degia.data.published.records import Record
from monai_degia.data.published.rhpe import read_rhpe_hands
from monai_degia.errors import UserError

__all__ = ["load_rsna"]

_ID_COLUMNS = ("id", "image id", "case id")
_AGE_COLUMNS = ("boneage", "bone age (months)", "ground truth bone age (months)")


def load_rsna(
    folder: str | PathLike[str],
    *,
    landmarks: Landmarks | None = None,
    annotations: str | PathLike[str] = "boneage-training-dataset.csv",
    image_dir: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    keypoints: str | PathLike[str] | None = None,
    order: Sequence[str] = RHPE_JOINTS,
    crop_margin: float | None = None,
    incomplete: str = "error",
    domain: str = "rsna",
    mirror: bool = False,
    outside_margin: float = 0.1,
    allow_outside_files: bool = False,
) -> list[dict[str, Any]]:
    """List radiographs of the RSNA Pediatric Bone Age Challenge (Halabi et al., Radiology 290, 2019).

    Read are a table with ``id,boneage,male`` (training), ``Image ID,male,Bone Age (months)`` (validation) or
    ``Case ID,Sex`` (test), and ``<id>.png``. The set has no landmarks: without ``keypoints`` the list serves inference.
    BoNet's authors labelled 17 points for training and validation (``RSNA_Anatomical_ROIs_Training.json``), in the
    form of RHPE; see :func:`monai_degia.data.published.rhpe.load_rhpe` for their order and what they lack. The table
    decides which images are listed; key points of other images are not looked at.

    Terms: those of the challenge, "RSNA 2017 AI Challenge Terms of Use and Attribution" on rsna.org; read them before
    use.

    Args:
        folder: folder with table and images.
        landmarks: with ``keypoints``, name of a set or the K names; None takes all 16 joints that can be had.
        annotations: the table.
        image_dir: folder or folders of the images; by default the one named after the table, also if nested twice.
        keypoints: BoNet's key point file for these images.
        order: names of the 17 key points, where a file has another order.
        crop_margin: with ``keypoints``, crop to the annotated box widened by this share of its sides; None for whole
            images.
        incomplete: ``error`` refuses images without all wanted landmarks, ``drop`` leaves them out with a
            warning, ``keep`` takes them with NaN for what they lack.
        domain: name of the domain.
        mirror: mark all images to be mirrored; the set shows left hands, thumb to the right.
        outside_margin: how far a landmark may lie beyond the image, as a fraction of the side.
        allow_outside_files: see :func:`monai_degia.load_datalist`.

    Returns:
        Items with ``image``, ``domain``, ``modality`` (xray), ``mirror`` and, if the table has it, ``bone_age_months``;
        with ``keypoints`` also ``landmarks`` (K, 2), ``class`` and, with a margin, ``crop_box``.

    Raises:
        ValueError: if a folder, file or image is missing, landmarks are asked for without key points, an image is
            listed or labelled twice, or labels do not fit.

    """
    root = dataset_folder(folder, "RSNA Bone Age")
    if landmarks is not None and keypoints is None:
        raise UserError("RSNA Bone Age has no landmarks of its own. Pass keypoints=... or leave landmarks out.")
    table = find_in(root, [annotations], "annotations")
    folders = _image_folders(root, table, image_dir)
    records = _rows(table)
    common: dict[str, Any] = {
        "domain": domain,
        "modality": "xray",
        "mirror": mirror,
        "outside_margin": outside_margin,
        "allow_outside_files": allow_outside_files,
    }
    if keypoints is None:
        items = list_items(table, records, folders, keep=("bone_age_months",), **common)
        return [{key: value for key, value in item.items() if key not in ("landmarks", "class")} for item in items]
    file = find_in(root, [keypoints], "keypoints")
    sources = joint_sources("rsna", landmarks)
    labelled = [coco_record(hand, order, sources, crop_margin) for hand in read_rhpe_hands(file, order)]
    joined = settle_incomplete(file, _join(records, labelled), incomplete)
    return list_items(file, joined, folders, keep=("bone_age_months", "crop_box"), **common)


def _image_folders(root: Path, table: Path, image_dir: Any) -> list[Path]:
    if image_dir is not None:
        given = [image_dir] if isinstance(image_dir, str | PathLike) else list(image_dir)
        return [find_in(root, [name], "image_dir") for name in given]
    nested = [root / table.stem / table.stem, root / table.stem, root / "images"]
    return [folder for folder in nested if folder.is_dir()] or [find_in(root, [table.stem], "image_dir")]


def _rows(table: Path) -> list[Record]:
    (_, header), *rows = read_table(table)
    lowered = [column.lower() for column in header]
    ids = [lowered.index(name) for name in _ID_COLUMNS if name in lowered]
    ages = [lowered.index(name) for name in _AGE_COLUMNS if name in lowered]
    if not ids:
        raise UserError(f"{table} has no column id, Image ID or Case ID; its columns: {', '.join(header)}.")
    counts = Counter(row[ids[0]] for _, row in rows if len(row) > ids[0])
    return [_row(line, row, len(header), ids[0], ages[0] if ages else None, counts) for line, row in rows]


def _row(line: int, row: list[str], width: int, id_at: int, age_at: int | None, counts: Mapping[str, int]) -> Record:
    where, anywhere = f"line {line}", [[0.0, 0.0]]  # the rules of data lists want a point; none is handed on
    if len(row) != width:
        return Record(where, "", anywhere, {}, f"{len(row)} cells where the header has {width}")
    image = f"{row[id_at].removesuffix('.png')}.png" if row[id_at] else ""
    if counts[row[id_at]] > 1:
        return Record(where, image, anywhere, {}, f"the image is listed {counts[row[id_at]]} times")
    if age_at is None:
        return Record(where, image, anywhere, {})
    try:
        age = float(row[age_at])
    except ValueError:
        age = float("nan")
    if not 0 <= age < float("inf"):
        return Record(where, image, anywhere, {}, f"bone age {row[age_at]!r} is not a number of months")
    return Record(where, image, anywhere, {"bone_age_months": age})


def _join(rows: list[Record], labelled: list[Record]) -> list[Record]:
    found: dict[str, list[Record]] = {}
    for record in labelled:
        found.setdefault(Path(record.image).name, []).append(record)
    joined = []
    for row in rows:
        hands = found.get(row.image, [])
        problem = row.problem or (f"{len(hands)} annotations of one image" if len(hands) > 1 else "")
        if problem or not hands:
            fields = {**row.fields, **({} if problem else {"incomplete": "the image has no key points"})}
            nothing = [[float("nan")] * 2]
            joined.append(Record(row.where, row.image, row.points if problem else nothing, fields, problem))
        else:
            hand = hands[0]
            where = f"{row.where}, {hand.where}"
            joined.append(Record(where, row.image, hand.points, {**row.fields, **hand.fields}, hand.problem))
    return joined
