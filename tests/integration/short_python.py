"""Stands in for `python` in the commands of the documentation: the same command, with training cut short.

Nothing but the length of a run changes: epochs, images, and which rows and seeds of a grid.
"""

import os
import sys
from pathlib import Path

SHORT = {"max_epochs": 1, "iterations_per_epoch": 2, "batch_size": 4, "val_interval": 1}
HANDS = {**SHORT, "images_per_round": 4}
RENDERED = {"source_sets::rendered_count": 40, "source_sets::faded_count": 4}
DIGITS = {
    **SHORT,
    "source_list::count": 40,
    "splits::1::start": 40,
    "splits::1::count": 10,
    "unseen_lists::1::count": 20,
}
ROWS = {"demo": "lenet", "hands": "erm", "table2": "lenet", "more_hands": "erm", "more_table2": "lenet"}
MORE = ("more_hands", "more_table2")
DIGIT_ROWS = {"table1": "plain", "table1_full": "plain", "peers": "erm", "peers_short": "erm"}


def shortened(arguments: list[str]) -> list[str]:
    """The arguments of the command that is run instead."""
    text = " ".join(arguments)
    if "monai_degia.experiments" in text:
        grid = arguments[arguments.index("monai_degia.experiments") + 1 :][0]
        if grid not in {**ROWS, **DIGIT_ROWS} or "--results" in arguments:
            return arguments
        entries = DIGITS if grid in DIGIT_ROWS else HANDS
        more = ["unseen_lists=[]"] if grid in (*MORE, "hands", "table2") else []  # the published sets are not rendered
        more += ["evaluation_list=$@splits[2]"] if grid in MORE else []
        entries = {**entries, **RENDERED} if grid in MORE else entries
        options = [f"{key}={value}" for key, value in entries.items()]
        return [
            *arguments,
            "--only",
            {**ROWS, **DIGIT_ROWS}[grid],
            "--seeds",
            "0",
            "--jobs",
            "1",
            "--set",
            *options,
            *more,
        ]
    if "segmentation/compare.py" in text or "segmentation/terms.py" in text:
        return [*arguments, "--max_epochs", "1", *(["--seeds", "0"] if "compare.py" in text else [])]
    if "examples/volumes.py" in text:
        return [*arguments, "1"]
    if "monai_degia train" in text:
        return [*arguments, *(part for key, value in HANDS.items() for part in (f"--{key}", str(value)))]
    if "monai.bundle run" in text and "segmentation/train.json" in text:
        smaller = [] if "patches.yaml" in text else ["--spatial_shape", "[16,16,16]"]
        return [*arguments, "--max_epochs", "3", "--epoch_length", "2", *smaller]
    if "monai.bundle run" in text and "train.json" in text:
        entries = DIGITS if "digits/task" in text else HANDS
        if "data/hands.yaml" in text:
            entries = {**entries, **RENDERED}
            # The published sets are not rendered.
            arguments = [part.replace("'configs/data/hands_expert.yaml',", "") for part in arguments]
        if "--resume True" in text:
            entries = {**entries, "max_epochs": 2}
        return [*arguments, *(part for key, value in entries.items() for part in (f"--{key}", str(value)))]
    return arguments


if __name__ == "__main__":
    warm = [str(Path(__file__).with_name("warm_python.py")), os.environ["WARM_PYTHON"]]
    os.execv(sys.executable, [sys.executable, *warm, *shortened(sys.argv[1:])])
