"""The examples in docs: each is run as its reader would, and what it prints shows what it is there to show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
EXAMPLES = REPO / "docs" / "examples"


def run(name: str) -> list[list[float]]:
    """Numbers in each printed line that has some."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(EXAMPLES / name)],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line for line in done.stdout.splitlines() if "INFO" not in line]
    return [found for line in printed if (found := [float(n) for n in re.findall(r"\d+\.\d+", line)])]


@pytest.mark.docs
def test_a_classifier_reads_shapes_it_never_saw_after_rounds_of_maximisation() -> None:
    (plain, inverted, shaded), (plain_climbed, inverted_climbed, shaded_climbed) = run("classifier.py")
    assert plain_climbed > plain - 5 and plain_climbed > 80
    assert inverted_climbed > inverted + 10 and shaded_climbed > shaded + 5


@pytest.mark.docs
def test_a_flow_tells_foreign_images_from_its_own() -> None:
    (bits,), (inverted,), (shaded,) = run("out_of_distribution.py")
    assert bits < 7 and inverted > 0.95 and shaded > 0.95


@pytest.mark.docs
def test_a_plain_loop_finds_centres_in_looks_it_never_saw() -> None:
    (plain, inverted, shaded), (plain_climbed, inverted_climbed, shaded_climbed) = run("plain_loop.py")
    assert plain_climbed < plain + 0.5
    assert inverted_climbed < 0.85 * inverted and shaded_climbed < 0.9 * shaded


@pytest.mark.docs
def test_a_segmentation_survives_inverted_volumes_with_one_overlay() -> None:
    (plain, inverted), (plain_randconv, inverted_randconv) = run("segmentation/compare.py")
    assert plain > 0.5 and plain_randconv > plain - 0.1 and inverted_randconv > inverted + 0.1


def test_every_script_is_run_here() -> None:
    scripts = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py")} - {"shapes.py"}
    assert scripts == set(re.findall(r'run\("([\w/]+\.py)"\)', Path(__file__).read_text()))
