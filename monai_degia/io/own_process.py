"""Readers in C that damaged files can take down: run in a process of their own, of which only plain text comes back."""

from __future__ import annotations

import signal
import subprocess
import sys

from monai_degia.errors import UserError

__all__ = ["answer_of_process"]

_LONGEST = 1800  # seconds; the largest published file takes a minute
_QUIET = "import sys\nsys.path[:] = [place for place in sys.path if place]\n"


def answer_of_process(code: str, *arguments: str, failing: str) -> str:
    """Run Python code and give the last line that it prints.

    Args:
        code: what to run; the folder that the process is in is not searched for modules.
        *arguments: of it, in ``sys.argv``.
        failing: what the message begins with: which file it is, and what is wrong if it cannot be read.

    Returns:
        The line.

    Raises:
        ValueError: if the process dies, takes longer than half an hour, or prints nothing.

    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _QUIET + code, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{failing}: its reader did not come to an end within {_LONGEST} s.") from None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise UserError(f"{failing}: its reader did not survive it ({_end(done)}).")
    return lines[-1]


def _end(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:200]
