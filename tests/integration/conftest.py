"""What integration tests share: a Python command in a process of its own, as a user would start it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

REPO = Path(__file__).parents[2]


class RunPython(Protocol):
    """Arguments of the interpreter, a folder to start in, the exit status to expect; gives what was printed."""

    def __call__(self, *arguments: str, cwd: Path = REPO, status: int = 0) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    def run(*arguments: str, cwd: Path = REPO, status: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-4000:]
        return done

    return run
