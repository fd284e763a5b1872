"""Annotation files of one tool as those of another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_degia.cli.annotation_options import add_annotation_options, given_options
from monai_degia.cli.options import Command
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations

__all__ = ["COMMANDS"]


def _add_conversion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="annotation file or folder of any known tool")
    parser.add_argument("target", type=Path, metavar="TARGET", help="file or folder to write")
    written = sorted(name for name, form in ANNOTATION_FORMATS.items() if form.write)
    parser.add_argument("--to", choices=written, required=True, help="format to write")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="of the images, where their sizes are needed")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_annotation_options(parser)


def _convert(options: argparse.Namespace, _overrides: dict[str, Any]) -> None:
    found = read_annotations(options.source, image_dir=options.images, **given_options(options))
    category = {"category": options.category} if options.category else {}
    files = write_annotations(
        found, options.target, options.to, image_dir=options.images, overwrite=options.overwrite, **category
    )
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    print(
        f"{len(found.images)} images with {len(found.names)} landmarks, {found.format} to {options.to}: "
        f"{files[0]}{more}"
    )


COMMANDS = (
    Command("convert", "Turn the annotation file of one tool into that of another", _add_conversion, _convert, False),
)
