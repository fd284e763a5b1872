"""Train on a list of one's own, evaluate what came of it, and calibrate its confidence."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from monai_degia.cli.annotation_options import add_annotation_options, given_options
from monai_degia.cli.options import Command, bundle_config, config_files
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.lists.landmark_sets import LandmarkSet, landmark_set
from monai_degia.engines.run_folder import check_training_folder, hold_folder, release_run
from monai_degia.engines.workflow import run_configs, whole_config
from monai_degia.errors import MissingExtraError, UserError
from monai_degia.io.files import whole_file
from monai_degia.io.packaged import packaged_folder
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription, has_both_sides

__all__ = ["COMMANDS", "RUN_CONFIG"]

#: In the folder of a training: all that it was started with.
RUN_CONFIG = "train.yaml"
_MODALITIES = ("auto", "photo", "depth", "xray")


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="of the images; default: beside the list")
    parser.add_argument("--modality", choices=_MODALITIES, default="auto", help="default: told by each file")
    add_annotation_options(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "list", type=Path, nargs="?", metavar="LIST", help="annotation file or folder of any known tool"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for weights, checkpoints and logs")
    parser.add_argument(
        "--validation", type=Path, metavar="LIST", help="default: a part of LIST, by its split or at random"
    )
    parser.add_argument("--test", type=Path, metavar="LIST", help="likewise; held out for evaluate")
    parser.add_argument(
        "--landmarks", help="name or file of a landmark set, or names with commas; default: those of the list"
    )
    parser.add_argument("--init_from", type=Path, metavar="FOLDER", help="start from the weights of a trained model")
    parser.add_argument("--config", nargs="+", default=[], metavar="NAME", help="overlays, such as backbone/densenet")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --out")
    parser.add_argument(
        "--tracking", metavar="NAME", help="keep the run in an experiment tracker, too: mlflow, or a file of settings"
    )
    _add_list(parser)


def _train(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    bundle, out = packaged_folder("bundle"), options.out
    _check_tracking(options.tracking)
    if options.resume:
        run_configs(_run_configs(out), bundle, options.tracking, **overrides, resume=True)
        return
    if options.list is None:
        raise UserError("Name the list to train on, or add --resume to go on with a training.")
    check_training_folder(out, options=("--resume", "--out"))
    # Before anything is written: a training that has just begun there has no weights yet.
    hold_folder(out, "out")
    try:
        _start(options, overrides)
    finally:
        release_run()


def _start(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    out = options.out
    files = [bundle_config("train.json"), *config_files(options.config)]
    entries = {**_entries(options), **overrides}
    with whole_file(out / RUN_CONFIG) as partial:
        partial.write_text(yaml.safe_dump(whole_config(files, entries), sort_keys=False), encoding="utf-8")
    run_configs(files, packaged_folder("bundle"), options.tracking, **entries)


def _check_tracking(name: str | None) -> None:
    """Before anything is read: what is missing would be found when the first handler is made."""
    if name is None:
        return
    if name != "mlflow" and not Path(name).is_file():
        raise UserError(f"--tracking {name}: there is no such file. Name a file of settings, or mlflow.")
    if find_spec("mlflow") is None:
        raise MissingExtraError("--tracking needs MLflow: pip install monai_degia[tracking]")


def _entries(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say as entries of train.json."""
    out = str(options.out.resolve())
    entries: dict[str, Any] = {"ckpt_dir": out, "output_dir": out, "bundle_root": str(packaged_folder("bundle"))}
    entries["landmarks"] = _landmarks(options)
    entries["source_list"] = _list(options, options.list)
    entries |= _splits(options)
    if options.init_from is not None:
        described = ModelDescription.load(options.init_from / DESCRIPTION_FILE)
        ours = {"num_landmarks": "@num_landmarks", "in_channels": "@in_channels", "image_size": "@image_size"}
        entries["init_from"] = str(options.init_from.resolve())
        entries |= {"in_channels": described.in_channels, "image_size": list(described.image_size)}
        entries["network_def"] = {**described.network, **ours}
        if described.both_sides and has_both_sides(entries["landmarks"]):
            entries["both_sides"] = True
    return entries


def _landmarks(options: argparse.Namespace) -> Any:
    text = options.landmarks
    if text is not None:
        return landmark_set([name for name in text.split(",") if name] if "," in text else text).to_config()
    found = read_annotations(options.list, image_dir=options.images, **given_options(options))
    known = landmark_set(found.names)
    if found.bones and not known.bones:
        known = LandmarkSet(known.names, found.bones)
    return known.to_config()


def _list(options: argparse.Namespace, path: Path) -> dict[str, Any]:
    given = {"modality": options.modality, "landmarks": "@landmarks", "num_classes": "@num_classes"}
    given["allow_outside_files"] = "@allow_outside_files"
    folder = {"image_dir": str(options.images.resolve())} if options.images else {}
    return {
        "_target_": "monai_degia.load_datalist",
        "path": str(path.resolve()),
        **folder,
        **given,
        **given_options(options),
    }


def _splits(options: argparse.Namespace) -> dict[str, Any]:
    """Parts that files of their own hold, checked against each other."""
    if options.validation is None:
        if options.test is not None:
            raise UserError("--test without --validation: name both, or give the list a column split.")
        return {}
    entries: dict[str, Any] = {"validation_list": _list(options, options.validation)}
    if options.test is None:
        entries["splits"] = "$monai_degia.checked_splits([@source_list, @validation_list])"
        entries["evaluation_list"] = "$monai_degia.merge_datalists(@splits[1], *@unseen_lists)"
    else:
        entries["test_list"] = _list(options, options.test)
        entries["splits"] = "$monai_degia.checked_splits([@source_list, @validation_list, @test_list])"
    return entries


def _run_configs(folder: Path) -> list[Path]:
    path = folder / RUN_CONFIG
    if not path.is_file():
        raise UserError(f"{folder} is no folder of a training by monai_degia train: it has no {RUN_CONFIG}.")
    # All of the first is overridden; what it says there may be is what keys are checked against.
    return [bundle_config("train.json"), path]


def _add_evaluation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "list", type=Path, nargs="?", metavar="LIST", help="labelled images; default: what the training held out"
    )
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="of a training; default: the weights that come with the package"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: evaluation in the folder of the model")
    parser.add_argument("--overwrite", action="store_true", help="replace an evaluation that is there")
    _add_list(parser)


def _evaluate(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    bundle = packaged_folder("bundle")
    model = options.model or bundle / "models"
    out = options.out or model / "evaluation"
    if (out / "metrics.json").exists() and not options.overwrite:
        raise UserError(f"{out} holds an evaluation already: name another --out, or add --overwrite.")
    entries: dict[str, Any] = {"ckpt_dir": str(model.resolve()), "output_dir": str(out.resolve())}
    if options.list is None:
        files = _run_configs(model)
    else:
        files = [bundle_config("train.json")]
        entries |= {"evaluation_list": _list(options, options.list), "unseen_lists": [], "bundle_root": str(bundle)}
        entries["dataset_dir"] = str((options.images or options.list.parent).resolve())
    run_configs([*files, bundle_config("evaluate.json")], bundle, **{**entries, **overrides})
    print(f"Evaluation: {out / 'metrics.json'}, {out / 'errors.csv'}, {out / 'overlay.png'}")


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="of a training")
    parser.add_argument("--overwrite", action="store_true", help="replace a calibration that is there")


def _calibrate(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    written = options.model / "calibration.json"
    if written.exists() and not options.overwrite:
        raise UserError(f"{written} is there already: add --overwrite to fit it anew.")
    files = [*_run_configs(options.model), bundle_config("evaluate.json"), *config_files(["run/calibrate"])]
    run_configs(files, packaged_folder("bundle"), **overrides)
    print(f"Calibration: {written}")


COMMANDS = (
    Command(
        "train", "Train a network on labelled images so that it works on other kinds of images", _add_training, _train
    ),
    Command("evaluate", "Measure the errors of a trained network on labelled images", _add_evaluation, _evaluate),
    Command(
        "calibrate", "Fit what turns agreement into confidence, on what training held out", _add_calibration, _calibrate
    ),
)
