"""Workers of a grid that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GRID = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from monai_degia.experiments.orphans import end_with_parent
from monai_degia.io.files import whole_file


def work(folder):
    with whole_file(Path(folder) / "checkpoint.pt") as partial:
        partial.write_text("half")
        Path(folder, "worker").write_text(str(os.getpid()))
        time.sleep(300)


if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
        pool.submit(work, sys.argv[1]).result()
"""

DEAF = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, sys.argv[1:])
"""


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux which processes live")
def test_they_end_with_it_and_take_their_drafts_away(tmp_path: Path) -> None:
    script, folder = tmp_path / "grid.py", tmp_path / "run"
    folder.mkdir()
    script.write_text(GRID)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # As a shell starts what is to run in its background: deaf to Ctrl-C.
    command = [sys.executable, "-c", DEAF, sys.executable, str(script), str(folder)]
    grid = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        for _ in range(1200):
            if (folder / "worker").exists() and (folder / "worker").read_text():
                break
            assert grid.poll() is None
            time.sleep(0.1)
        worker = int((folder / "worker").read_text())
        assert lives(worker)
        grid.send_signal(signal.SIGKILL)
        grid.wait()
        for _ in range(900):
            if not lives(worker):
                break
            time.sleep(0.1)
        assert not lives(worker)
        assert [path.name for path in folder.iterdir()] == ["worker"], "no half file is left"
    finally:
        if grid.poll() is None:
            os.killpg(grid.pid, signal.SIGKILL)
