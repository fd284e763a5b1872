"""Give damaged files to readers, each in a process of its own, and print what they made of them, a line of JSON each.

``python run.py GROUP COUNT SEED FOLDER [TARGET [INDEX]]``: an input is told by its target, seed and index alone, so one
that failed can be given again by naming all of them.
"""

import json
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from targets import GROUPS, Target

from monai_degia.errors import UserError

#: Seconds that one small file may take. Readers take milliseconds; the machine may be busy.
LONGEST = 60.0
#: What a reader may add to the process, in bytes: several times what one file may become here.
MOST_MEMORY = 700 << 20


def damaged(target: Target, seed: int, index: int, valid: list[bytes]) -> bytes:
    rng = random.Random(f"{target.name} {seed} {index}")
    data = rng.choice(valid)
    return data if index == 0 else target.mutate(data, rng)


def read(target: Target, data: bytes, folder: Path) -> str:
    """Give one file to its reader; empty if it answers as it should."""
    path = folder / target.name
    path.write_bytes(data)
    try:
        target.read(path)
    except BaseException as error:
        if told := _user_error(error):
            return "" if str(told).strip() else "an error without a message"
        while isinstance(error, RuntimeError) and str(error).startswith("applying transform") and error.__cause__:
            error = error.__cause__
        last = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in last if "monai_degia" in f.filename]
        return f"{type(error).__name__}: {str(error)[:160]!r} by {' < '.join(ours[::-1][:4])}"
    return ""


def _user_error(error: BaseException | None) -> UserError | None:
    """The documented error, in MONAI's own around it where a chain of transforms was called."""
    while isinstance(error, RuntimeError) and str(error).startswith("applying transform"):
        error = error.__cause__
    return error if isinstance(error, UserError) else None


def work(target: Target, count: int, seed: int, start: int, folder: Path, place: mmap.mmap, told: int) -> None:
    """The process of a target: read one file after the other, from a number on; what fails goes through a pipe."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    used = int(Path("/proc/self/statm").read_text().split()[5]) * mmap.PAGESIZE if sys.platform == "linux" else 0
    resource.setrlimit(resource.RLIMIT_DATA, (used + 3 * MOST_MEMORY, used + 3 * MOST_MEMORY))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    valid = target.seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = before
    for index in range(start, count):
        place[:8] = struct.pack("q", index)
        problem = read(target, damaged(target, seed, index, valid), folder)
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if now - peak > MOST_MEMORY >> 10:
            problem = problem or f"took {(now - peak) >> 10} MiB"
        peak = max(peak, now)
        if problem:
            _tell(told, index, problem)
    place[:8] = struct.pack("q", count)


def _tell(told: int, index: int, problem: str) -> None:
    os.write(told, (json.dumps({"index": index, "problem": problem}) + "\n").encode())


def watch(pid: int, place: mmap.mmap) -> str:
    """Wait for the process; empty if it ended as it should, else how it ended."""
    seen, since = -1, time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "" if status == 0 else f"ended the process ({_reason(status)})"
        now = struct.unpack("q", place[:8])[0]
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > LONGEST:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return f"took more than {LONGEST:g} s"
        time.sleep(0.02)


def _reason(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"


def fuzz(target: Target, count: int, seed: int, root: Path, start: int = 0) -> dict[str, Any]:
    failures: list[dict[str, Any]] = []
    place = mmap.mmap(-1, 8)
    began, index = time.monotonic(), start
    while index < count:
        folder = root / target.name.replace(".", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        target.beside(folder)
        mine, theirs = os.pipe()
        place[:8] = struct.pack("q", index)
        pid = os.fork()
        if pid == 0:
            os.close(mine)
            status = 1
            try:
                work(target, count, seed, index, folder, place, theirs)
                status = 0
            except BaseException as error:  # a fault of the damage or of this program, not of the reader
                now = struct.unpack("q", place[:8])[0]
                _tell(theirs, now, f"no input: {type(error).__name__}: {error}")
            os._exit(status)
        os.close(theirs)
        end = watch(pid, place)
        with os.fdopen(mine) as lines:
            failures += [json.loads(line) for line in lines]
        index = struct.unpack("q", place[:8])[0]
        if end:
            failures.append({"index": index, "problem": end})
            index += 1
    seconds = time.monotonic() - began
    return {"target": target.name, "count": count, "seconds": round(seconds, 1), "failures": failures}


def main(group: str, count: str, seed: str, folder: str, *only: str) -> None:
    torch.set_num_threads(1)
    for target in GROUPS[group]:
        if only and target.name != only[0]:
            continue
        many = max(2, round(int(count) * target.share))
        if len(only) > 1:
            found = fuzz(target, int(only[1]) + 1, int(seed), Path(folder), int(only[1]))
        else:
            found = fuzz(target, many, int(seed), Path(folder))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
