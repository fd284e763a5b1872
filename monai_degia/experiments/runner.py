"""Run a grid: each run through the bundle's workflows in a process of its own, one result file a run."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from monai_degia.engines.run_folder import hold_folder
from monai_degia.engines.workflow import run_configs, whole_config
from monai_degia.errors import UserError
from monai_degia.experiments.grids import Run
from monai_degia.experiments.orphans import end_with_parent, leave_orphaned
from monai_degia.experiments.stopped import epochs_done, start_anew
from monai_degia.io.bars import WorkBar
from monai_degia.io.files import whole_file

__all__ = ["EVALUATION_CONFIG", "evaluate_grid", "finished", "read_results", "run_grid"]

#: In the folder of a run: the whole config of its evaluation.
EVALUATION_CONFIG = "evaluate.json"
#: Beside the runs of a grid: the samples that they share, read and preprocessed.
CACHE_FOLDER = "cache"


def run_grid(
    runs: Sequence[Run], root: Path, output_dir: Path, dataset_dir: Path, jobs: int = 1
) -> list[dict[str, Any]]:
    """Run what is not finished, and return the results of all runs.

    A run that was stopped on its way goes on from its last checkpoint, if its configs are still the same.

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
        raise UserError(
            f"{root} holds no bundle/configs/train.json: run this in a checkout of monai_degia, or name it with --root."
        )
    waiting = [run for run in runs if finished(run, output_dir) is None]
    _in_processes(_run, waiting, len(runs), "runs", output_dir, jobs, (root, output_dir, dataset_dir))
    return [result for run in runs if (result := finished(run, output_dir)) is not None]


def evaluate_grid(
    runs: Sequence[Run], overlay: str, root: Path, output_dir: Path, dataset_dir: Path, jobs: int = 1
) -> list[dict[str, Any]]:
    """Evaluate finished runs once more, with an overlay behind their evaluation; what is done is skipped.

    Args:
        runs: runs that :func:`run_grid` has finished.
        overlay: file under ``configs/``, without suffix, such as ``run/self_consistent``.
        root: folder that holds ``bundle/`` and ``configs/``.
        output_dir: that of the runs; results are written to ``results/<run>+<name of the overlay>.json``.
        dataset_dir: folder of the data.
        jobs: runs at a time; the cores are shared among them.

    Returns:
        Results like those of the runs; a further label ``inference`` names the overlay.

    Raises:
        ValueError: if there is no such overlay, or an evaluation fails.

    """
    if not _overlay(root, overlay).is_file():
        raise UserError(f"There is no overlay {_overlay(root, overlay)}: name one such as run/self_consistent.")
    waiting = [run for run in runs if finished(run, output_dir, overlay) is None]
    _in_processes(
        _evaluate, waiting, len(runs), "evaluations", output_dir, jobs, (root, output_dir, dataset_dir, overlay)
    )
    return [result for run in runs if (result := finished(run, output_dir, overlay)) is not None]


def _in_processes(
    work: Callable[..., None], runs: list[Run], total: int, what: str, output_dir: Path, jobs: int, arguments: tuple
) -> None:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    failures = []
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=end_with_parent) as pool,
        WorkBar(total=total, initial=total - len(runs), desc=what, unit="run") as bar,
    ):
        futures = {pool.submit(work, run, threads, *arguments): run for run in runs}
        for number, future in enumerate(as_completed(futures), start=total - len(runs) + 1):
            error = future.exception()
            if error is not None:
                failures.append(f"{futures[future].name}: {error}")
            bar.update()
            # Where there is no bar, these lines are all that is seen for hours.
            ended = "failed" if error is not None else "done"
            bar.write(f"{number} of {total} {what}: {futures[future].name} {ended}")
    if failures:
        raise UserError(
            "Runs failed (their logs are in their folders under "
            f"{output_dir}; start again to repeat only these):\n" + "\n".join(failures)
        )


def read_results(runs: Sequence[Run], folder: Path, overlay: str = "") -> list[dict[str, Any]]:
    """The results among ``runs`` that a folder of result files holds, such as those kept in ``docs/results``.

    Args:
        runs: the grid.
        folder: folder of ``<run>.json``, and of ``<run>+<name of the overlay>.json``.
        overlay: read the evaluations with this overlay instead.

    Raises:
        ValueError: if it holds none of them, or one was made with other overrides.

    """
    found = [result for run in runs if (result := _read(run, folder / _file_name(run, overlay))) is not None]
    if not found:
        raise UserError(
            f"{folder} holds no result file of these runs, such as {_file_name(runs[0], overlay)}: name the folder "
            "results/ of a grid's --output_dir, or one of docs/results."
        )
    return found


def finished(run: Run, output_dir: Path, overlay: str = "") -> dict[str, Any] | None:
    """The result of a run, or of its evaluation with an overlay, or ``None`` if it has none yet.

    Raises:
        ValueError: if the result was made with other overrides.

    """
    return _read(run, _result_file(run, output_dir, overlay))


def _read(run: Run, path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result.get("overrides", {}) != run.row.overrides:
        raise UserError(
            f"{path} was made with {result.get('overrides', {})} in place of {run.row.overrides}: name another "
            "--output_dir, or remove it to run anew."
        )
    return result


def _overlay(root: Path, overlay: str) -> Path:
    return root / "configs" / f"{overlay}.yaml"


def _result_file(run: Run, output_dir: Path, overlay: str = "") -> Path:
    return output_dir / "results" / _file_name(run, overlay)


def _file_name(run: Run, overlay: str) -> str:
    return run.name + (f"+{Path(overlay).name}" if overlay else "") + ".json"


def _run(run: Run, threads: int, root: Path, output_dir: Path, dataset_dir: Path) -> None:
    leave_orphaned()
    folder, config, cache = output_dir / run.name, _whole_config(run, root), str(output_dir / CACHE_FOLDER)
    hold_folder(folder)  # before anything there is taken for what a stopped run has left
    before, epochs = epochs_done(folder, config)
    with _logged(folder / "log.txt", threads, append=before > 0):
        folders = {"dataset_dir": str(dataset_dir), "ckpt_dir": str(folder), "cache_dir": cache}
        overrides = {**folders, "seed": run.seed, **run.row.overrides}
        if not before:
            start_anew(folder, config)
        start, processor_start = time.perf_counter(), time.process_time()
        if not before or before < epochs:
            run_configs(run.configs(root), root / "bundle", **overrides, output_dir=str(folder), resume=before > 0)
        seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
        with whole_file(folder / EVALUATION_CONFIG) as partial:
            # One file that says all: a finished run can be evaluated again when the configs have changed or are gone.
            partial.write_text(_whole_config(run, root, evaluate=True), encoding="utf-8")
        run_configs(
            [str(folder / EVALUATION_CONFIG)], root / "bundle", **overrides, output_dir=str(folder / "evaluation")
        )
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    result = {
        "run": run.name,
        "labels": run.row.labels,
        "seed": run.seed,
        "configs": [str(Path(c).relative_to(root)) for c in run.configs(root)],
        "overrides": run.row.overrides,
        **_timing(seconds, processor_seconds, before),
        # bfloat16 or float32 is the processor's own choice in some configs.
        "precision": _precision(folder / EVALUATION_CONFIG),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "metrics": metrics,
    }
    _write(result, _result_file(run, output_dir))


def _evaluate(run: Run, threads: int, root: Path, output_dir: Path, dataset_dir: Path, overlay: str) -> None:
    leave_orphaned()
    result, name = finished(run, output_dir), Path(overlay).name
    if result is None:
        raise UserError("it is not trained yet: start the grid first.")
    folder = output_dir / run.name
    with _logged(folder / f"log_{name}.txt", threads):
        folders = {
            "dataset_dir": str(dataset_dir),
            "ckpt_dir": str(folder),
            "cache_dir": str(output_dir / CACHE_FOLDER),
        }
        overrides = {**folders, "seed": run.seed, **run.row.overrides}
        configs = [str(folder / EVALUATION_CONFIG), str(_overlay(root, overlay))]
        run_configs(configs, root / "bundle", **overrides, output_dir=str(folder / f"evaluation_{name}"))
    metrics = json.loads((folder / f"evaluation_{name}" / "metrics.json").read_text(encoding="utf-8"))
    labels = {**result["labels"], "inference": name}
    configs = [*result["configs"], str(_overlay(root, overlay).relative_to(root))]
    _write({**result, "labels": labels, "configs": configs, "metrics": metrics}, _result_file(run, output_dir, overlay))


@contextmanager
def _logged(log: Path, threads: int, append: bool = False) -> Iterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    with log.open("a" if append else "w", encoding="utf-8") as file:
        # Loggers that were made at import hold the streams of this worker, so the streams themselves are moved.
        sys.stdout.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            traceback.print_exc(file=file)  # the parent tells the reason alone, when all runs have ended
            raise


def _write(result: dict[str, Any], path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _whole_config(run: Run, root: Path, evaluate: bool = False) -> str:
    return json.dumps(whole_config(run.configs(root, evaluate), run.row.overrides), indent=1) + "\n"


def _timing(seconds: float, processor_seconds: float, epochs_before: int) -> dict[str, Any]:
    if epochs_before:
        # Nobody timed the epochs before the run was stopped.
        return {"train_seconds": None, "continued_after_epoch": epochs_before}
    # What the clock on the wall says depends on what else the machine did, and on pauses.
    return {"train_seconds": round(seconds, 1), "train_processor_seconds": round(processor_seconds, 1)}


def _precision(config_file: Path) -> str:
    """What the task network was trained in on this machine."""
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_file(config_file))
    return str(parser.get_parsed_content("autocast_dtype") or torch.float32).removeprefix("torch.")
