"""The table of docs/performance.md: how long things take, as ratios of two that are measured in turn in one run.

    python docs/benchmarks/speed.py --work_dir /tmp/speed --baseline CHECKOUT_OF_AN_EARLIER_COMMIT --output speed.json

Each figure is of medians of several runs with one thread for the network. Nothing else should run meanwhile.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent
#: Key, what it is, what was asked for, what would be better; "<=" or ">=" says which way is good.
ROWS = [
    ("radiographs", "radiographs 2000 x 1500, folder of 50: time over the lower bound", "<= 2", "1.3"),
    ("radiographs_before", "the same, times as fast as before", ">= 12", "20"),
    ("jpeg2000", "the same as JPEG 2000: time over the lower bound", "<= 1.5", "1.2"),
    ("pictures_before", "pictures of 100 pixels, times as fast as before", ">= 2", "3"),
    ("one_pass", "one forward pass without confidence, over the default", "<= 0.1", ""),
    ("photograph_before", "reading a photograph of 12 megapixels, times as fast as before", ">= 50", ""),
    ("iteration", "training iteration on hands, over its network and flow steps", "<= 1.15", "1.05"),
    ("round_hands", "round of maximisation on hands, `appearance`, over its passes", "<= 1.15", "1.05"),
    ("round_digits", "round on digits, `pixel`, over its passes", "<= 1.05", "1.02"),
    ("import", "import monai_degia over import monai", "<= 1.05", ""),
    ("memory", "peak memory of a folder of 2,000 over one of 50", "<= 1.1", ""),
]


class Bench:
    """Runs scripts in turn and keeps what they print."""

    def __init__(self, work_dir: Path, baseline: Path | None, repeats: int, counts: dict[str, int]) -> None:
        self.work_dir, self.baseline, self.repeats, self.counts = work_dir, baseline, repeats, counts
        self.seconds: dict[str, float] = {}

    def script(self, name: str, *options: str, checkout: Path = ROOT) -> dict[str, Any]:
        """The JSON object that a script prints last."""
        return json.loads(self.run(name, *options, checkout=checkout).strip().splitlines()[-1])

    def run(self, name: str, *options: str, checkout: Path = ROOT) -> str:
        """What a script prints, with a checkout in front of what is installed."""
        environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", str(SCRIPTS / name), *options]
        done = subprocess.run(command, env=environment, cwd=self.work_dir, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def medians(self, works: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
        """Median seconds of each, measured in turn."""
        found: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(repeats):
            for name, work in works.items():
                found[name].append(work())
        result = {name: statistics.median(values) for name, values in found.items()}
        self.seconds.update(result)
        return result

    def infer(self, folder: str, checkout: Path = ROOT, figure: str = "wall", **overrides: Any) -> float:
        """Seconds an image of inference on one of the folders."""
        output, repeats = self.work_dir / "output", 1 if figure == "peak_mb" else self.repeats
        options = [str(checkout), str(self.work_dir / folder), str(output), str(repeats), json.dumps(overrides)]
        printed = self.script("infer_folder.py", *options, checkout=checkout)
        if printed["images"] != self.counts[folder]:
            raise SystemExit(f"{folder}: {printed['images']} of {self.counts[folder]} images have a result.")
        return printed[figure] / (printed["images"] if figure != "peak_mb" else 1)

    def photograph(self, file: str, checkout: Path = ROOT) -> float:
        """Seconds to read one photograph."""
        return self.script("read_photograph.py", str(checkout), file, str(self.repeats), checkout=checkout)["seconds"]

    def bound(self, folder: str) -> float:
        """Seconds an image of the lower bound."""
        printed = self.script("infer_bound.py", str(self.work_dir / folder))
        return max(printed["decoding"], printed["passes"]) / printed["images"]


def inference_figures(bench: Bench) -> dict[str, float]:
    """Radiographs and pictures."""
    works: dict[str, Callable[[], float]] = {
        "radiographs": lambda: bench.infer("radiographs"),
        "radiographs bound": lambda: bench.bound("radiographs"),
        "jpeg2000": lambda: bench.infer("jpeg2000"),
        "jpeg2000 bound": lambda: bench.bound("jpeg2000"),
        "pictures": lambda: bench.infer("pictures"),
        "one pass": lambda: bench.infer("pictures", refine=False),
    }
    if bench.baseline is not None:
        before = bench.baseline
        works["radiographs before"] = lambda: bench.infer("few", checkout=before)
        works["pictures before"] = lambda: bench.infer("pictures", checkout=before)
    seconds = bench.medians(works, 1)  # each of these is a median of several runs by itself
    figures = {
        "radiographs": seconds["radiographs"] / seconds["radiographs bound"],
        "jpeg2000": seconds["jpeg2000"] / seconds["jpeg2000 bound"],
        "one_pass": seconds["one pass"] / seconds["pictures"],
    }
    if bench.baseline is not None:
        figures["radiographs_before"] = seconds["radiographs before"] / seconds["radiographs"]
        figures["pictures_before"] = seconds["pictures before"] / seconds["pictures"]
    return figures


def other_figures(bench: Bench) -> dict[str, float]:
    """One photograph, imports, memory."""
    file = str(bench.work_dir / "photograph" / "a.jpg")
    imports = bench.medians({name: partial(_import, name) for name in ("monai", "monai_degia")}, bench.repeats)
    figures = {"import": imports["monai_degia"] / imports["monai"]}
    if bench.baseline is not None:
        checkouts = {"photograph": ROOT, "photograph before": bench.baseline}
        seconds = bench.medians({name: partial(bench.photograph, file, at) for name, at in checkouts.items()}, 1)
        figures["photograph_before"] = seconds["photograph before"] / seconds["photograph"]
    peaks = [bench.infer(folder, figure="peak_mb", refine=False) for folder in ("radiographs", "many")]
    return {**figures, "memory": peaks[1] / peaks[0]}


def training_figures(bench: Bench, dataset_dir: Path) -> dict[str, float]:
    """Both phases against what they cannot do without."""
    figures = {}
    for task, method, keys in (
        ("hands", "degia", ("iteration", "round_hands")),
        ("digits", "degia_pixel", ("", "round_digits")),
    ):
        options = ["--dataset_dir", str(dataset_dir), "--task", task, "--method", method]
        printed = bench.run("phases.py", *options, "--repeats", str(bench.repeats))
        found = re.findall(r"^(minimisation|maximisation) / \w+ alone: ([\d.]+)$", printed, re.MULTILINE)
        figures |= {key: float(ratio) for key, (_, ratio) in zip(keys, found, strict=True) if key}
    return figures


def _import(name: str) -> float:
    code = f"import time; start = time.process_time(); import {name}; print(time.process_time() - start)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def machine() -> str:
    """The machine in words."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    fast = ", ".join(name for name in ("avx2", "avx512_bf16", "amx_bf16") if torch.cpu.get_capabilities().get(name))
    return f"{os.cpu_count()} cores of {model} ({fast}), torch {torch.__version__}, Python {platform.python_version()}"


def table(result: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = ["| figure | measured | asked for | better |", "|---|---|---|---|"]
    for key, what, asked, better in ROWS:
        if key in result["figures"]:
            lines.append(f"| {what} | {result['figures'][key]:.3g} | {asked} | {better} |")
    return "\n".join(lines)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make the images and run everything."""
    from images import write_photograph, write_pictures, write_radiographs

    few, many = max(2, options.images // 10), options.images * 40
    counts = {"radiographs": options.images, "jpeg2000": options.images, "pictures": options.images}
    counts |= {"few": few, "many": many}
    folder = options.work_dir
    folder.mkdir(parents=True, exist_ok=True)
    write_radiographs(folder / "radiographs", options.images)
    write_radiographs(folder / "jpeg2000", options.images, jpeg2000=True)
    write_pictures(folder / "pictures", counts["pictures"])
    write_photograph(folder / "photograph" / "a.jpg")
    for name, count in (("few", few), ("many", many)):
        (folder / name).mkdir(exist_ok=True)
        for index in range(count):
            link = folder / name / f"{index:05d}.dcm"
            if not link.exists():
                os.link(folder / "radiographs" / f"{index % options.images:04d}.dcm", link)
    bench = Bench(folder, options.baseline, options.repeats, counts)
    figures = {**inference_figures(bench), **other_figures(bench)}
    if options.dataset_dir is not None:
        figures |= training_figures(bench, options.dataset_dir)
    return {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "repeats": options.repeats,
        "images": options.images,
        "seconds": {name: round(value, 5) for name, value in bench.seconds.items()},
        "figures": {name: round(value, 4) for name, value in figures.items()},
    }


def main() -> None:
    """Measure, or print the table of an earlier measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work_dir", type=Path, help="where images and results of the runs go")
    parser.add_argument("--baseline", type=Path, help="checkout of the commit to compare with")
    parser.add_argument("--dataset_dir", type=Path, help="hands and digits, to measure training too")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=50, help="in a folder")
    parser.add_argument("--output", type=Path, help="result file to write")
    parser.add_argument("--results", type=Path, help="print the table of this result file and measure nothing")
    options = parser.parse_args()
    if options.results:
        print(table(json.loads(options.results.read_text(encoding="utf-8"))))
        return
    if options.work_dir is None:
        parser.error("--work_dir is needed, or --results")
    options.work_dir = options.work_dir.resolve()
    options.baseline = options.baseline and options.baseline.resolve()
    options.dataset_dir = options.dataset_dir and options.dataset_dir.resolve()
    result = measure(options)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(result["machine"])
    print(table(result))


if __name__ == "__main__":
    main()
