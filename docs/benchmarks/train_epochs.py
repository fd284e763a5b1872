"""Train DeGIA on hands with the bundle's configs; print, as JSON, processor time and source validation error.

A process of its own, so that it measures whichever checkout of the project stands first in PYTHONPATH:

    python docs/benchmarks/train_epochs.py CHECKOUT DATA OUTPUT EPOCHS SEED
"""

import contextlib
import io
import json
import logging
import sys
import time
import warnings
from pathlib import Path

import torch
from monai.bundle import ConfigWorkflow

OVERLAYS = ("backbone/resnet", "method/degia")
#: The set of photographs that the figures are of, by its names in this build and in those before it.
DATA = (("data/signdigits", "head/regression"), ("data/hands",))


def main() -> None:
    """Train, one thread."""
    checkout, dataset_dir, output, epochs, seed = Path(sys.argv[1]), *sys.argv[2:4], *map(int, sys.argv[4:6])
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    files = [checkout / "bundle" / "configs" / "train.json"]
    data = next(names for names in DATA if (checkout / "configs" / f"{names[0]}.yaml").is_file())
    files += [checkout / "configs" / f"{overlay}.yaml" for overlay in (*data, *OVERLAYS)]
    entries = {"dataset_dir": dataset_dir, "output_dir": output, "ckpt_dir": output, "max_epochs": epochs, "seed": seed}
    start = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        workflow = ConfigWorkflow([str(file) for file in files], workflow_type="train", logging_file=False, **entries)
        workflow.initialize()
        workflow.run()
    seconds = time.process_time() - start
    evaluator = workflow.parser.get_parsed_content("validate::evaluator")
    state = evaluator.state
    print(json.dumps({"cpu": seconds, "val_nme": state.metrics["val_nme"], "best_val_nme": state.best_metric}))


if __name__ == "__main__":
    main()
