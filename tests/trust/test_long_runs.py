"""What only much of it shows: memory that grows, numbers that run away, requests that meet."""

import copy
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.label_app.store.sample_images import write_sample_images
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor

pytestmark = pytest.mark.trust

REPO = Path(__file__).parents[2]


def constant(generator: torch.Generator) -> Tensor:
    return torch.rand(4, 1, 1, 1, generator=generator).round().expand(4, 1, 16, 16)


def noise(generator: torch.Generator) -> Tensor:
    return torch.rand(4, 1, 16, 16, generator=generator)


def edges(generator: torch.Generator) -> Tensor:
    """Black on one side, white on the other, at a place of its own in each."""
    places = torch.randint(1, 16, (4, 1, 1, 1), generator=generator)
    return (torch.arange(16)[:, None] >= places).float().expand(4, 1, 16, 16)


@pytest.mark.parametrize("kind", ["wavelet", "real_nvp"])
@pytest.mark.parametrize("images", [constant, noise, edges], ids=lambda images: images.__name__)
def test_a_flow_stays_finite(
    kind: str, images: Callable[[torch.Generator], Tensor], amount: Callable[[int, int], int]
) -> None:
    """With the steps of training: dequantised images, gradients cut at 50, Adam at the bundle's learning rate."""
    generator = torch.Generator().manual_seed(0)
    flow = FlowPrior((16, 16), 1, kind=kind, hidden_channels=8)
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.005)
    told = []
    for step in range(amount(300, 10_000)):
        optimizer.zero_grad()
        bits = flow.bits_per_dim(flow.dequantize(images(generator), generator)).mean()
        assert torch.isfinite(bits), f"bits per dimension at step {step}"
        bits.backward()
        norm = nn.utils.clip_grad_norm_(flow.parameters(), 50.0)
        assert torch.isfinite(norm), f"gradient at step {step}"
        optimizer.step()
        told.append(bits.item())
    assert all(torch.isfinite(parameter).all() for parameter in flow.parameters())
    # The least and not the last: of noise there is nothing to learn, and the bits of four images go up and down.
    assert min(told) < told[0], "vacuous: nothing was learnt"
    with torch.no_grad():
        x = flow.dequantize(images(generator), generator)
        z, log_det = flow.eval()(x)
        assert torch.isfinite(log_det).all() and (flow.inverse(z) - x).abs().max() < 1e-2


PREDICT = """
import os, sys
from pathlib import Path
import resource
from monai_degia.cli.main import command_line
sys.argv = ["monai_degia", "predict", sys.argv[1], sys.argv[2], "--model", sys.argv[3], "--refine", "False"]
try:
    command_line()
except SystemExit as end:
    assert not end.code, end
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def peak_mib(folder: Path, count: int) -> int:
    """Largest memory of a process that predicts so many small pictures of all kinds."""
    images = folder / f"images_{count}"
    images.mkdir()
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (20, 24, 3), dtype=np.uint8) for _ in range(10)]
    for index in range(count):
        Image.fromarray(pictures[index % 10]).save(images / f"{index:05d}.{('png', 'jpg', 'tif')[index % 3]}")
    arguments = [str(images), str(folder / f"out_{count}"), str(folder / "model")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREDICT, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(json.loads((folder / f"out_{count}" / "landmarks.json").read_text())) == count
    return int(done.stdout.rpartition("PEAK ")[2])


def test_a_folder_ten_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    network = LandmarkRegressor("lenet", num_landmarks=3, in_channels=1, image_size=(32, 32))
    TrainedModel(network, ["a", "b", "c"]).save(tmp_path / "model")
    few, many = peak_mib(tmp_path, 200), peak_mib(tmp_path, 2000)
    # What is written at the end, a few kB an image, is all that may stay.
    assert many < few + 60, f"{few} MiB for 200 files, {many} MiB for 2,000"


def label_tools() -> ModuleType:
    """What starts a server, beside the tests of one."""
    spec = importlib.util.spec_from_file_location("label_server", REPO / "tests" / "integration" / "label_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("label_server", module)
    spec.loader.exec_module(module)
    return module


tools = label_tools()


def wait_until(come: Callable[[], bool], working: Sequence[Future[None]]) -> None:
    """Wait for it, but not for workers that have failed."""
    for _ in range(1200):
        if come():
            return
        for one in working:
            if one.done():
                one.result()
        time.sleep(0.1)
    raise AssertionError("it does not come")


@pytest.mark.skipif(not tools.PYTHON.is_file(), reason=f"no MONAI Label at {tools.PYTHON}: `make label-install`")
def test_eight_clients_while_the_server_trains(amount: Callable[[int, int], int], tmp_path: Path) -> None:
    """All are answered, each about its own image, and the training comes to its end."""
    studies = tmp_path / "studies"
    write_sample_images(studies, count=8, image_size=120)
    names = [f"hand_{index:02d}" for index in range(8)]
    with tools.label_server(studies, tmp_path) as client:
        alone = {name: client.infer(name) for name in names}
        for name in names[:4]:
            label = client.infer(name, "image")  # its markups
            assert client.put_label(name, label)[0] == 200
        options = {"max_epochs": 2, "iterations_per_epoch": 4, "learning_rate": 1e-8}
        status, answer = client("POST", f"/train/{tools.MODEL}", body=json.dumps(options))
        assert status == 200, answer

        def work(name: str) -> list[tuple[str, Any]]:
            return [(name, client.infer(name)) for _ in range(amount(3, 40))]

        with ThreadPoolExecutor(8) as pool:
            answers = [answer for found in pool.map(work, names) for answer in found]
        client.wait_for_training()
    assert len(answers) == 8 * amount(3, 40)
    for name, answer in answers:
        found, expected = (np.array(list(entry["landmarks"].values())) for entry in (answer, alone[name]))
        assert np.abs(found - expected).max() < 1.0, name


@pytest.mark.skipif(not tools.PYTHON.is_file(), reason=f"no MONAI Label at {tools.PYTHON}: `make label-install`")
def test_a_server_that_is_killed_while_it_trains(amount: Callable[[int, int], int], tmp_path: Path) -> None:
    """Every label that was taken is there afterwards, the weights serve as before, and nobody's uploads stay."""
    studies, temporary, names = tmp_path / "studies", tmp_path / "temporary", [f"hand_{i:02d}" for i in range(8)]
    write_sample_images(studies, count=8, image_size=120)
    temporary.mkdir()
    taken: dict[str, list[Any]] = {name: [] for name in names}
    sent: dict[str, Any] = {}
    with tools.label_server(studies, tmp_path, TMPDIR=str(temporary)) as client:
        alone = {name: client.infer(name) for name in names}
        markups = {name: client.infer(name, "image") for name in names}

    def work(client: Any, name: str) -> None:
        """Correct a point again and again until the server is gone."""
        picture = next(studies.glob(f"{name}.*"))
        with suppress(OSError, HTTPException):
            while True:
                label = copy.deepcopy(markups[name])
                label["markups"][0]["controlPoints"][0]["position"][0] += 0.001 * (1 + len(taken[name]))
                sent[name] = label
                status, answer = client.put_label(name, label)
                assert status == 200, answer
                taken[name].append(label)
                found = client("POST", f"/infer/{tools.MODEL}", files={"file": (picture.name, picture.read_bytes())})
                assert found[0] == 200, found

    rng = random.Random(0)
    for _ in range(amount(1, 6)):
        taken.update({name: [] for name in names})
        with ThreadPoolExecutor(8) as pool, tools.label_server(studies, tmp_path, TMPDIR=str(temporary)) as client:
            for name in names[:4]:
                assert client.put_label(name, markups[name])[0] == 200
            options = {"max_epochs": 50, "iterations_per_epoch": 4, "learning_rate": 1e-8}
            status, answer = client("POST", f"/train/{tools.MODEL}", body=json.dumps(options))
            assert status == 200, answer
            working = [pool.submit(work, client, name) for name in names]
            wait_until(lambda: all(taken.values()), working)
            time.sleep(rng.uniform(0, 15))
            assert client("GET", "/train/")[1]["status"] == "RUNNING"
            client.kill()
            for one in working:
                one.result()
        left = [path.name for path in temporary.iterdir()]
        assert any(name.startswith("landmarks_uploads_") for name in left), "vacuous: nothing was left to clear away"
        with tools.label_server(studies, tmp_path, TMPDIR=str(temporary)) as client:
            uploads = [path for path in temporary.rglob("*") if path.is_file() and path.suffix in (".png", ".dcm")]
            assert not uploads, "images of the server that was killed"
            for name in names:
                kept = client("GET", "/datastore/label", label=name, tag="final")[1]
                assert kept in (taken[name][-1], sent[name]), name
                assert client.infer(name) == alone[name]
            assert client("GET", "/info/")[1]["datastore"]["completed"] == 8
