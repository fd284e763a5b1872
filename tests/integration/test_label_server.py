"""The MONAI Label app behind the real server on loopback, started by its command."""

import copy
import importlib.util
import json
import re
import shutil
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.label_app.store.sample_images import write_sample_images
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor


def beside(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


server = beside("label_server")
MODEL = server.MODEL
pytestmark = [
    pytest.mark.label,
    pytest.mark.skipif(not server.PYTHON.is_file(), reason=f"no MONAI Label at {server.PYTHON}: `make label-install`"),
]


def points(entry: dict[str, Any]) -> np.ndarray:
    return np.array([entry["landmarks"][name] for name in HAND21])


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    write_sample_images(folder, count=3, image_size=120)
    return folder


@pytest.fixture(scope="module")
def expected(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return server.by_command(studies, tmp_path_factory.mktemp("expected"))


@pytest.fixture(scope="module")
def client(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder, temporary = tmp_path_factory.mktemp("server"), str(tmp_path_factory.mktemp("temporary"))
    conf = ["--conf", "max_pixels", "20000", "--conf", "allow_hosts", "hands.example"]
    conf += ["--conf", "allow_origins", "http://viewer:3000"]
    with server.label_server(studies, folder, *conf, TMPDIR=temporary) as client:
        client.temporary = Path(temporary)
        yield client


def test_info_names_model_trainer_and_strategies(client: Any) -> None:
    info = client("GET", "/info/")[1]
    assert list(info["models"]) == list(info["trainers"]) == [MODEL] and set(info["strategies"]) == {
        "random",
        "doubtful",
    }
    assert info["labels"] == list(HAND21) and info["models"][MODEL]["type"] == "detection"
    assert info["datastore"]["total"] == 3


def test_points_equal_those_of_the_inference_config(client: Any, studies: Path, expected: dict[str, Any]) -> None:
    for file in sorted(studies.glob("hand_*.*")):
        wanted, found = expected[file.name], client.infer(file.stem)
        for key in (
            "landmarks",
            "landmarks_mm",
            "landmark_confidence",
            "domain_shift",
            "spacing_source",
            "model_version",
        ):
            assert found[key] == wanted[key], key
        sent = client("POST", f"/infer/{MODEL}", files={"file": (file.name, file.read_bytes())}, output="json")[1]
        assert sent["landmarks"] == wanted["landmarks"] and found["confidence"] == wanted["confidence"] > 0
        (markup,) = client.infer(file.stem, "image")["markups"]
        assert [control["label"] for control in markup["controlPoints"]] == list(HAND21)
        step = 1.0 if found["spacing_mm"] is None else found["spacing_mm"][0]
        places = np.array([control["position"] for control in markup["controlPoints"]])
        assert np.allclose(places[:, :2] / step, points(found), atol=0.006) and markup["coordinateSystem"] == "LPS"
    assert found["image"] == "hand_02" and found["spacing_source"] == "ImagerPixelSpacing (detector plane)"
    both = client.infer("hand_02", "all")
    assert both.count(b"Content-Disposition") == 2 and b".mrk.json" in both and b'"landmarks_mm"' in both


def huge_png() -> bytes:
    """A header of 4 x 10^10 pixels, and none of them."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0), b"IDAT": b""}
    texts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(texts)


TEXT = b"This is no image.\n" * 100
INFER, TRAIN, LABEL, IMAGE = f"/infer/{MODEL}", f"/train/{MODEL}", "/datastore/label", "/datastore/image"
BAD = [
    (404, "There is no image 'foot'", "POST", INFER, {"image": "foot"}),
    (400, "plain name", "POST", INFER, {"image": "../../../../etc/passwd"}),
    (400, "plain name", "POST", INFER, {"image": "/etc/passwd"}),
    (404, "There is no image 'setup.py'", "POST", INFER, {"image": "setup.py"}),
    (404, "There is no model", "POST", "/infer/other", {"image": "hand_00"}),
    (400, "There is no image: name one", "POST", INFER, {}),
    (400, "plain name", "POST", INFER, {"session_id": "../x"}),
    (404, "There is no image ''", "POST", INFER, {"session_id": "unknown"}),
    (400, "params is not valid JSON", "POST", INFER, {"image": "hand_00", "form": {"params": "{no"}}),
    (400, "must be a JSON object", "POST", INFER, {"image": "hand_00", "form": {"params": "[7]"}}),
    (400, "in the address", "POST", INFER, {"image": "hand_00", "form": {"params": '{"image": "/etc/passwd"}'}}),
    (422, "not a DICOM file", "POST", INFER, {"files": {"file": ("text.dcm", TEXT)}}),
    (415, "of no kind that is served", "POST", INFER, {"files": {"file": ("text.txt", TEXT)}}),
    (422, "cannot be read", "POST", INFER, {"files": {"file": ("text.png", TEXT)}}),
    (413, "too large", "POST", INFER, {"files": {"file": ("huge.png", huge_png())}}),
    (413, "more than 160000", "PUT", IMAGE, {"files": {"file": ("long.png", bytes(200_000))}}),
    (400, "plain name", "PUT", IMAGE, {"image": "../../x", "files": {"file": ("a.png", huge_png())}}),
    (422, "not a DICOM file", "PUT", IMAGE, {"image": "new", "files": {"file": ("text.dcm", TEXT)}}),
    (413, "too large", "PUT", IMAGE, {"image": "new", "files": {"file": ("huge.png", huge_png())}}),
    (422, "not valid JSON", "PUT", LABEL, {"image": "hand_00", "files": {"label": ("a.mrk.json", b"{no")}}),
    (422, "one point list", "PUT", LABEL, {"image": "hand_00", "files": {"label": ("a.mrk.json", b"{}")}}),
    (415, "is a .mrk.json file", "PUT", LABEL, {"image": "hand_00", "files": {"label": ("a.nii.gz", TEXT)}}),
    (404, "There is no image 'foot'", "PUT", LABEL, {"image": "foot", "files": {"label": ("a.mrk.json", b"{}")}}),
    (400, "plain name", "PUT", LABEL, {"image": "hand_00", "tag": "../x", "files": {"label": ("a.mrk.json", b"{}")}}),
    (404, "NOT Found", "GET", LABEL, {"label": "hand_00", "tag": "final"}),
    (404, "There is no image 'foot'", "GET", IMAGE, {"image": "foot"}),
    (404, "There is no image 'foot'", "DELETE", IMAGE, {"id": "foot"}),
    (
        404,
        "Label: hand_00",
        "PUT",
        "/datastore/label/info",
        {"label": "hand_00", "tag": "final", "form": {"info": "{}"}},
    ),
    (404, "There is no strategy", "POST", "/activelearning/best", {}),
    (400, "max_new must be", "POST", "/activelearning/doubtful", {"body": '{"max_new": 0}'}),
    (400, "not valid JSON", "POST", "/activelearning/random", {"body": "{no"}),
    (404, "There is no trainer", "POST", "/train/other", {}),
    (400, "max_epochs must be", "POST", TRAIN, {"body": '{"max_epochs": "many"}'}),
    (400, "not valid JSON", "POST", TRAIN, {"body": "{no"}),
    (409, "no corrected label yet", "POST", TRAIN, {"body": "{}"}),
    (400, "plain name", "POST", f"/batch/infer/{MODEL}", {"body": '{"images": ["/etc/passwd"]}'}),
    (405, "Weights come from training", "DELETE", f"/model/{MODEL}", {}),
    (400, "name of a file must be", "POST", INFER, {"files": {"file": ("a." + "x" * 300, TEXT)}}),
    (400, "send no label", "POST", INFER, {"image": "hand_00", "files": {"label": ("a.bin", TEXT)}}),
    (400, "too large at a", "POST", INFER, {"image": "hand_00", "form": {"params": '{"a": 1e999}'}}),
    (400, "64 levels", "POST", INFER, {"image": "hand_00", "form": {"params": '{"a":' + "[" * 50_000}}),
    (400, "at most 200 bytes", "PUT", IMAGE, {"image": "\u00e9" * 150, "files": {"file": ("a.png", huge_png())}}),
    (400, "the server itself keeps", "PUT", f"{IMAGE}/info", {"image": "hand_00", "form": {"info": '{"strategy": 7}'}}),
    (400, "Infinity is no number", "PUT", f"{IMAGE}/info", {"image": "hand_00", "form": {"info": '{"a": Infinity}'}}),
    (400, "", "HEAD", IMAGE, {"image": "hand_00", "check_sum": "CRC:1"}),
    (404, "no label yet", "GET", "/datastore/dataset", {}),
    (404, "There is no strategy '5'", "POST", "/activelearning/random", {"body": '{"strategy": 5}'}),
    (400, "name of a file must be", "PUT", "/session/", {"files": {"files": ("a." + "x" * 300, TEXT)}}),
    (404, "no DICOMweb server", "GET", "/proxy/dicom/studies", {}),
    (400, "without dots", "GET", "/ohif/%2e%2e", {}),
    (400, "must be a JSON object of options", "POST", "/train/", {"body": f'{{"{MODEL}": [1]}}'}),
    (400, "max_workers must be", "POST", f"/batch/infer/{MODEL}", {"body": '{"max_workers": "x"}', "run_sync": "true"}),
    (400, "images must be a list", "POST", f"/batch/infer/{MODEL}", {"body": '{"images": 5}', "run_sync": "true"}),
    (405, "Restart the server", "POST", "/reload", {}),
]


def test_foreign_pages_and_hosts_are_refused_by_the_server_itself(client: Any) -> None:
    """MONAI Label answers every origin with credentials, and any host."""
    evil, other_port = {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:9"}
    embedded = {"Sec-fetch-site": "cross-site", "Sec-fetch-dest": "image"}
    preflight = {**evil, "Access-control-request-method": "DELETE"}
    for headers in (evil, other_port, embedded, {"Host": "evil.example"}, {"Origin": "null"}):
        for method, path in (("GET", "/info/"), ("GET", "/"), ("GET", IMAGE), ("DELETE", IMAGE), ("POST", TRAIN)):
            assert client(method, path, headers=headers, image="hand_00", id="hand_00")[0] == 403, (headers, path)
    assert client("OPTIONS", IMAGE, headers=preflight)[0] == 403
    for headers in ({}, {"Host": "hands.example"}, {"Origin": client.address}, {"Origin": "http://viewer:3000"}):
        assert client("GET", "/info/", headers=headers)[0] == 200
    request = server.urllib.request.Request(f"{client.address}/info/", headers={"Origin": "http://viewer:3000"})
    with server.urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "http://viewer:3000"
    assert set(client("GET", "/datastore/", output="all")[1]["objects"]) == {"hand_00", "hand_01", "hand_02"}


def test_bad_requests_get_a_reason_and_the_server_lives_on(
    client: Any, studies: Path, expected: dict[str, Any]
) -> None:
    before = client("GET", "/datastore/", output="all")[1]["objects"]
    for status, reason, method, path, more in BAD:
        found, answer = client(method, path, **more)
        told = str(answer["detail"]) if method != "HEAD" else ""
        assert (found, reason in told) == (status, True), (method, path, more.keys(), found, answer)
        assert str(studies) not in str(answer)
    (studies / "broken.dcm").write_bytes(TEXT)  # in the folder itself
    for image in ("broken", "hand_00"):
        for _ in range(20):
            if client("POST", INFER, image=image)[0] != 404:
                break
            server.time.sleep(1)
    status, answer = client("POST", INFER, image="broken")
    assert status == 422 and answer["detail"].startswith("broken.dcm is not a DICOM file")
    (studies / "broken.dcm").unlink()
    assert client.infer("hand_00")["landmarks"] == expected["hand_00.png"]["landmarks"]
    after = client("GET", "/datastore/", output="all")[1]["objects"]
    assert {name: after[name]["labels"] for name in before} == {name: {} for name in before}
    assert not list(studies.parent.rglob("passwd*")) and not (studies.parent / "x").exists()
    (uploads,), left = client.temporary.glob("landmarks_uploads_*"), []
    for _ in range(20):  # what was answered is removed behind the answer
        if not (left := [path for path in uploads.rglob("*") if path.is_file()]):
            break
        server.time.sleep(1)
    assert left == []  # neither of what was answered nor of what was refused


def corrected(client: Any, image: str, pixels: float) -> dict[str, Any]:
    """What the server finds, moved to the right, as a person would save it from a viewer."""
    entry, content = client.infer(image), copy.deepcopy(client.infer(image, "image"))
    step = 1.0 if entry["spacing_mm"] is None else entry["spacing_mm"][0]
    for control in content["markups"][0]["controlPoints"]:
        control["position"][0] += pixels * step
    return content


def test_corrected_landmarks_train_the_network_and_survive_a_restart(tmp_path: Path) -> None:
    studies, tokens = tmp_path / "studies", tmp_path / "tokens.txt"
    write_sample_images(studies, count=4, image_size=120)
    tokens.write_text("ada 0123456789abcdef\n")
    with server.label_server(studies, tmp_path) as client:
        doubtful = client("POST", "/activelearning/doubtful")[1]
        doubts = {f"hand_0{index}": client.infer(f"hand_0{index}")["disagreement"] for index in range(4)}
        assert doubts[doubtful["id"]] == doubtful["disagreement"] == max(doubts.values())
        labels = {image: corrected(client, image, 5.0) for image in ("hand_00", "hand_01", "hand_02")}
        old = {image: client.infer(image) for image in labels}
        for image, content in labels.items():
            assert client.put_label(image, content) == (200, {"image": image, "label": image})
            assert client("GET", LABEL, label=image, tag="final") == (200, content)
        assert client("POST", "/activelearning/random")[1]["id"] == "hand_03"
        training = [item["label"] for item in client("GET", "/datastore/", output="train")[1]]
        assert sorted(Path(path).name for path in training) == [f"{image}.mrk.json" for image in labels]
        options = {"max_epochs": 3, "iterations_per_epoch": 8, "learning_rate": 3e-4}
        assert client("POST", TRAIN, body=json.dumps(options))[0] == 200
        client.wait_for_training()
        new = {image: client.infer(image) for image in labels}
        away = [points(new[image]) - points(old[image]) - np.array([5.0, 0.0]) for image in labels]
        assert np.linalg.norm(away, axis=-1).mean() < 4.5  # 5 before
        for image in labels:
            assert new[image]["model_version"] == old[image]["model_version"] + "+label.1"
        stats = client("GET", "/info/")[1]["train_stats"][MODEL]
        assert stats["labels"] == 3 and stats["improved"] and stats["error_after"] < stats["error_before"]

    bearer = {"Authorization": "Bearer 0123456789abcdef"}
    with server.label_server(studies, tmp_path, "--conf", "token_file", str(tokens), headers=bearer) as client:
        assert client("GET", "/info/", headers={"Authorization": "Bearer another"})[0] == 401
        assert {image: client.infer(image) for image in labels} == new
        assert all(client("GET", LABEL, label=image, tag="final") == (200, labels[image]) for image in labels)
        info = client("GET", "/info/")[1]
        assert info["train_stats"][MODEL] == stats and info["datastore"]["completed"] == 3
        assert client("POST", "/activelearning/doubtful")[1]["id"] == "hand_03"
        batch = client("POST", f"/batch/infer/{MODEL}", images="unlabeled", run_sync="true", body="{}")
        assert batch[0] == 200 and list(batch[1]) == ["hand_03"]
        kept = client("GET", LABEL, label="hand_03", tag="original")[1]
        assert kept == client.infer("hand_03", "image")


def blocks(language: str) -> list[str]:
    """The code of docs/how_to/my_server.md in one language."""
    page = (server.REPO / "docs" / "how_to" / "my_server.md").read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


def run_shell(script: str, folder: Path, client: Any) -> None:
    """Run the lines of a page, of which each must succeed."""
    address = "M=http://127.0.0.1:8000 NET=hand_landmark_degia"
    start = 'curl() { command curl --silent --show-error --fail "$@"; echo; }\nset -e\n'
    script = f"{start}{address}\n{script}".replace("http://127.0.0.1:8000", client.address)
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_series_of_a_dicomweb_server_are_found_and_labelled(tmp_path: Path) -> None:
    files = write_sample_images(tmp_path / "images", count=6, image_size=100)
    first, second = (file for file in files if file.suffix == ".dcm")
    expected = server.by_command(tmp_path / "images", tmp_path / "expected")
    series = {"1.2.7": [first], "1.2.8": [first, second]}
    with (
        server.dicomweb_server(series) as (address, asked),
        server.label_server(address, tmp_path, MONAI_LABEL_DICOMWEB_CACHE_PATH=str(tmp_path / "cache")) as client,
    ):
        assert client("GET", "/info/")[1]["datastore"]["total"] == 2 and any("Modality=DX" in path for path in asked)
        assert client.infer("1.2.7")["landmarks"] == expected[first.name]["landmarks"]
        status, answer = client("POST", INFER, image="1.2.8")
        assert status == 422 and "has 2 instances" in answer["detail"] and server.uid_of(second) in answer["detail"]
        instance = json.dumps({"instance": server.uid_of(second)})
        found = client("POST", INFER, image="1.2.8", output="json", form={"params": instance})[1]
        assert found["landmarks"] == expected[second.name]["landmarks"] and found["image"] == "1.2.8"
        assert client("POST", INFER, image="1.2.9")[0] == 404
        label = corrected(client, "1.2.7", 2.0)
        assert client.put_label("1.2.7", label)[0] == 200
        assert client("GET", LABEL, label="1.2.7", tag="final") == (200, label)
        assert client("POST", "/activelearning/random")[1]["id"] == "1.2.8"
        status, answer = client.put_label("1.2.8", label)
        assert status == 422 and "has 2 instances" in answer["detail"]
        if shutil.which("curl") is None:
            assert client.put_label("1.2.8", label, instance)[0] == 200
        else:
            (tmp_path / "label.mrk.json").write_text(json.dumps(label))
            asking = blocks("sh")[3].replace("SERIES", "1.2.8").replace("SOPInstanceUID", server.uid_of(second))
            assert asking.count("curl ") == 2
            run_shell(asking, tmp_path, client)
        assert client("GET", LABEL, label="1.2.8", tag="final") == (200, label)
        assert client("POST", TRAIN, body='{"max_epochs": 1, "iterations_per_epoch": 1}')[0] == 200
        client.wait_for_training()
        assert client("GET", "/info/")[1]["train_stats"][MODEL]["labels"] == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands use curl")
def test_commands_of_the_documentation_run(tmp_path: Path) -> None:
    *_, dicom = write_sample_images(tmp_path / "studies", count=3, image_size=100)
    shutil.copy(dicom, tmp_path / "xray.dcm")
    started, asked, *_ = blocks("sh")
    assert "monailabel start_server --app monai_degia/label_app --studies" in started  # as the server here
    with server.label_server(tmp_path / "studies", tmp_path) as client:
        assert asked.count("curl ") == 7
        run_shell(asked, tmp_path, client)
        client.wait_for_training()
        kept = json.loads((tmp_path / "hand_02.mrk.json").read_text())
        assert client("GET", LABEL, label="hand_02", tag="final") == (200, kept)

        # Slicer's Python console, whose own objects save the points that were moved
        moved = corrected(client, "hand_02", 3.0)
        saved: list[Any] = []

        def save_node(node: Any, path: str) -> None:
            saved.append(node)
            Path(path).write_text(json.dumps(moved))

        console = {
            "getNodesByClass": lambda kind: ["older points", "points"] if "MarkupsFiducial" in kind else [],
            "slicer": SimpleNamespace(
                util=SimpleNamespace(saveNode=save_node), app=SimpleNamespace(temporaryPath=str(tmp_path))
            ),
        }
        (snippet,) = blocks("python")
        exec(snippet.replace("http://127.0.0.1:8000", client.address), console)
        assert saved == ["points"] and console["response"].status_code == 200
        assert client("GET", LABEL, label="hand_02", tag="final") == (200, moved)


def test_a_model_of_other_landmarks_is_served_by_our_own_command(studies: Path, tmp_path: Path) -> None:
    names = ["apex", "notch", "base"]
    network = LandmarkRegressor("lenet", num_landmarks=3, in_channels=1, image_size=(32, 32), head="heatmap")
    TrainedModel(network, names, name="vertebra").save(tmp_path / "trained")
    start = [str(server.PYTHON), "-m", "monai_degia", "serve", "--model", str(tmp_path / "trained")]
    with server.label_server(studies, tmp_path, start=start) as client:
        info = client("GET", "/info/")[1]
        assert list(info["models"]) == ["vertebra"] and info["labels"] == names
        status, entry = client("POST", "/infer/vertebra", image="hand_02", output="json")
        assert status == 200 and list(entry["landmarks"]) == names
        markups = client("POST", "/infer/vertebra", image="hand_02", output="image")[1]["markups"]
        assert [point["label"] for point in markups[0]["controlPoints"]] == names
