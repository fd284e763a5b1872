"""Evaluate the chosen checkpoint of a finished run on other sets of digits."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from monai_degia.data.digits.arrays import ARRAY_SUFFIXES
from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.idx import find_idx
from monai_degia.engines.workflow import run_configs
from monai_degia.errors import UserError
from monai_degia.experiments.runner import EVALUATION_CONFIG

__all__ = ["evaluate_digits", "find_sets", "source_domain"]

_logger = logging.getLogger(__name__)


def find_sets(path: Path, split: str = "test") -> dict[str, Path]:
    """The sets of digits at a path.

    Args:
        path: a file or folder that is a set (IDX files in it), or a folder whose sub-folders and files of arrays are
            sets, each in any form that :func:`monai_degia.data.digits.files.read_digits` reads.
        split: ``train`` or ``test``.

    Returns:
        Name to path: that of the sub-folder, or of the file without suffix. What cannot be read is left out, which the
        log says with the reason.

    Raises:
        ValueError: if there is no such path, nothing that can be read is in it, or two sets are of one name.

    """
    if not path.is_dir() or find_idx(path, split) is not None:
        read_digits(path, split)
        return {path.name if path.is_dir() else path.stem: path}
    sets: dict[str, Path] = {}
    refused = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or not (entry.is_dir() or entry.suffix.lower() in ARRAY_SUFFIXES):
            continue
        try:
            read_digits(entry, split)
        except (ValueError, ImportError) as error:
            refused.append(str(error))
            _logger.warning("%s is left out: %s", entry, error)
            continue
        name = entry.name if entry.is_dir() else entry.stem
        if name in sets:
            raise UserError(f"{sets[name]} and {entry} are both called {name}: rename one of them.")
        sets[name] = entry
    if not sets:
        reasons = " ".join(refused) or "It has neither sub-folders nor files of arrays."
        raise UserError(f"{path} holds no set of {split} digits that can be read. {reasons}")
    return sets


def evaluate_digits(run_dir: Path, sets: Mapping[str, Path], split: str = "test") -> dict[str, tuple[float, int]]:
    """Accuracy of a run on sets of digits; the report goes to ``run_dir/evaluation_sets``.

    Args:
        run_dir: folder of a finished run of one of the grids of digits.
        sets: name of each set to its file or folder.
        split: ``train`` or ``test``, where a path holds both.

    Returns:
        Name to accuracy in [0, 1] and number of images.

    Raises:
        ValueError: if ``run_dir`` holds no finished run, or a run of landmarks, or a set cannot be read.

    """
    config = run_dir / EVALUATION_CONFIG
    missing = [name for name in (EVALUATION_CONFIG, "model.pt") if not (run_dir / name).is_file()]
    if missing:
        raise UserError(
            f"{run_dir} is no folder of a finished run, it has no {' and no '.join(missing)}: name a folder such as "
            "runs/peers/<row>_seed=0."
        )
    if "load_digits" not in config.read_text(encoding="utf-8"):
        raise UserError(f"{run_dir} is a run of landmarks: evaluate takes runs of digits.")
    output_dir = run_dir / "evaluation_sets"
    lists = [
        {"_target_": "monai_degia.load_digits", "path": str(path), "split": split, "domain": name}
        for name, path in sets.items()
    ]
    run_configs(
        [str(config)],
        ckpt_dir=str(run_dir),
        output_dir=str(output_dir),
        unseen_lists=lists,
        evaluation_list="$sum(@unseen_lists, [])",
    )
    metrics = json.loads((output_dir / "metrics.json").read_text(encoding="utf-8"))
    return {name: (float(metrics[name]["accuracy"]), int(metrics[name]["count"])) for name in sets}


def source_domain(run_dir: Path) -> str:
    """What a finished run calls the digits that it was trained on, such as ``mnist``: a set of that name is not unseen.

    Args:
        run_dir: folder of a finished run of one of the grids of digits.

    """
    config = json.loads((run_dir / EVALUATION_CONFIG).read_text(encoding="utf-8"))
    return str(config["source_list"]["domain"])
