"""Write landmarks as the files that annotation tools read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

from monai_degia.data.formats.annotations import AnnotationSet
from monai_degia.data.formats.image_files import find_image, size_of_picture
from monai_degia.data.formats.options import AnnotationFormat, WriteOptions
from monai_degia.data.formats.orientation import all_as_stored, as_upright, exif_orientation
from monai_degia.data.formats.registry import ANNOTATION_FORMATS, find_format
from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.inside import lies_in

__all__ = ["check_dimensions", "save_files", "shown_in", "write_annotations"]

_logger = logging.getLogger(__name__)


def write_annotations(
    annotations: AnnotationSet,
    path: str | PathLike[str],
    format: str,
    *,
    category: str = "object",
    image_dir: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write annotations in the format of a tool, in that tool's pixels.

    Args:
        annotations: the images; none may have a ``problem``.
        path: file to write, or folder where the tool has a file a picture.
        format: a key of ``ANNOTATION_FORMATS``.
        category: what the labelled object is called, where the format names it.
        image_dir: folder of the images, for formats that need their sizes or their place in space, and for photographs
            that are stored sideways: some tools show them turned by their Exif orientation, and count pixels of that.
        overwrite: whether files that exist may be replaced.

    Returns:
        The files written.

    Raises:
        ValueError: if the format cannot be written or lacks what it needs, an image cannot be used, or a file exists.

    """
    form = find_format(format)
    if form.write is None:
        able = ", ".join(name for name, other in ANNOTATION_FORMATS.items() if other.write)
        raise UserError(f"{form.title} is read and not written. Formats that are written: {able}.")
    unusable = [f"{image.where} ({image.image}): {image.problem}" for image in annotations.images if image.problem]
    if unusable:
        raise UserError(f"{len(unusable)} images cannot be used: {listed(unusable, 3)}. Correct or leave them out.")
    check_dimensions(annotations, form)
    folder = None if image_dir is None else Path(image_dir).expanduser()
    shown = shown_in(annotations, form, folder)
    files = form.write(shown.moved(form.corner), WriteOptions(category, folder))
    return save_files(Path(path).expanduser(), files, overwrite)


def check_dimensions(annotations: AnnotationSet, form: AnnotationFormat) -> None:
    """Refuse points of a volume for a tool that has only flat pictures."""
    solid = [image.image for image in annotations.images if image.spatial_dims > 2]
    if solid and not form.volumes:
        able = ", ".join(name for name, other in ANNOTATION_FORMATS.items() if other.volumes)
        raise UserError(
            f"{solid[0]} has points in a volume, and {form.title} knows flat pictures alone. For volumes: {able}."
        )


def shown_in(annotations: AnnotationSet, form: AnnotationFormat, folder: Path | None) -> AnnotationSet:
    """Points of the pictures as the tool shows them: turned by their Exif orientation, or not."""
    if folder is None:
        if annotations.upright and not form.upright:
            _logger.warning(
                "The points were set on upright pictures, %s counts pixels of the files: pass image_dir if photographs "
                "among them are stored sideways.",
                form.title,
            )
        return annotations
    files = [find_image(image, [folder], outside=True) for image in annotations.images]
    sizes = [size_of_picture(file) if file else None for file in files]
    turns = [exif_orientation(file) if file else 1 for file in files]
    stored = all_as_stored(annotations, sizes, turns)
    if not form.upright:
        return stored
    shown = [
        as_upright(image, size, turn) if size is not None and turn != 1 else image
        for image, size, turn in zip(stored.images, sizes, turns, strict=True)
    ]
    return replace(stored, images=tuple(shown), upright=True)


def save_files(target: Path, files: Mapping[str, str], overwrite: bool) -> tuple[Path, ...]:
    """Write texts below a target, each whole or not at all.

    Args:
        target: a file or folder.
        files: text by path relative to it; the empty path is the target itself.
        overwrite: whether files that exist may be replaced.

    Returns:
        The files written.

    Raises:
        ValueError: if one exists and may not be replaced, or would lie outside of the target.

    """
    paths = {target / name if name else target: text for name, text in files.items()}
    outside = [path for path in paths if path != target and not lies_in(path, [target])]
    if outside:
        raise UserError(f"{listed(outside, 2)} would be written outside of {target}. Name the images without '..'.")
    there = [path for path in paths if path.exists()]
    if there and (not overwrite or any(path.is_dir() for path in there)):
        raise UserError(f"{listed(there, 2)} exists already. Choose another path, or pass overwrite.")
    for path, text in paths.items():
        with whole_file(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="")
    return tuple(paths)
