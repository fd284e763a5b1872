"""The project's CSV: a row an image, ``<landmark>_x`` and ``<landmark>_y`` in pixels with centres at integers.

In volumes there is ``<landmark>_z``, too, and all three count voxels.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.content import Content
from monai_degia.data.formats.objects import image_path, only_some, stated_size
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions, WriteOptions
from monai_degia.data.formats.tables import Table, cell_number, read_rows, read_text_table
from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError, did_you_mean

__all__ = ["CSV"]

_YES = {"1", "true", "yes"}
_SIDES = ("width", "height", "depth")


def _recognise(content: Content) -> bool:
    if content.kind != "table":
        return False
    _, header = next(read_rows(content.path, content.value), (0, ()))
    return "image" in header


def _read(content: Content, options: ReadOptions) -> AnnotationSet:
    """Read a table with the columns ``image``, ``<name>_x`` and ``<name>_y``, and ``<name>_z`` in volumes.

    ``<name>_occluded`` (1 or 0) and the image's ``width`` and ``height`` (and ``depth``) are understood, all other
    columns become fields. An empty cell, or NaN, is a landmark without a label.
    """
    table = read_text_table(content.path, content.value)
    names = options.names or tuple(
        column[:-2] for column in table.header if column.endswith("_x") and f"{column[:-2]}_y" in table.header
    )
    axes = _axes(content, table, names)
    images = tuple(_image(table, line, row, names, axes) for line, row in table.rows)
    return AnnotationSet(tuple(names), images, format="csv", notes=table.notes)


def _axes(content: Content, table: Table, names: Sequence[str]) -> str:
    """The axes that the columns have, ``xy`` or ``xyz``."""
    axes = "xyz" if any(f"{name}_z" in table.header for name in names) else "xy"
    wanted = ["image", *(f"{name}_{axis}" for name in names for axis in axes)]
    missing = [column for column in wanted if column not in table.header]
    if names and not missing:
        return axes
    if not names:
        missing = ["<landmark>_x", "<landmark>_y"]
    raise UserError(
        f"{content.path} lacks {len(missing)} column(s): {listed(missing)}.{did_you_mean(missing[0], table.header)} "
        f"It has: {listed(table.header, 8)}. Name the columns image, <landmark>_x, <landmark>_y "
        "(and <landmark>_z of all, in volumes), or choose other ones."
    )


def _image(table: Table, line: int, row: Sequence[str], names: Sequence[str], axes: str) -> AnnotatedImage:
    cells, problem = dict(zip(table.header, row, strict=False)), ""
    if len(row) != len(table.header):
        commas = " (is a decimal comma among them?)" if table.separator == "," and len(row) > len(table.header) else ""
        problem = f"{len(row)} cells where the header has {len(table.header)}{commas}"
    texts = [[cells.pop(f"{name}_{axis}", "") for axis in axes] for name in names]
    points = np.full((len(names), len(axes)), np.nan)
    try:
        if not problem:
            points[:] = [_point(name, own, table.separator) for name, own in zip(names, texts, strict=True)]
    except ValueError as error:
        problem = str(error)
    hidden = [cells.pop(f"{name}_occluded", "").lower() in _YES for name in names]
    return AnnotatedImage(
        image=image_path(cells.pop("image", "")),
        points=points,
        occluded=np.array(hidden, dtype=bool),
        where=f"line {line}",
        size=_size(cells, len(axes)),
        fields=cells,
        problem=problem,
    )


def _point(name: str, cells: Sequence[str], separator: str) -> list[float]:
    values = [cell_number(cell, separator) for cell in cells]
    if np.isinf(values).any():
        raise UserError(f"coordinate of {name} is infinite")
    if np.isnan(values).any() and not np.isnan(values).all():
        raise UserError(f"{name} has only {only_some(len(values))}")
    return values


def _size(cells: dict[str, str], spatial_dims: int) -> tuple[int, ...] | None:
    """Width and height, and depth in volumes, taken out of the cells if all are there."""
    sides = _SIDES[:spatial_dims]
    size = stated_size(*(cells.get(side) for side in sides))
    if size is not None:
        for side in sides:
            del cells[side]
    return size


def _write(annotations: AnnotationSet, options: WriteOptions) -> Mapping[str, str]:
    names, images = annotations.names, annotations.images
    hidden = [index for index in range(len(names)) if any(image.occluded[index] for image in images)]
    dims = max((image.spatial_dims for image in images), default=2)
    columns = [f"{name}_{axis}" for name in names for axis in "xyz"[:dims]]
    columns += [f"{names[index]}_occluded" for index in hidden]
    columns += _SIDES[:dims] if any(image.size for image in images) else []
    kept = [key for key in dict.fromkeys(key for image in images for key in image.fields) if key not in columns]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", *columns, *kept])
    for image in images:
        row = ["" if np.isnan(value) else f"{value:.4f}" for value in image.points.reshape(-1)]
        row += [str(int(image.occluded[index])) for index in hidden]
        row += [str(side) for side in image.size or [""] * dims] if "width" in columns else []
        writer.writerow([image.image, *row, *(_cell(image.fields.get(key)) for key in kept)])
    return {"": file.getvalue()}


def _cell(value: object) -> str:
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(map(str, value))  # as spacing_mm is written: x and y with a blank between
    return "" if value is None else str(value)


CSV = AnnotationFormat(
    name="csv",
    title="the project's CSV",
    sign="a table with a column 'image'",
    recognise=_recognise,
    read=_read,
    write=_write,
    volumes=True,
)
