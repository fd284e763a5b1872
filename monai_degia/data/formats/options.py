"""What may be said about an annotation file, and what a format is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_degia.data.formats.annotations import AnnotationSet
from monai_degia.data.formats.content import Content

__all__ = ["AnnotationFormat", "ReadOptions", "WriteOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """Arguments of ``read_annotations`` that a reader looks at; that function explains them."""

    names: tuple[str, ...] | None = None
    category: str | None = None
    individual: str | None = None
    section: str | None = None
    several: str = "refuse"
    origin: str | None = None
    image_dir: Path | None = None


@dataclass(frozen=True)
class WriteOptions:
    """Arguments of ``write_annotations`` that a writer looks at; that function explains them."""

    category: str = "object"
    image_dir: Path | None = None
    model_version: str = ""


@dataclass(frozen=True)
class AnnotationFormat:
    """A kind of annotation file.

    Args:
        name: what users write.
        title: what it is, for messages.
        sign: what it is told by, for messages.
        recognise: whether a content is of this format.
        read: gives the images with points in the pixels of the tool.
        write: gives the text of each file by its path relative to the target, the empty path being the target itself;
            None if it cannot be written.
        corner: what the tool counts at the centre of the first pixel: 0, or 0.5 where its origin is the corner.
        upright: whether the tool shows pictures turned by their Exif orientation, and counts pixels of that.
        volumes: whether it has a place for points in volumes, (x, y, z) in voxels.
        options: fields of ReadOptions, but for ``names``, ``several`` and ``origin``, that it has a use for.

    """

    name: str
    title: str
    sign: str
    recognise: Callable[[Content], bool]
    read: Callable[[Content, ReadOptions], AnnotationSet]
    write: Callable[[AnnotationSet, WriteOptions], Mapping[str, str]] | None = None
    corner: float = 0.0
    upright: bool = False
    options: frozenset[str] = frozenset()
    volumes: bool = False
