"""Read the landmarks out of whatever annotation file there is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path

from monai_degia.data.formats.annotations import AnnotationSet
from monai_degia.data.formats.content import Content, load_content
from monai_degia.data.formats.options import AnnotationFormat, ReadOptions
from monai_degia.data.formats.registry import ANNOTATION_FORMATS, find_format
from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError, did_you_mean

__all__ = ["read_annotations"]

_logger = logging.getLogger(__name__)
_ORIGINS = {"centre": 0.0, "corner": 0.5}
_SEVERAL = ("refuse", "largest", "first")
_ENDINGS = (".json", ".xml", ".csv", ".h5", ".slp")
_ALWAYS = ("names", "several", "origin")


def read_annotations(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    names: Sequence[str] | None = None,
    category: str | None = None,
    individual: str | None = None,
    section: str | None = None,
    several: str = "refuse",
    origin: str | None = None,
    upright: bool | None = None,
    image_dir: str | PathLike[str] | None = None,
) -> AnnotationSet:
    """Read an annotation file of any tool that is known; which one is told by what it holds.

    Args:
        path: a file, or a folder of files where the tool writes one a picture.
        format: a key of ``ANNOTATION_FORMATS`` for a file that is to be read as that and nothing else.
        names: the wanted landmarks, in the wanted order; default: all that the file has.
        category: COCO category, or label of the CVAT skeleton, where a file has several.
        individual: of a DeepLabCut or SLEAP project with several.
        section: list of the project's JSON to read, such as ``training``.
        several: what becomes of an image with several objects: ``refuse`` gives it a ``problem``, ``largest`` takes the
            one whose points spread farthest, ``first`` the first in the file.
        origin: what (0, 0) is in the file: ``centre`` or ``corner`` of the first pixel. Default: what the tool means.
            A converter may have kept the numbers of another tool.
        upright: whether the points were set on pictures turned by their Exif orientation. Default: whether the tool
            turns them.
        image_dir: folder of the images, for formats whose points are not in pixels (Slicer's markups).

    Returns:
        All images with points in pixels of the image file, centres at integers, or of the upright picture if the set is
        ``upright``; also those that cannot be used, which have a ``problem``.

    Raises:
        ValueError: if the file is of no known format or of several, cannot be parsed, holds no image, or an argument
            does not fit it.

    """
    file = Path(path).expanduser()
    if several not in _SEVERAL:
        raise UserError(f"several must be one of {', '.join(_SEVERAL)}, got {several!r}.")
    if origin is not None and origin not in _ORIGINS:
        raise UserError(f"origin must be centre or corner, got {origin!r}.{did_you_mean(origin, _ORIGINS)}")
    folder = None if image_dir is None else Path(image_dir).expanduser()
    wanted = None if names is None else tuple(names)
    options = ReadOptions(wanted, category, individual, section, several, origin, folder)
    forced = None if format is None else find_format(format)
    content = load_content(file)
    form = forced or _recognised(content)
    if forced is not None and not forced.recognise(content):
        raise UserError(f"{file} ({_kind(content)}) is not {forced.title}: that is {forced.sign}.")
    _check_use(file, form, options)
    found = form.read(content, options)
    if not found.images:
        raise UserError(f"{file}, read as {form.title}, has no labelled image.")
    for note in found.notes:
        _logger.warning("%s: %s", file, note)
    found = found if wanted is None else found.select(wanted)
    found = replace(found, upright=found.upright or form.upright if upright is None else upright)
    return found.moved(-(form.corner if origin is None else _ORIGINS[origin]))


def _recognised(content: Content) -> AnnotationFormat:
    fitting = [form for form in ANNOTATION_FORMATS.values() if form.recognise(content)]
    if len(fitting) == 1:
        return fitting[0]
    looked = "\n  ".join(f"{form.name}: {form.sign}" for form in ANNOTATION_FORMATS.values())
    if fitting:
        several = ", ".join(form.name for form in fitting)
        raise UserError(f"{content.path} may be one of {several}. Pass format=<one of them>.")
    inside = _files_inside(content.path) if content.kind == "folder" else []
    cure = f"It holds {listed(inside)}: pass that." if inside else "Export one of these."
    raise UserError(
        f"{content.path} ({_kind(content)}) is no annotation file that is known. Looked for:\n  {looked}\n{cure}"
    )


def _files_inside(folder: Path) -> list[str]:
    """Files of a folder, and of the folders in it, that can be read by themselves."""
    found = []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.is_file() and path.suffix.lower() in _ENDINGS:
            try:
                content = load_content(path)
            except UserError:
                continue
            if any(form.recognise(content) for form in ANNOTATION_FORMATS.values()):
                found.append(path.relative_to(folder).as_posix())
    return found


def _kind(content: Content) -> str:
    if content.kind == "json" and isinstance(content.value, dict):
        return f"a JSON object with {', '.join(map(str, list(content.value)[:6])) or 'nothing in it'}"
    if content.kind == "table":
        return f"a text that begins with {content.value.lstrip()[:60]!r}"
    kinds = {"json": "a JSON list", "xml": "XML", "hdf5": "HDF5", "folder": "a folder", "binary": "a binary file"}
    return kinds[content.kind]


def _check_use(file: Path, form: AnnotationFormat, options: ReadOptions) -> None:
    default = ReadOptions()
    given = [f.name for f in fields(options) if getattr(options, f.name) != getattr(default, f.name)]
    useless = [name for name in given if name not in form.options and name not in _ALWAYS and name != "image_dir"]
    if useless:
        raise UserError(f"{file} is {form.title}, which has no {useless[0]}. Leave {useless[0]} out.")
