"""The benchmarks in docs: each still runs, and prints the figures that the pages quote."""

import csv
import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import monai_degia

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"


@pytest.mark.docs
@pytest.mark.parametrize(
    ("task", "method"), [("digits", "degia_pixel"), ("digits", "degia_appearance"), ("hands", "degia")]
)
def test_phases_against_their_lower_bounds(
    task: str, method: str, run_python: Any, write_digits: Any, tmp_path: Path
) -> None:
    if task == "digits":
        write_digits(tmp_path, train=200)
    else:
        monai_degia.write_synthetic_dataset(tmp_path / "hand_rgb_signdigits", "photo", 100, image_size=64)
        csv = tmp_path / "hand_rgb_signdigits" / "landmarks.csv"
        header, *rows = csv.read_text().splitlines()
        named = [f"{row},1,{number % 10}" for number, row in enumerate(rows)]
        csv.write_text("\n".join([f"{header},good,digit", *named]) + "\n")
    options = ("--dataset_dir", str(tmp_path), "--task", task, "--method", method, "--repeats", "1", "--images", "64")
    printed = run_python("-W", "ignore", str(BENCHMARKS / "phases.py"), *options).stdout
    speeds = re.findall(r"^(\w.+\w) +(\d+) images a second$", printed, re.MULTILINE)
    names = ["plain training", "minimisation", "steps alone", "maximisation", "passes alone"]
    assert [name for name, _ in speeds] == names
    assert all(int(speed) > 0 for _, speed in speeds)
    ratios = re.findall(r"^m\w+ / \w+ alone: (\d\.\d\d)$", printed, re.MULTILINE)
    # Nothing is timed here: a phase can only do more than what is in its lower bound, give or take the clock.
    assert len(ratios) == 2 and all(0.3 < float(ratio) < 8 for ratio in ratios)


@pytest.mark.docs
def test_phases_on_volumes_against_their_lower_bounds(run_python: Any) -> None:
    options = ("--side", "16", "--images", "4", "--repeats", "1", "--use_checkpoint")
    printed = run_python("-W", "ignore", str(BENCHMARKS / "volumes.py"), *options).stdout
    figures = dict(re.findall(r"^\| (\w[^|]+) \| ([\d.]+) \|$", printed, re.MULTILINE))
    assert 0.3 < float(figures["iteration over its steps"]) < 8 and 0.3 < float(figures["round over its passes"]) < 8
    assert 0.1 < float(figures["most memory, GiB"]) < 8


@pytest.mark.docs
def test_terms_of_the_ascent_of_a_run(run_python: Any, write_digits: Any, tmp_path: Path) -> None:
    write_digits(tmp_path)
    entries = ("max_epochs=2", "iterations_per_epoch=2", "batch_size=8", "val_interval=1", "round_interval=1")
    entries += ("images_per_round=8", "source_list::count=40", "splits::1::start=40", "splits::1::count=10")
    entries += ("unseen_lists::1::count=20",)
    grid = ("peers_short", "--only", "degia_pixel", "--seeds", "0", "--dataset_dir", str(tmp_path))
    runs = tmp_path / "runs"
    run_python("-m", "monai_degia.experiments", *grid, "--output_dir", str(runs), "--set", *entries)
    script = str(BENCHMARKS / "ascent_terms.py")
    options = ("--mnist", str(tmp_path / "mnist"), "--images", "10")
    printed = run_python("-W", "ignore", script, str(runs / "degia_pixel_seed=0"), *options).stdout
    rows = [line.split("|") for line in printed.splitlines() if line.count("|") == 4]
    assert [row[0].strip() for row in rows[1:]] == ["task loss", "NLL", "transport cost", "prediction"]
    for _, length, coarse, colour, along in rows[1:]:
        assert float(length) > float(coarse) > 0, "part of a gradient is shorter than all of it"
        assert 0 <= float(colour.rstrip(" %")) <= 100 and -1 <= float(along) <= 1


@pytest.mark.docs
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flow_cost.py", []),
        ("geometry.py", []),
        ("pool_scale.py", ["--sizes", "100", "200"]),
        ("runtimes.py", ["--repeats", "1"]),
        ("small_maps.py", ["--repeats", "1"]),
    ],
)
def test_the_others_print_figures(name: str, options: list[str], run_python: Any) -> None:
    printed = run_python("-W", "ignore", str(BENCHMARKS / name), *options).stdout
    assert re.search(r"\d", printed), printed


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Rendered hands under the names and columns of the photographs: four hundreds of numbers, ten digits."""
    folder = tmp_path / "hand_rgb_signdigits"
    header, *rows = monai_degia.write_synthetic_dataset(folder, "photo", 40, image_size=16).read_text().splitlines()
    lines = [f"{header},digit,good"]
    for i, row in enumerate(rows):
        name, rest = row.split(",", 1)
        renamed = f"{i % 10}_IMG_{1100 + 100 * (i % 4) + i}.png"
        (folder / "images" / name).rename(folder / "images" / renamed)
        lines.append(f"{renamed},{rest},{i % 10},1")
    (folder / "landmarks.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


FRONTIER = ("flow_frontier.py", "--sides", "16", "--budget", "0.5", "--dataset_dir")


@pytest.mark.docs
def test_frontier_of_our_flow(photographs: Path, run_python: Any, tmp_path: Path) -> None:
    table = tmp_path / "curves.csv"
    options = (str(photographs), "--only_ours", "--seeds", "0", "1", "--output", str(table))
    printed = run_python("-W", "ignore", str(BENCHMARKS / FRONTIER[0]), *FRONTIER[1:], *options).stdout
    assert len(re.findall(r"^16 px, ours +\d+ ms a step \|( +\d+\.\d s \d+\.\d{3})+$", printed, re.MULTILINE)) == 2
    rows = list(csv.DictReader(table.open()))
    assert {(row["side"], row["seed"], row["flow"]) for row in rows} == {("16", "0", "ours"), ("16", "1", "ours")}
    assert all(math.isfinite(float(row["bits"])) and float(row["seconds"]) > 0 for row in rows)


@pytest.mark.docs
def test_frontier_beside_normflows(photographs: Path, run_python: Any) -> None:
    installed = importlib.util.find_spec("normflows") is not None
    options = (str(photographs), "--glow", "2,1,4,0.01")
    script = ("-W", "ignore", str(BENCHMARKS / FRONTIER[0]), *FRONTIER[1:], *options)
    done = run_python(*script, status=0 if installed else 1)
    if installed:
        assert re.search(
            r"^16 px, seed 0: \d\.\d+ bits a dimension, ratio (\d+\.\d|below 1)$", done.stdout, re.MULTILINE
        )
    else:
        assert "normflows, which is not installed: pip install normflows, or pass --only_ours" in done.stderr


@pytest.mark.docs
def test_speed_prints_its_table_and_again_from_its_file(run_python: Any, tmp_path: Path) -> None:
    """By ``images.py``, ``infer_folder.py``, ``infer_bound.py`` and ``read_photograph.py``; nothing is judged here."""
    script, kept = str(BENCHMARKS / "speed.py"), tmp_path / "speed.json"
    options = ("--work_dir", str(tmp_path), "--images", "2", "--repeats", "1", "--baseline", str(BENCHMARKS.parents[1]))
    printed = run_python("-W", "ignore", script, *options, "--output", str(kept)).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 8, printed
    figures = json.loads(kept.read_text())["figures"]
    assert all(value > 0 for value in figures.values()), figures
    assert run_python(script, "--results", str(kept)).stdout.splitlines() == printed.splitlines()[1:]


@pytest.mark.docs
def test_training_is_timed(run_python: Any, photographs: Path, tmp_path: Path) -> None:
    options = (str(BENCHMARKS.parents[1]), str(photographs), str(tmp_path / "run"), "1", "0")
    printed = json.loads(run_python("-W", "ignore", str(BENCHMARKS / "train_epochs.py"), *options).stdout)
    assert printed["cpu"] > 0 and 0 < printed["best_val_nme"] < 2


@pytest.mark.docs
def test_rules_for_the_radius_are_told_apart() -> None:
    """Errors that go with the disagreement of the landmark and of the image, and not with the likelihood."""
    spec = importlib.util.spec_from_file_location("rules", BENCHMARKS / "confidence_rules.py")
    assert spec is not None and spec.loader is not None
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    rows = []
    for index in range(600):
        log = torch.randn(1) + torch.randn(4) - 4
        error = (0.5 * log + 0.5 * log.mean()).exp() * torch.randn(4, 2).norm(dim=1)
        kinds = ((), ("far",), ("dark",))[index % 3]
        about = {"file": f"{index // 3}.png", "kinds": kinds, "bits": torch.randn(()), "other_side": torch.rand(())}
        rows.append({"disagreement": log.exp(), "refined of found": error, **about})
    table = rules.compare(rows)
    assert [row["rule"] for row in table] == list(rules.RULES)
    same, own, image, *others = (row["as_is"] for row in table)
    assert same > 1.1 * own > 1.1 * image and others == pytest.approx([image] * 3, rel=0.1)
    assert rules.markdown(table).count("\n") == 1 + len(table)


def test_every_benchmark_is_run_here() -> None:
    names = {path.name for path in BENCHMARKS.glob("*.py")}
    beside = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert names <= set(re.findall(r"[\"`](\w+\.py)[\"`]", beside))
