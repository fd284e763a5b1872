"""Every command in README and docs is run, in the order of its page, in a copy of what the page assumes."""

import csv
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import monai_degia
from monai_degia.experiments.catalogue import GRIDS

REPO = Path(__file__).parents[2]
PAGES = ["README.md", "configs/README.md", "bundle/docs/README.md"]
PAGES += sorted(str(path.relative_to(REPO)) for path in (REPO / "docs").rglob("*.md") if "_build" not in path.parts)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Run by CI itself, on a fresh clone, or by the user's own means.
ELSEWHERE = ("make ", "pip install ", "sbatch ")


def blocks(page: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall((REPO / page).read_text(encoding="utf-8")) if kind == language]


def commands(page: str) -> list[str]:
    """Lines of all bash blocks, continued lines joined."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


WITH_COMMANDS = [page for page in PAGES if any(not line.startswith(ELSEWHERE) for line in commands(page))]


def rendered(
    folder: Path, modality: str, count: int, naming: str = "IMG_{}.png", sources: Sequence[str] = ("",), **columns: str
) -> None:
    """A list with the file names and further columns that the overlays for the real sets ask for."""
    monai_degia.write_synthetic_dataset(folder, modality, count)
    rows = list(csv.DictReader((folder / "landmarks.csv").open()))
    for index, row in enumerate(rows):
        name = naming.format(1000 + 53 * index)
        found = next(path for path in (folder, folder / "images") if (path / row["image"]).is_file())
        (found / row["image"]).rename(found / Path(row["image"]).with_name(name))
        row.update({"image": str(Path(row["image"]).with_name(name)), "digit": str(index % 10), **columns})
        row["source"] = sources[index % len(sources)]
    with (folder / "landmarks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def assumed(tmp_path_factory: pytest.TempPathFactory, write_digits: Any, write_volumes: Any) -> Path:
    """Checkout and data as the pages assume them."""
    folder = tmp_path_factory.mktemp("assumed")
    data = folder / "DATA"
    rendered(data / "hand_rgb_signdigits", "photo", 40, good="1")
    sources = ["fingercount", "rf_hands", "rps_freeman", "rf_lebanon", "asl_letters", "subhi"]
    rendered(data / "hand_rgb_more", "photo", 12, sources=sources, thumb_on_right="0")
    rendered(data / "hand_depth_ntu", "depth", 4)
    rendered(data / "hand_xray_mednist", "xray", 4, good="1", thumb_on_right="1")
    write_digits(data)
    write_volumes(folder / "VOLUMES")
    rendered(folder / "my_hands", "photo", 40, "{}_hand.png")
    for name in ("my_xrays", "FOLDER", "IMAGES"):
        monai_degia.write_synthetic_dataset(folder / "rendered", "xray", 3)
        shutil.copytree(folder / "rendered" / "images", folder / name)
    shutil.copytree(REPO / "bundle" / "models", folder / "MODELS")
    write = runpy.run_path(str(REPO / "docs" / "examples" / "own_anatomy" / "draw_vertebrae.py"))["write"]
    for drawn, name, other in (("photos", "my", False), ("others", "other", True)):
        write(folder / drawn, 24 if drawn == "photos" else 3, seed=0, other=other).rename(folder / f"{name}_coco.json")
        (folder / drawn / "images").rename(folder / f"{name}_images")
    (folder / "SETS").mkdir()
    np.savez(folder / "SETS" / "usps.npz", images=np.zeros((20, 16, 16), np.uint8), labels=np.arange(20) % 10)
    return folder


def sandbox(folder: Path, assumed: Path, page: str) -> Path:
    shutil.copytree(assumed, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("grids"))
    shutil.copytree(REPO / "bundle", folder / "bundle", ignore=shutil.ignore_patterns("eval", "*.ts", "*.onnx"))
    for name in ("configs", "docs", "monai_degia"):
        (folder / name).symlink_to(REPO / name)
    # Several pages name the same grid: the next one skips the runs that are made, as it would for a reader of both.
    (folder / "runs").mkdir()
    for grid in GRIDS:
        (assumed / "grids" / grid).mkdir(parents=True, exist_ok=True)
        (folder / "runs" / grid).symlink_to(assumed / "grids" / grid)
    for body in blocks(page, "yaml"):
        name = re.match(r"# (\w+\.yaml)\n", body)
        if name:
            (folder / name[1]).write_text(body)
    if page != "bundle/docs/README.md":
        return folder
    # that page speaks from inside the bundle, but for the command that made the weights
    (folder / "bundle" / "bundle").symlink_to(folder / "bundle")
    for path in (REPO / "configs").iterdir():
        if path.is_dir():
            (folder / "bundle" / "configs" / path.name).symlink_to(path)
    for name in ("DATA", "my_hands", "my_xrays"):
        (folder / "bundle" / name).symlink_to(folder / name)
    return folder / "bundle"


def test_pages_have_commands_and_targets_exist() -> None:
    known = {"README.md", "docs/how_to/xrays_in_a_folder.md", "docs/results.md", "docs/how_to/scale.md"}
    assert known <= set(WITH_COMMANDS)
    targets = {line.split()[1] for page in PAGES for line in commands(page) if line.startswith("make ")}
    assert {"demo", "test"} <= targets
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=REPO, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    setup = (REPO / "setup.py").read_text()
    text = " ".join((REPO / page).read_text(encoding="utf-8") for page in PAGES)
    for extra in set(re.findall(r"pip install [\"']?(?:\.|monai_degia)\[(\w+)\]", text)):
        assert f'"{extra}": [' in setup, f"setup.py has no extra {extra}"


@pytest.mark.docs
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_of_a_page_run(page: str, assumed: Path, warm_python: Path, tmp_path: Path) -> None:
    folder = sandbox(tmp_path / "page", assumed, page)
    lines = [line for line in commands(page) if not line.startswith(ELSEWHERE)]
    short, path = shlex.quote(str(Path(__file__).with_name("short_python.py"))), shlex.quote(sys.executable)
    start = [
        f'python() {{ {path} {short} "$@"; }}',
        'monai_degia() { python -m monai_degia "$@"; }',
        'torchrun() { python -m torch.distributed.run "$@"; }',
        "set -euo pipefail",
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join([*start, "set -x", *lines])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "WARM_PYTHON": str(warm_python)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-4000:]
