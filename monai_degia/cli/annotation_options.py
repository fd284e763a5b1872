"""What may have to be said of an annotation file on the command line."""

from __future__ import annotations

import argparse
from typing import Any

from monai_degia.data.formats.registry import ANNOTATION_FORMATS

__all__ = ["add_annotation_options", "given_options"]

_READING = ("format", "category", "individual", "section", "several", "origin", "upright")


def add_annotation_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of :func:`given_options`."""
    group = parser.add_argument_group("what an annotation file does not tell by itself")
    group.add_argument("--format", choices=sorted(ANNOTATION_FORMATS), help="default: told by what it holds")
    group.add_argument("--category", help="of COCO, or label of a CVAT skeleton, where there are several")
    group.add_argument("--individual", help="of a DeepLabCut or SLEAP project with several")
    group.add_argument("--section", help="list of a JSON file with several")
    group.add_argument(
        "--several", choices=("refuse", "largest", "first"), help="objects in one image; default: refuse"
    )
    group.add_argument("--origin", choices=("centre", "corner"), help="of the first pixel; default: as the tool has it")
    group.add_argument(
        "--upright",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="points are those of photographs turned by their Exif orientation; default: as the tool has it",
    )


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, as arguments of :func:`monai_degia.read_annotations` and ``load_datalist``."""
    return {name: value for name in _READING if (value := getattr(options, name)) is not None}
