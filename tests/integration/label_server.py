"""MONAI Label as a user starts it, a client of it, and a small DICOMweb server behind it."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pydicom

REPO = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("MONAI_DEGIA_LABEL_PYTHON", REPO / ".venv-label" / "bin" / "python"))
MODEL = "hand_landmark_degia"
_START = 300  # seconds, for a machine that does other things too


class Client:
    """Requests to one server; the answer is the status and the body, decoded if it is JSON."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.address, self.headers = f"http://127.0.0.1:{port}", headers or {}
        self.kill: Callable[[], None] = lambda: None
        self.killed = False

    def __call__(
        self,
        method: str,
        path: str,
        body: str | None = None,
        form: dict[str, str] | None = None,
        files: dict[str, tuple[str, bytes]] | None = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> tuple[int, Any]:
        url = self.address + path + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(url, method=method)
        if body is not None:
            request.data, request.headers["Content-type"] = body.encode(), "application/json"
        if form or files:
            request.data, request.headers["Content-type"] = multipart(form or {}, files or {})
        request.headers |= {**self.headers, **(headers or {})}
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, decode(answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return error.code, decode(error.headers, error.read())

    def infer(self, image: str, output: str = "json", **query: str) -> Any:
        status, answer = self("POST", f"/infer/{MODEL}", image=image, output=output, **query)
        assert status == 200, answer
        return answer

    def put_label(self, image: str, content: Any, params: str = "{}") -> tuple[int, Any]:
        files = {"label": (f"{image}.mrk.json", json.dumps(content).encode())}
        return self("PUT", "/datastore/label", form={"params": params}, files=files, image=image)

    def wait_for_training(self) -> None:
        for _ in range(_START):
            task = self("GET", "/train/")[1]
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                break
            time.sleep(1)
        assert task["status"] == "DONE", "\n".join(task["details"])


def multipart(form: dict[str, str], files: dict[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    parts = [(f'form-data; name="{name}"', text.encode()) for name, text in form.items()]
    parts += [(f'form-data; name="{name}"; filename="{file}"', data) for name, (file, data) in files.items()]
    texts = [b"--cut\r\nContent-Disposition: " + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts]
    return b"".join(texts) + b"--cut--\r\n", "multipart/form-data; boundary=cut"


def decode(headers: Any, body: bytes) -> Any:
    return json.loads(body) if body and headers.get("Content-Type", "").startswith("application/json") else body


@contextmanager
def label_server(
    studies: str | Path,
    folder: Path,
    *conf: str,
    headers: dict[str, str] | None = None,
    start: Sequence[str] | None = None,
    **settings: str,
) -> Iterator[Client]:
    """Start a command, by default that of the documentation; stop it and what it has started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["monailabel", "start_server", "--app", "monai_degia/label_app", "--studies", str(studies)]
    command = command if start is None else [*start, str(studies)]
    command += ["--conf", "model_dir", str(folder / "model"), *conf, "--host", "127.0.0.1", "--port", str(port)]
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(REPO), "MONAI_LABEL_SESSION_PATH": str(folder / "sessions"), **settings}
    with (folder / "server.log").open("a+") as log:
        server = subprocess.Popen(
            command, cwd=REPO, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            client = Client(port, headers)
            wait_for(client, server, folder / "server.log")
            client.kill = lambda: kill(client, server)
            yield client
            died = "the server has died\n" + (folder / "server.log").read_text()[-3000:]
            assert client.killed or server.poll() is None, died
        finally:
            end(server)


def wait_for(client: Client, server: subprocess.Popen, log: Path) -> None:
    for _ in range(_START):
        try:
            assert client("GET", "/info/")[0] == 200
            return
        except OSError:
            assert server.poll() is None, "the server does not start\n" + log.read_text()[-3000:]
            time.sleep(1)
    raise AssertionError("no answer\n" + log.read_text()[-3000:])


def kill(client: Client, server: subprocess.Popen) -> None:
    """As a power cut would: the server and all that it has started."""
    client.killed = True
    os.killpg(server.pid, signal.SIGKILL)
    server.wait(60)


def end(server: subprocess.Popen) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, kind)
            server.wait(20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def by_command(images: Path, output: Path) -> dict[str, Any]:
    """What ``inference.json`` finds, by file name, in the environment of the server."""
    command = [str(PYTHON), "-m", "monai.bundle", "run", "--config_file", "bundle/configs/inference.json"]
    command += [
        "--dataset_dir",
        str(images),
        "--output_dir",
        str(output),
        "--formats",
        "['markups']",
        "--batch_size",
        "1",
    ]
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {entry["image"]: entry for entry in json.loads((output / "landmarks.json").read_text())}


@contextmanager
def dicomweb_server(series: dict[str, list[Path]]) -> Iterator[tuple[str, list[str]]]:
    """QIDO for series and WADO for their instances; gives the address and the list of requests so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path, _, query = self.path.partition("?")
            if path.endswith("/series"):
                wanted = urllib.parse.parse_qs(query).get("SeriesInstanceUID", list(series))
                self.answer("application/dicom+json", json.dumps([tags(uid) for uid in wanted]).encode())
            else:
                parts = [
                    b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + f.read_bytes() for f in series[path[-5:]]
                ]
                kind = 'multipart/related; type="application/dicom"; boundary=cut'
                self.answer(kind, b"\r\n".join(parts) + b"\r\n--cut--")

        def answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    def tags(uid: str) -> dict[str, Any]:
        values = {"0020000D": "1.2.3", "0020000E": uid}
        return {**{k: {"vr": "UI", "Value": [v]} for k, v in values.items()}, "00080060": {"vr": "CS", "Value": ["DX"]}}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web", asked
    finally:
        server.shutdown()


def uid_of(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)
