"""A 3-D UNet for the prostate in MRI, trained on two groups of hospitals by five methods, judged on a third one.

    python docs/examples/segmentation/compare.py DATASET_DIR RESULTS_DIR [--seeds 0 1 2] [--only plain degia]

Each run is `train.json` with the overlays of its method, as `python -m monai.bundle run` takes them. It leaves one
result file, and is not repeated where that is there already. Dice of each volume is written for the held-out volumes of
the source, for those under changes of appearance (by which settings are chosen), and for the unseen group.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.metrics import DiceHelper

HERE = Path(__file__).parent
METHODS: dict[str, list[str]] = {
    "plain": [],
    "random intensity": ["random_intensity.yaml"],
    "random convolution": ["randconv.yaml"],
    "degia": ["degia.yaml"],
    "degia with random convolution": ["randconv.yaml", "degia.yaml"],
}
#: Changes of the held-out volumes of the source, by which settings are chosen. None imitates the unseen group.
SHIFTS: dict[str, dict[str, Any]] = {
    "bright": {"_target_": "AdjustContrastd", "keys": "image", "gamma": 0.4},
    "dark": {"_target_": "AdjustContrastd", "keys": "image", "gamma": 2.5},
    "curve": {"_target_": "RandHistogramShiftd", "keys": "image", "prob": 1.0, "num_control_points": 5},
    "bias": {"_target_": "RandBiasFieldd", "keys": "image", "prob": 1.0, "coeff_range": [0.2, 0.3]},
    "smooth": {"_target_": "GaussianSmoothd", "keys": "image", "sigma": 1.0},
    "noisy": {"_target_": "RandGaussianNoised", "keys": "image", "prob": 1.0, "std": 0.1, "sample_std": False},
    "ringing": {"_target_": "GibbsNoised", "keys": "image", "alpha": 0.6},
}


def run(overlays: list[str], seed: int, dataset_dir: Path, output_dir: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train once and evaluate on every set; Dice of each volume, by the name of the set."""
    files = [str(HERE / name) for name in ("train.json", *overlays, "evaluate.json")]
    config = ConfigParser.load_config_files(files)
    config["run"] = ["$@train#trainer.run()"]
    parser = ConfigParser(config)
    given = {"seed": seed, "dataset_dir": str(dataset_dir), "output_dir": str(output_dir), **options}
    parser.update(given)
    parser.get_parsed_content("initialize")
    start = time.process_time()
    parser.get_parsed_content("run")
    seconds = time.process_time() - start
    network = parser.get_parsed_content("network").eval()
    sets = {"source_heldout": ("source_heldout", None), "unseen_D": ("unseen_D", None)}
    sets |= {f"source_heldout, {name}": ("source_heldout", shift) for name, shift in SHIFTS.items()}
    dice = {name: _dice(parser, network, *where) for name, where in sets.items()}
    return {"overlays": overlays, "options": options, "seed": seed, "seconds": round(seconds), "dice": dice}


def _dice(parser: ConfigParser, network: torch.nn.Module, split: str, shift: dict[str, Any] | None) -> dict[str, float]:
    """Dice of each volume of a split, whose images a transform may have changed."""
    parser["split"] = split
    parser["evaluate#shift"] = shift or {"_target_": "Identityd", "keys": "image"}
    parser.parse(True)
    dataset = parser.get_parsed_content("evaluate#dataset")
    random = dataset.transform.transforms[-1]
    if hasattr(random, "set_random_state"):
        random.set_random_state(0)
    helper = DiceHelper(sigmoid=True, reduction="mean", get_not_nans=False)
    device = parser.get_parsed_content("device")
    found = {}
    for item in dataset:
        with torch.no_grad():
            logits = network(item["image"].as_tensor()[None].clamp(0, 1).to(device))
        name = Path(item["image"].meta["filename_or_obj"]).name.removesuffix(".nii.gz")
        found[name] = round(float(helper(logits.cpu(), item["label"].as_tensor()[None])), 4)
    return found


def floor(dataset_dir: Path) -> dict[str, float]:
    """Dice of the mean mask of the source, which ignores the image."""
    parser = ConfigParser(
        ConfigParser.load_config_files([str(HERE / f"{name}.json") for name in ("train", "evaluate")])
    )
    parser["dataset_dir"] = str(dataset_dir)
    masks = {}
    for split in ("source_train", "source_heldout", "unseen_D"):
        parser["split"] = split
        parser.parse(True)
        masks[split] = [item["label"].as_tensor().bool() for item in parser.get_parsed_content("evaluate#dataset")]
    shape = torch.stack(masks.pop("source_train")).float().mean(0) >= 0.5
    return {
        split: mean(float(2 * (mask & shape).sum() / (mask.sum() + shape.sum())) for mask in each)
        for split, each in masks.items()
    }


def table(results_dir: Path) -> str:
    """Mean and standard deviation over seeds of the mean Dice over volumes, as markdown, from result files alone."""
    runs = [json.loads(path.read_text()) for path in sorted(results_dir.glob("*_seed=*.json"))]
    lowest = json.loads((results_dir / "floor.json").read_text())
    lines = [
        "| method | source, held out | the same, changed | unseen | seeds | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines.append(f"| mean mask of the source | {lowest['source_heldout']:.3f} | | {lowest['unseen_D']:.3f} | | |")
    for name in [name for name in METHODS if any(run["method"] == name for run in runs)]:
        own = [run for run in runs if run["method"] == name]
        changed = [mean(_mean(r, f"source_heldout, {shift}") for shift in SHIFTS) for r in own]
        columns = [[_mean(r, "source_heldout") for r in own], changed, [_mean(r, "unseen_D") for r in own]]
        cells = " | ".join(_spread(column) for column in columns)
        lines.append(f"| {name} | {cells} | {len(own)} | {mean(r['seconds'] for r in own):.0f} |")
    return "\n".join(lines)


def paired(results_dir: Path, name: str = "unseen_D") -> str:
    """By how much Dice of each method is above that of random intensity, volume by volume, as markdown.

    Each volume's Dice is the mean over seeds; behind the mean difference stands its standard error over volumes.
    """
    runs = [json.loads(path.read_text()) for path in sorted(results_dir.glob("*_seed=*.json"))]
    of = {method: [run["dice"][name] for run in runs if run["method"] == method] for method in METHODS}
    volumes = {
        method: {volume: mean(each[volume] for each in own) for volume in own[0]} for method, own in of.items() if own
    }
    base = volumes.pop("random intensity", None)
    if base is None:
        return ""
    lines = ["| method | Dice above random intensity | volumes above it |", "|---|---|---|"]
    for method, own in volumes.items():
        gains = [own[volume] - base[volume] for volume in base]
        error = stdev(gains) / len(gains) ** 0.5
        above = sum(gain > 0 for gain in gains)
        lines.append(f"| {method} | {mean(gains):+.3f} ± {error:.3f} | {above} of {len(gains)} |")
    return "\n".join(lines)


def _mean(result: dict[str, Any], name: str) -> float:
    return mean(result["dice"][name].values())


def _spread(values: list[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Run what is not done yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_dir", type=Path, help="folder with images/, labels/ and splits.json")
    parser.add_argument("results_dir", type=Path, help="gets one JSON file a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--max_epochs", type=int, default=14)
    arguments = parser.parse_args()
    arguments.results_dir.mkdir(parents=True, exist_ok=True)
    options = {"max_epochs": arguments.max_epochs}
    for seed in arguments.seeds:
        for method in arguments.only:
            path = arguments.results_dir / f"{method.replace(' ', '_')}_seed={seed}.json"
            if not path.exists():
                result = run(METHODS[method], seed, arguments.dataset_dir, path.with_suffix(""), options)
                path.write_text(json.dumps({"method": method, **result}, indent=1) + "\n")
    (arguments.results_dir / "floor.json").write_text(json.dumps(floor(arguments.dataset_dir)) + "\n")
    print(table(arguments.results_dir), paired(arguments.results_dir), sep="\n\n")


if __name__ == "__main__":
    main()
