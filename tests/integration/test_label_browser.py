"""The MONAI Label app and a browser that has a foreign page open: what its scripts get, and what they can do."""

import json
import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from monai_degia.label_app.store.sample_images import write_sample_images

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")

server = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("label_server.py"))))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.label,
    pytest.mark.skipif(not server.PYTHON.is_file(), reason=f"no MONAI Label at {server.PYTHON}: `make label-install`"),
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no browser: apt-get install chromium"),
]
#: What a script of the page tries, as it may without asking: reading, sending, deleting, embedding a picture.
TRIES = """
const [address, done] = arguments;
async function tried(path, options) {
    try {
        const answer = await fetch(address + path, options);
        return answer.type === 'opaque' ? 'sent' : answer.ok ? 'read' : 'refused';
    } catch { return 'refused'; }
}
function embedded(path) {
    return new Promise(resolve => {
        const picture = new Image();
        picture.onload = () => resolve('read');
        picture.onerror = () => resolve('refused');
        picture.src = address + path;
    });
}
(async () => done({
    info: await tried('/info/'),
    image: await tried('/datastore/image?image=hand_00'),
    embedded: await embedded('/datastore/image?image=picture'),
    sent: await tried('/datastore/?image=sent', {method: 'POST', mode: 'no-cors', body: new URLSearchParams({a: 'b'})}),
    deleted: await tried('/datastore/?id=hand_01', {method: 'DELETE'}),
}))();
"""


@contextmanager
def page() -> Iterator[str]:
    """An empty page on a port of its own; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>a page</title>")

        def log_message(self, *args: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=web.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{web.server_port}"
    finally:
        web.shutdown()


@pytest.fixture
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in ("--headless", "--no-sandbox", "--host-resolver-rules=MAP rebound.example 127.0.0.1"):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


def test_a_foreign_page_reads_and_changes_nothing(browser: Any, tmp_path: Path) -> None:
    studies = tmp_path / "studies"
    write_sample_images(studies, count=3, image_size=64)
    shutil.copy(next(file for file in sorted(studies.iterdir()) if file.suffix == ".png"), studies / "picture.png")
    before = {file.name for file in studies.iterdir() if file.is_file()}
    with (
        page() as foreign,
        page() as own,
        server.label_server(studies, tmp_path, "--conf", "allow_origins", own) as client,
    ):
        names = set(client("GET", "/datastore/", output="all")[1]["objects"])
        found = {}
        for name, address in (("foreign", foreign), ("own", own)):
            browser.get(address)
            found[name] = browser.execute_async_script(TRIES, client.address)
            if name == "foreign":
                assert set(client("GET", "/datastore/", output="all")[1]["objects"]) == names
                assert before <= {file.name for file in studies.iterdir()}
        assert set(found["foreign"].values()) - {"sent"} == {"refused"}, found
        worked = {found["own"][what] for what in ("info", "image", "deleted")}
        assert worked == {"read"}, f"vacuous: the script can do nothing from a page that is allowed, {found}"
        browser.get(f"{client.address}/info/")
        assert json.loads(browser.find_element("css selector", "body").text)["labels"]
        browser.get(f"{client.address.replace('127.0.0.1', 'rebound.example')}/info/")
        refused = json.loads(browser.find_element("css selector", "pre").text)
        assert set(refused) == {"detail"} and "allow_hosts" in refused["detail"]
