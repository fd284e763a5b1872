"""Run a grid: each run through the bundle's workflows in a process of its own, one result file a run."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from monai_degia.data.files import whole_file
from monai_degia.experiments.grids import Run

__all__ = ["EVALUATION_CONFIG", "finished", "run_configs", "run_grid"]

#: In the folder of a run: the whole config of its evaluation.
EVALUATION_CONFIG = "evaluate.json"


def run_grid(
    runs: Sequence[Run], root: Path, output_dir: Path, dataset_dir: Path, jobs: int = 1
) -> list[dict[str, Any]]:
    """Run what is not finished, and return the results of all runs.

    Args:
        runs: the grid.
        root: folder that holds ``bundle/`` and ``configs/``.
        output_dir: gets a folder a run, with its log, checkpoints and report, and ``results/<run>.json``.
        dataset_dir: folder of the data.
        jobs: runs at a time; the cores are shared among them.

    Raises:
        ValueError: if ``root`` is no checkout, or a run fails; results that are finished stay.

    """
    if not (root / "bundle" / "configs" / "train.json").is_file():
        raise ValueError(
            f"{root} holds no bundle/configs/train.json: run this in a checkout of monai_degia, or name it with --root."
        )
    waiting = [run for run in runs if finished(run, output_dir) is None]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    failures = []
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
        tqdm(total=len(runs), initial=len(runs) - len(waiting), desc="runs", unit="run") as bar,
    ):
        futures = {pool.submit(_run, run, root, output_dir, dataset_dir, threads): run for run in waiting}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None:
                failures.append(f"{futures[future].name}: {error}")
            bar.set_postfix_str(futures[future].name)
            bar.update()
    if failures:
        raise ValueError(
            "Runs failed (their logs are in their folders under "
            f"{output_dir}; start again to repeat only these):\n" + "\n".join(failures)
        )
    return [result for run in runs if (result := finished(run, output_dir)) is not None]


def finished(run: Run, output_dir: Path) -> dict[str, Any] | None:
    """The result of a run, or ``None`` if it has none yet.

    Raises:
        ValueError: if the result was made with other overrides.

    """
    path = output_dir / "results" / f"{run.name}.json"
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result.get("overrides", {}) != run.row.overrides:
        raise ValueError(
            f"{path} was made with {result.get('overrides', {})} in place of {run.row.overrides}: name another "
            "--output_dir, or remove it to run anew."
        )
    return result


def _run(run: Run, root: Path, output_dir: Path, dataset_dir: Path, threads: int) -> None:
    folder = output_dir / run.name
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as file:
        # Loggers that were made at import hold the streams of this worker, so the streams themselves are moved.
        sys.stdout.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        warnings.simplefilter("ignore")
        overrides = {"dataset_dir": str(dataset_dir), "ckpt_dir": str(folder), "seed": run.seed, **run.row.overrides}
        start = time.perf_counter()
        run_configs(run.configs(root), root, **overrides, output_dir=str(folder))
        seconds = time.perf_counter() - start
        _export_evaluation(run, root, folder / EVALUATION_CONFIG)
        run_configs([str(folder / EVALUATION_CONFIG)], root, **overrides, output_dir=str(folder / "evaluation"))
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    result = {
        "run": run.name,
        "labels": run.row.labels,
        "seed": run.seed,
        "configs": [str(Path(c).relative_to(root)) for c in run.configs(root)],
        "overrides": run.row.overrides,
        "train_seconds": round(seconds, 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "metrics": metrics,
    }
    with whole_file(output_dir / "results" / f"{run.name}.json") as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def run_configs(configs: Sequence[str], root: Path | None = None, **overrides: Any) -> None:
    """Initialise, run and finalise a bundle workflow.

    Args:
        configs: config files, later ones override earlier ones.
        root: checkout whose ``logging.conf`` and ``metadata.json`` apply; ``None`` for neither.
        **overrides: entries on top of the configs.

    """
    # Imported in the worker: the parent only waits.
    from monai.bundle import ConfigWorkflow

    folder = None if root is None else root / "bundle" / "configs"
    workflow = ConfigWorkflow(
        config_file=list(configs),
        # An empty list: None would look for a file beside the configs, and complain that there is none.
        meta_file=[] if folder is None else str(folder / "metadata.json"),
        logging_file=False if folder is None else str(folder / "logging.conf"),
        workflow_type="train",
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def _export_evaluation(run: Run, root: Path, path: Path) -> None:
    # One file that says all: a finished run can be evaluated again when the configs have changed or are gone.
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_files(run.configs(root, evaluate=True)))
    parser.update(run.row.overrides)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(parser.get(), indent=1) + "\n", encoding="utf-8")
