"""Evaluate the chosen checkpoint of a finished run on another set of digits."""

from __future__ import annotations

import json
from pathlib import Path

from monai_degia.engines.workflow import run_configs
from monai_degia.errors import UserError
from monai_degia.experiments.runner import EVALUATION_CONFIG

__all__ = ["DATASETS", "evaluate_digits"]

#: Names under which a set may be reported; the form of its files is found by looking at them.
DATASETS = ("mnist", "mnist_m", "usps", "svhn")


def evaluate_digits(run_dir: Path, dataset: str, path: Path, split: str = "test") -> tuple[float, int]:
    """Accuracy of a run on a set of digits; the report goes to ``run_dir/evaluation_<dataset>``.

    Args:
        run_dir: folder of a finished run of one of the grids of digits.
        dataset: name of the set, one of ``DATASETS``.
        path: its file or folder.
        split: ``train`` or ``test``, where the path holds both.

    Returns:
        Accuracy in [0, 1] and the number of images.

    Raises:
        ValueError: if ``run_dir`` holds no finished run, or a run of landmarks.

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
    output_dir = run_dir / f"evaluation_{dataset}"
    digits = {"_target_": "monai_degia.load_digits", "path": str(path), "split": split, "domain": dataset}
    run_configs(
        [str(config)], ckpt_dir=str(run_dir), output_dir=str(output_dir), evaluation_list=digits, unseen_lists=[]
    )
    metrics = json.loads((output_dir / "metrics.json").read_text(encoding="utf-8"))[dataset]
    return float(metrics["accuracy"]), int(metrics["count"])
