"""Whatever a file holds, its reader gives a value or the error that it documents, soon, and in little memory.

``fuzz/run.py`` does the work in processes of its own, since a reader that goes wrong may take its process along. The
inputs of a seed are always the same.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.trust

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "fuzz" / "run.py"
#: Group of readers to inputs of a reader with share 1: about 4,000 in all, and more than 100,000.
GROUPS = {
    "pictures": (100, 2500),
    "volumes": (100, 2500),
    "lists": (100, 2500),
    "models": (100, 2500),
    "sets": (60, 2500),
}


@pytest.mark.parametrize("group", GROUPS)
def test_damaged_files(group: str, amount: Callable[[int, int], int], tmp_path: Path) -> None:
    count, seed = amount(*GROUPS[group]), amount(0, 1)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM), group, str(count), str(seed), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=amount(600, 7200),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert found and all(entry["count"] > 1 for entry in found)
    failures = [
        f"{PROGRAM.name} {group} {count} {seed} FOLDER {entry['target']} {failure['index']}: {failure['problem']}"
        for entry in found
        for failure in entry["failures"]
    ]
    assert not failures, f"{len(failures)} failures\n" + "\n".join(failures[:20])
