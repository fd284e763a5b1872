"""DeepLabCut: ``CollectedData_*`` files, CSV or HDF5, of a single animal or several."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from monai_degia.data.formats.annotations import AnnotationSet
from monai_degia.data.formats.content import Content, load_content
from monai_degia.data.formats.objects import LabelledObject, annotation_set, image_path, which_of
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.data.formats.pickles import pickled_code
from monai_degia.data.formats.tables import cell_number, read_rows, separator
from monai_degia.data.formats.wording import listed
from monai_degia.errors import MissingExtraError, UserError
from monai_degia.io.own_process import answer_of_process

__all__ = ["DEEPLABCUT"]

#: PyTables does not survive every damaged file, so pandas reads where only plain values come back from.
_CHILD = """
import json
import numpy as np
import pandas

def texts(entry):
    return list(map(str, entry)) if isinstance(entry, tuple) else [str(entry)]

try:
    table = pandas.read_hdf(sys.argv[1])
    np.save(sys.argv[2], table.to_numpy(dtype=np.float64))
    told = {"levels": list(map(str, getattr(table.columns, "names", [])))}
    told |= {"columns": list(map(texts, table.columns)), "index": list(map(texts, table.index))}
except BaseException as error:
    told = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(told))
"""

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")


@dataclass(frozen=True)
class _Frame:
    """Numbers of a file by column: individual (empty for a single animal), body part, coordinate."""

    path: Path
    columns: tuple[tuple[str, str, str], ...]
    index: tuple[tuple[str, ...], ...]
    values: np.ndarray
    lines: tuple[int, ...] = ()


def _is_table(content: Content) -> bool:
    if content.kind != "table":
        return False
    rows = read_rows(content.path, content.value)
    first = [row[0] for _, row in zip(range(4), (cells for _, cells in rows), strict=False)]
    return first[:1] == ["scorer"] and "bodyparts" in first and "coords" in first


def _is_hdf5(content: Content) -> bool:
    """Whether an HDF5 file is a pandas frame, by what its writer (PyTables) marks one with."""
    return content.kind == "hdf5" and any("pandas_type" in attributes for attributes in content.value.values())


def _collected(folder: Path) -> list[Path]:
    """The label files below a folder; of a CSV and an HDF5 file of one name, the CSV."""
    found = {path.with_suffix(""): path for path in sorted(folder.rglob("CollectedData_*.h5"))}
    found.update({path.with_suffix(""): path for path in sorted(folder.rglob("CollectedData_*.csv"))})
    return sorted(found.values())


def _recognise(content: Content) -> bool:
    return _is_table(content) or _is_hdf5(content) or (content.kind == "folder" and bool(_collected(content.path)))


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read one file, or all ``CollectedData_*`` files below a folder.

    Columns have the levels scorer, individuals (projects of several animals), bodyparts and coords; rows are paths of
    pictures, or their three parts (deeplabcut 3.0.2, utils/conversioncode.py, guarantee_multiindex_rows). Empty cells
    are not labelled. Pixel centres are at integers: both annotation tools, napari-deeplabcut and the older one on
    matplotlib, show pixel (0, 0) around the point (0, 0). HDF5 needs the extra ``deeplabcut``; pandas would run Python
    code that is hidden in such a file, so one that has some is refused.
    """
    paths = _collected(content.path) if content.kind == "folder" else [content.path]
    frames = [_frame(content if path == content.path else load_content(path)) for path in paths]
    columns = dict.fromkeys(column for frame in frames for column in frame.columns)
    labelled = dict.fromkeys(who for frame in frames for who in _with_labels(frame))
    individual = ""
    if any(who for who, _, _ in columns):
        available = list(labelled) or list(dict.fromkeys(who for who, _, _ in columns))
        individual = which_of("individual", options.individual, available, f"{content.path} has several individuals.")
    elif options.individual is not None:
        raise UserError(f"{content.path} is of a single animal. Leave individual out.")
    names = list(dict.fromkeys(part for who, part, _ in columns if who == individual))
    objects = [labelled for frame in frames for labelled in _objects(frame, individual, names, len(frames) > 1)]
    bare = sum(not labelled.points for labelled in objects)
    notes = [f"Left out, picture without a labelled point: {bare}."] if bare else []
    kept = [labelled for labelled in objects if labelled.points or labelled.problem]
    return annotation_set("deeplabcut", kept, options, names, notes=notes)


def _with_labels(frame: _Frame) -> list[str]:
    known = np.isfinite(frame.values).any(axis=0) if len(frame.values) else np.zeros(len(frame.columns), dtype=bool)
    return [who for (who, _, _), any_known in zip(frame.columns, known, strict=True) if any_known]


def _frame(content: Content) -> _Frame:
    frame = _of_table(content) if content.kind == "table" else _of_hdf5(content.path)
    if any(coordinate == "likelihood" for _, _, coordinate in frame.columns) or (
        frame.index and all(len(row) == 1 and row[0].isdigit() for row in frame.index)
    ):
        raise UserError(f"{content.path} holds predictions for frames of a video, not labels of pictures.")
    return frame


def _of_table(content: Content) -> _Frame:
    rows = list(read_rows(content.path, content.value))
    header = {cells[0]: cells for _, cells in rows[:4] if cells[0] in _LEVELS}
    data = rows[len(header) :]
    width = len(header["coords"])
    uneven = [level for level, cells in header.items() if len(cells) != width]
    if uneven:
        raise UserError(f"{content.path} has {len(header[uneven[0]])} cells in {uneven[0]} and {width} in coords.")
    first = next((i for i in range(1, width) if header["coords"][i]), width)
    if len({scorer for scorer in header["scorer"][first:] if scorer}) > 1:
        raise UserError(f"{content.path} has labels of several scorers. Keep those of one.")
    people = header.get("individuals", ("",) * width)
    columns = tuple((people[i], header["bodyparts"][i], header["coords"][i]) for i in range(first, width))
    values, sep = np.full((len(data), len(columns)), np.nan), separator(content.value)
    for row, (line, cells) in enumerate(data):
        try:
            found = [cell_number(cell, sep) for cell in cells[first:width]]
        except ValueError as error:
            raise UserError(f"{content.path}, line {line}: {error}.") from None
        values[row, : len(found)] = found
    index = tuple(tuple(cells[:first]) for _, cells in data)
    return _Frame(content.path, columns, index, values, tuple(line for line, _ in data))


def _of_hdf5(path: Path) -> _Frame:
    if not all(map(find_spec, ("pandas", "tables"))):  # pandas reads HDF5 by the latter
        raise MissingExtraError(f"{path} is HDF5, which needs pip install monai_degia[deeplabcut].")
    place = pickled_code(path)
    if place:
        raise UserError(f"{path} holds Python code in {place}, which would run. Pass the CSV that lies beside it.")
    with tempfile.TemporaryDirectory(prefix="landmarks_h5_") as folder:
        out = Path(folder) / "values.npy"
        failing = f"{path} is no table of DeepLabCut, or damaged"
        table = json.loads(answer_of_process(_CHILD, str(path), str(out), failing=failing))
        if "error" in table:
            raise UserError(f"{path} cannot be read as a table of DeepLabCut ({table['error']}).")
        values = np.load(out, allow_pickle=False)
    levels = table["levels"]
    if "bodyparts" not in levels or "coords" not in levels:
        raise UserError(f"{path} is no table of DeepLabCut: its columns have the levels {levels}.")
    where = [levels.index(name) if name in levels else None for name in ("individuals", "bodyparts", "coords")]
    columns = tuple(tuple("" if at is None else str(column[at]) for at in where) for column in table["columns"])
    return _Frame(path, columns, tuple(map(tuple, table["index"])), values)  # type: ignore[arg-type]


def _objects(frame: _Frame, individual: str, names: Sequence[str], several: bool) -> Iterator[LabelledObject]:
    place = {(part, axis): i for i, (who, part, axis) in enumerate(frame.columns) if who == individual}
    lacking = [name for name in names if (name, "x") in place and (name, "y") not in place]
    if lacking:
        raise UserError(f"{frame.path} has no y for {listed(lacking)}.")
    for row, parts in enumerate(frame.index):
        points = {
            name: (float(frame.values[row, place[name, "x"]]), float(frame.values[row, place[name, "y"]]))
            for name in names
            if (name, "x") in place
        }
        path = image_path("/".join(parts))
        line = f"line {frame.lines[row]}" if frame.lines else f"row {row}"
        yield LabelledObject(
            image=path,
            points={name: point for name, point in points.items() if not np.isnan(point).all()},
            where=f"{frame.path.parent.name}/{frame.path.name}, {line}" if several else line,
            aliases=tuple("/".join(path.split("/")[-kept:]) for kept in (2, 1)),
        )


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    """A ``CollectedData`` table; ``deeplabcut.convertcsv2h5`` makes the HDF5 file that training reads."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    columns = [(name, axis) for name in annotations.names for axis in "xy"]
    writer.writerow(["scorer", *(options.category for _ in columns)])
    writer.writerow(["bodyparts", *(name for name, _ in columns)])
    writer.writerow(["coords", *(axis for _, axis in columns)])
    for image in annotations.images:
        cells = ["" if np.isnan(value) else f"{value:.4f}" for value in image.points.reshape(-1)]
        writer.writerow([image.image, *cells])
    return {"": file.getvalue()}


DEEPLABCUT = AnnotationFormat(
    name="deeplabcut",
    title="DeepLabCut",
    sign="a table with rows scorer, bodyparts, coords, an HDF5 file of pandas, or a folder with CollectedData_* files",
    recognise=_recognise,
    read=_read,
    write=_write,
    options=frozenset({"individual"}),
)
