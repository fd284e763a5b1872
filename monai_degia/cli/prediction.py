"""Predict landmarks of images, and show them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_degia.cli.options import Command, bundle_config
from monai_degia.data.formats.predictions import PREDICTION_FORMATS, write_predictions
from monai_degia.engines.workflow import run_configs
from monai_degia.errors import UserError
from monai_degia.io.packaged import packaged_folder
from monai_degia.results.found import read_found

__all__ = ["COMMANDS"]

_FORMATS = ("markups", "sr", "overlay")


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of DICOM, NIfTI and picture files")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the results")
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="of a training; default: the weights that come with the package"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")


def _add_prediction(parser: argparse.ArgumentParser) -> None:
    _add_images(parser)
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=(*_FORMATS, *PREDICTION_FORMATS),
        default=[],
        help="beside landmarks.csv and landmarks.json: for each image Slicer markups, a DICOM SR or a picture; for all "
        "of them COCO results or pre-annotations of Label Studio",
    )
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="COCO file whose ids the COCO results are to have"
    )


def _predict(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    tools = [name for name in options.formats if name in PREDICTION_FORMATS]
    written = ["landmarks.csv", "landmarks.json", *(f"{name}.json" for name in tools)]
    each = [name for name in options.formats if name not in tools]
    _infer(options, written, {"formats": each, **overrides})
    found = read_found(options.out / "landmarks.json") if tools else []
    for name in tools:
        reference = options.reference if name == "coco" else None
        write_predictions(
            found, options.out / f"{name}.json", name, reference=reference, image_dir=options.images, overwrite=True
        )
    print(f"Landmarks: {', '.join(str(options.out / name) for name in written)}")


def _report(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    _infer(options, ("report.html",), {"write_report": True, **overrides})
    print(f"Report: {options.out / 'report.html'}")


def _infer(options: argparse.Namespace, results: Sequence[str], overrides: dict[str, Any]) -> None:
    if not options.images.is_dir():
        raise UserError(f"{options.images} is not a folder. Name the folder that holds the images.")
    there = [name for name in results if (options.out / name).exists()]
    if there and not options.overwrite:
        raise UserError(f"{options.out / there[0]} is there already: name another folder, or add --overwrite.")
    bundle = packaged_folder("bundle")
    folders = {"dataset_dir": str(options.images), "output_dir": str(options.out), "bundle_root": str(bundle)}
    if options.model is not None:
        folders["ckpt_dir"] = str(options.model)
    run_configs([bundle_config("inference.json")], bundle, **folders, **overrides)


COMMANDS = (
    Command("predict", "Find the landmarks of all images of a folder and its sub-folders", _add_prediction, _predict),
    Command("report", "Find the landmarks and write one page that shows all images with them", _add_images, _report),
)
