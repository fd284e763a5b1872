"""The prostate in MRI, its mask or seven landmarks: trained on two groups of hospitals, judged on a third one.

    python docs/examples/segmentation/compare.py DATASET_DIR RESULTS_DIR [--task landmarks] [--only plain degia]

Each run is `train.json` with the overlays of its method, as `python -m monai.bundle run` takes them. It leaves one
result file, and is not repeated where that is there already. The figure of each volume is written for the held-out
volumes of the source, for those under changes of appearance (by which settings are chosen), and for the unseen group.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
import yaml
from monai.bundle import ConfigParser
from monai.data import Dataset
from monai.metrics import DiceHelper
from torch import Tensor

import monai_degia

HERE = Path(__file__).parent
TASKS: dict[str, list[str]] = {"segmentation": [], "landmarks": ["landmarks.yaml"]}
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


def run(
    task: str, overlays: list[str], seed: int, dataset_dir: Path, output_dir: Path, options: dict[str, Any]
) -> dict[str, Any]:
    """Train once and evaluate on every set; the figure of each volume, by the name of the set."""
    parser = _config(task, overlays)
    parser.update({"seed": seed, **options})
    parser.update({"dataset_dir": str(dataset_dir), "output_dir": str(output_dir)})
    parser.get_parsed_content("initialize")
    start = time.process_time()
    parser.get_parsed_content("train#trainer").run()
    seconds = time.process_time() - start
    network = parser.get_parsed_content("network").eval()
    device = parser.get_parsed_content("device")

    @torch.no_grad()
    def predict(image: Tensor) -> Tensor:
        return network(image.clamp(0, 1)[None].to(device)).cpu()

    sets = {name: (name, None) for name in ("source_heldout", "unseen_D")}
    sets |= {f"source_heldout, {name}": ("source_heldout", shift) for name, shift in SHIFTS.items()}
    figures = {name: _figures(parser, task, predict, *where) for name, where in sets.items()}
    return {"overlays": overlays, "options": options, "seed": seed, "seconds": round(seconds), "figures": figures}


def floor(task: str, dataset_dir: Path) -> dict[str, float]:
    """The mean figure of one prediction for all volumes, which ignores them: the mean of the source's labels."""
    parser = _config(task, [])
    parser["dataset_dir"] = str(dataset_dir)
    labels = [_label(item, task) for item in _items(parser, "source_train")]
    middle = torch.stack([label.float() for label in labels]).mean(0)
    if task == "segmentation":
        middle = torch.where(middle >= 0.5, 10.0, -10.0)
    sets = ("source_heldout", "unseen_D")
    return {name: mean(_figures(parser, task, lambda image: middle[None], name).values()) for name in sets}


def _config(task: str, overlays: list[str]) -> ConfigParser:
    files = ["train.json", *TASKS[task], *overlays, "evaluate.json"]
    return ConfigParser(ConfigParser.load_config_files([str(HERE / name) for name in files]))


def _items(parser: ConfigParser, split: str, shift: dict[str, Any] | None = None) -> Dataset:
    """The volumes of a split, whose images a transform may change: the same way each time."""
    parser["split"] = split
    parser["evaluate#shift"] = shift or {"_target_": "Identityd", "keys": "image"}
    parser.parse(True)
    dataset = parser.get_parsed_content("evaluate#dataset")
    dataset.transform.set_random_state(0)
    return dataset


def _label(item: dict[str, Any], task: str) -> Tensor:
    """A mask, or landmarks in network coordinates."""
    if task == "segmentation":
        return item["label"].as_tensor()
    return monai_degia.normalize_landmarks(item["landmarks"], item["image"].shape[1:])


def _figures(
    parser: ConfigParser,
    task: str,
    predict: Callable[[Tensor], Tensor],
    split: str,
    shift: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Dice of each volume of a split, or the mean distance of its landmarks as a share of the gland's length."""
    metric: Any
    if task == "segmentation":
        metric = DiceHelper(sigmoid=True, reduction="mean", get_not_nans=False)
    else:
        size, names, spacing = (parser.get_parsed_content(name) for name in ("spatial_shape", "names", "spacing"))
        metric = monai_degia.NormalizedMeanErrorMetric(size, names, spacing)
    found = {}
    for item in _items(parser, split, shift):
        prediction, label = predict(item["image"].as_tensor()), _label(item, task)[None]
        if task == "landmarks":
            metric.reset()
            metric(prediction, label)
        value = metric(prediction, label) if task == "segmentation" else metric.aggregate()
        found[Path(item["image"].meta["filename_or_obj"]).name.removesuffix(".nii.gz")] = round(float(value), 4)
    return found


def tables(results_dir: Path) -> list[str]:
    """From the result files of a task alone: means and standard deviations over seeds, and differences by volume."""
    runs = [json.loads(path.read_text()) for path in sorted(results_dir.glob("*_seed=*.json"))]
    of = {method: [run for run in runs if run["method"] == method] for method in METHODS}
    lowest = json.loads((results_dir / "floor.json").read_text())
    lines = ["| method | held out | held out, changed | unseen | seeds | seconds |", "|---|---|---|---|---|---|"]
    lines.append(f"| mean of the source's labels | {lowest['source_heldout']:.3f} | | {lowest['unseen_D']:.3f} | | |")
    for method, own in ((method, own) for method, own in of.items() if own):
        changed = [mean(_mean(run, f"source_heldout, {shift}") for shift in SHIFTS) for run in own]
        columns = [[_mean(r, "source_heldout") for r in own], changed, [_mean(r, "unseen_D") for r in own]]
        cells = " | ".join(_spread(column) for column in columns)
        lines.append(f"| {method} | {cells} | {len(own)} | {mean(run['seconds'] for run in own):.0f} |")
    return ["\n".join(lines), *_differences(of)]


def _differences(of: dict[str, list[dict[str, Any]]], name: str = "unseen_D") -> list[str]:
    """By how much each method differs from random intensity: mean and standard error over volumes, seeds averaged."""
    volumes = {
        method: {volume: mean(run["figures"][name][volume] for run in own) for volume in own[0]["figures"][name]}
        for method, own in of.items()
        if own
    }
    base = volumes.pop("random intensity", None)
    if base is None:
        return []
    lines = ["| method | unseen, less random intensity | volumes above it |", "|---|---|---|"]
    for method, own in volumes.items():
        gains = [own[volume] - base[volume] for volume in base]
        above = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        lines.append(f"| {method} | {mean(gains):+.3f} ± {stdev(gains) / len(gains) ** 0.5:.3f} | {above} |")
    return ["\n".join(lines)]


def _mean(result: dict[str, Any], name: str) -> float:
    return mean(result["figures"][name].values())


def _spread(values: list[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Run what is not done yet and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_dir", type=Path, help="folder with images/, labels/ and splits.json")
    parser.add_argument("results_dir", type=Path, help="gets one JSON file a run, beside the run's folder")
    parser.add_argument("--task", choices=TASKS, default="segmentation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--max_epochs", type=int, default=14, help="epochs of 50 iterations")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="config entries for all runs")
    options = parser.parse_args()
    entries = {key: yaml.safe_load(value) for key, _, value in (entry.partition("=") for entry in options.set)}
    options.results_dir.mkdir(parents=True, exist_ok=True)
    lowest = floor(options.task, options.dataset_dir)
    (options.results_dir / "floor.json").write_text(json.dumps(lowest) + "\n")
    for seed in options.seeds:
        for method in options.only:
            path = options.results_dir / f"{method.replace(' ', '_')}_seed={seed}.json"
            if not path.exists():
                where = (options.dataset_dir, path.with_suffix(""))
                result = run(options.task, METHODS[method], seed, *where, {"max_epochs": options.max_epochs, **entries})
                path.write_text(json.dumps({"method": method, **result}, indent=1) + "\n")
    print("\n\n".join(tables(options.results_dir)))


if __name__ == "__main__":
    main()
