"""Temporary files of the server: apart from others, and gone with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys, tempfile, time
from pathlib import Path
from monai_degia.label_app.server.uploads import keep_uploads_apart
keep_uploads_apart()
Path(tempfile.gettempdir(), "patient.png").touch()
print(tempfile.gettempdir(), flush=True)
sys.stdin.readline()
"""


class Server:
    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", START]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        assert self.process.stdout is not None
        self.uploads = Path(self.process.stdout.readline().strip())

    def end(self, number: int | None = None) -> None:
        if number is None:
            self.process.communicate("\n")
        else:
            self.process.send_signal(number)
            self.process.wait()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_uploads_of_a_killed_server_are_removed_at_the_next_start(tmp_path: Path) -> None:
    killed, running = Server(tmp_path), Server(tmp_path)
    foreign = tmp_path / "somebody_else"
    foreign.mkdir()
    killed.end(signal.SIGKILL)
    assert (killed.uploads / "patient.png").exists()
    last = Server(tmp_path)
    assert not killed.uploads.exists()
    assert (running.uploads / "patient.png").exists(), "of a server that lives"
    running.end()
    last.end()
    # Older libraries make temporary folders of their own on import, which a killed process leaves behind.
    ours = [path for path in tmp_path.iterdir() if "landmarks_uploads_" in path.name]
    assert ours == [], "a server that ends takes its folder and its lock away"
    assert foreign.is_dir()
