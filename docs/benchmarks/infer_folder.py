"""Run the bundle's inference on a folder and print, as JSON, the seconds it took once everything was loaded.

A process of its own, so that it measures whichever checkout of the project stands first in PYTHONPATH:

    python docs/benchmarks/infer_folder.py CHECKOUT FOLDER OUTPUT REPEATS '{"refine": false}'

A first run, which also builds what serves all others, is not counted. Seconds are medians.
"""

import contextlib
import io
import json
import logging
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from monai.bundle import ConfigWorkflow


def main() -> None:
    """Run once more often than is measured."""
    checkout, folder, output, repeats = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    overrides = json.loads(sys.argv[5])
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    config = checkout / "bundle" / "configs" / "inference.json"
    entries = {"bundle_root": str(checkout / "bundle"), "output_dir": output, **overrides}
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        workflow = ConfigWorkflow(str(config), workflow_type="infer", logging_file=False, dataset_dir=folder, **entries)
        workflow.initialize()
        evaluator = workflow.parser.get_parsed_content("evaluator")
        times = []
        for _ in range(repeats + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            evaluator.run()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (statistics.median(values) for values in zip(*times[1:], strict=True))
    rows = json.loads((Path(output) / "landmarks.json").read_text(encoding="utf-8"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images": len(rows), "wall": wall, "cpu": cpu, "peak_mb": peak}))


if __name__ == "__main__":
    main()
