"""A disk that fills up: every writer names its file and the cause, leaves no half file, and keeps the last good one."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

import monai_degia
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.keeping import kept_digits
from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.predictions import write_predictions
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations
from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.engines.checkpoints import BestModelSaver, RunCheckpoint
from monai_degia.errors import WriteError
from monai_degia.experiments.tables import write_tables
from monai_degia.io.disk_cache import DiskCache
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.label_app.store.sample_images import write_sample_images
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.results.landmark_tables import landmark_entry, write_csv, write_failures, write_json
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.overlay import save_overlay_grid
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction
from monai_degia.results.structured_report import StructuredReportWriter

pytestmark = pytest.mark.trust

REPO = Path(__file__).parents[2]
NAMES = ("wrist", "thumb_tip", "index_tip")


@contextmanager
def full_after(count: int) -> Iterator[None]:
    """Files of this process can have so many bytes: they end on the way, as on a full disk, with an error of their own.

    Not everybody may mount a small disk; see below for who may.
    """
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def network(version: str) -> LandmarkRegressor:
    torch.manual_seed(len(version))
    return LandmarkRegressor("lenet", num_landmarks=3, in_channels=1, image_size=(32, 32))


def record(folder: Path, version: str) -> LandmarkPrediction:
    (folder / "images").mkdir(exist_ok=True)
    if not list((folder / "images").glob("*.dcm")):
        write_sample_images(folder / "images", image_size=64)
    file = next(iter(sorted((folder / "images").glob("*.dcm"))))
    points = ((3.0, 4.0 + 9 * len(version)), (20.5, 30.0), (40.0, 41.0))
    return LandmarkPrediction(
        image=file.name, file=file, output_name="out", names=NAMES, points_px=points, size_px=(64, 64),
        spacing_mm=(0.2, 0.2), confidence=(0.5, 0.6, 0.7), model_version=f"test {version}",
    )  # fmt: skip


def annotations(version: str) -> AnnotationSet:
    points = np.array([[3.0, 4.0], [20.5, 30.0], [40.0, 41.0]]) + len(version)
    return AnnotationSet(NAMES, tuple(AnnotatedImage(f"{n}.png", points, size=(64, 64)) for n in "abc"))


def calibration(version: str) -> ScoreCalibration:
    model = ErrorModel((0.0,) * 5, (0.0,) * 5)
    return ScoreCalibration(model, 0.1 * len(version), weights=version)


def checkpoint(folder: Path, version: str) -> None:
    made, engine = (
        RunCheckpoint(folder / "checkpoint.pt", {"network": network(version)}),
        Engine(lambda engine, batch: None),
    )
    made.attach(engine)
    engine.state.epoch = len(version)
    made.save(engine)


def best(folder: Path, version: str) -> None:
    saver = BestModelSaver(folder / "model.pt", network(version), landmarks=NAMES)
    metrics = {"error": 1 / len(version)}
    saver(SimpleNamespace(state=SimpleNamespace(metrics=metrics, key_metric_name="error", epoch=1)))  # type: ignore[arg-type]


def tables(folder: Path, version: str) -> None:
    result = {
        "labels": {"network": version},
        "metrics": {"photo": {"count": 3, "nme": 0.1, "mse": 0.1, "auc": 0.9}},
        "seed": 0,
        "train_seconds": 1.0,
    }
    write_tables([result], folder)


def digits(folder: Path, version: str) -> None:
    images = np.random.default_rng(len(version)).integers(0, 255, (6, 8, 8), dtype=np.uint8)
    kept_digits(lambda: DigitImages(images, np.arange(6)), [version], DigitImages(images, np.arange(6)), "set", folder)


#: Writer of a version into a folder, and whether it has a file to replace (others write a new one each time).
WRITERS: dict[str, Callable[[Path, str], Any]] = {
    "checkpoint": checkpoint,
    "best model": best,
    "trained model": lambda folder, version: TrainedModel(network(version), NAMES).save(folder / version),
    "calibration": lambda folder, version: calibration(version).save(folder / "calibration.json"),
    "landmarks.json": lambda folder, version: write_json(folder / "a.json", [landmark_entry(record(folder, version))]),
    "landmarks.csv": lambda folder, version: write_csv(
        folder / "a.csv", NAMES, [landmark_entry(record(folder, version))]
    ),
    "failures.csv": lambda folder, version: write_failures(folder / "a.csv", [("a.png", version * 100)]),
    "markups": lambda folder, version: MarkupsWriter(folder).write(record(folder, version)),
    "structured report": lambda folder, version: StructuredReportWriter(folder).write(record(folder, version)),
    "overlay": lambda folder, version: OverlayWriter(folder).write(record(folder, version)),
    "overlay grid": lambda folder, version: save_overlay_grid(
        folder / "a.png", {version: [np.zeros((8, 8, 3), np.uint8)]}
    ),
    "coco results": lambda folder, version: write_predictions(
        [record(folder, version)], folder / "a.json", "coco", overwrite=True
    ),
    "training of the label app": lambda folder, version: ModelFolder(folder, folder / "bundle").add_training(
        {"note": version * 40}, None
    ),
    "tables": tables,
    "rendered hands": lambda folder, version: monai_degia.write_synthetic_dataset(
        folder, "photo", 2, 32, seed=len(version), overwrite=True
    ),
    **{
        f"annotations as {name}": lambda folder, version, name=name: write_annotations(
            annotations(version), folder / "file", name, overwrite=True
        )
        for name, form in ANNOTATION_FORMATS.items()
        if form.write and name not in ("slicer", "labelme")
    },
}  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("room", [0, 100])
def test_a_writer(name: str, room: int, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.pt").touch()
    if name == "structured report":
        pytest.importorskip("highdicom")
    WRITERS[name](tmp_path, "1")
    good = content(tmp_path)
    with pytest.raises(WriteError) as told, full_after(room):
        WRITERS[name](tmp_path, "22")
    assert "the file would be larger than this system allows" in str(told.value)
    assert str(tmp_path) in str(told.value), "which file?"
    assert "partial" not in str(told.value), "the draft is nobody's business"
    assert content(tmp_path) == good, "the last good file stays, and nothing half lies beside it"
    WRITERS[name](tmp_path, "22")
    assert content(tmp_path) != good, "vacuous: nothing was written"


def test_a_pool_and_a_cache(tmp_path: Path) -> None:
    pool = GeneratedPool(tmp_path / "pool", 4, (1, 64, 64), (2,))
    zeros = torch.zeros(2, dtype=torch.long)
    pool.append(torch.rand(2, 1, 64, 64), torch.rand(2, 2), zeros, zeros, 0)
    kept = pool[1]["image"]
    with pytest.raises(WriteError, match=r"images\.u8"), full_after(9000):
        pool.append(torch.rand(2, 1, 64, 64), torch.rand(2, 2), zeros, zeros, 0)
    assert len(pool) == 2 and torch.equal(pool[1]["image"], kept)
    cache = DiskCache(tmp_path / "cache", monai_degia.FitToSized("image", (8, 8), 1))
    with pytest.raises(WriteError, match=r"a\.pt"), full_after(100):
        cache.save(tmp_path / "cache" / "a.pt", {"image": torch.rand(50, 50)})
    assert cache.load(tmp_path / "cache" / "a.pt") is None and not list((tmp_path / "cache").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, for those who may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk can be mounted: {error}")
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_training_on_a_disk_that_fills_up(small_disk: Path, tmp_path: Path) -> None:
    """The first checkpoint fits, images and a second one do not: one sentence, and the first can be gone on with."""
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 12, image_size=64)
    out = small_disk / "out"
    command = [sys.executable, "-W", "ignore", "-m", "monai_degia", "train", str(tmp_path / "data" / "landmarks.csv")]
    small = {"iterations_per_epoch": 1, "images_per_round": 4, "max_epochs": 4, "batch_size": 4, "use_flow": "false"}
    options = [part for name, value in small.items() for part in (f"--{name}", str(value))]
    backbone = ["--network_def::backbone", "lenet", "--ascent::steps", "1", "--max_generated", "200"]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--out", str(out), *options, *backbone],
        capture_output=True, text=True, check=False, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    assert "Cannot write" in done.stderr and "the disk is full. Free some space" in done.stderr, done.stderr[-3000:]
    assert not list(small_disk.rglob(".*partial*"))
    if (out / "checkpoint.pt").exists():
        assert torch.load(out / "checkpoint.pt", weights_only=True)["trainer"]


def test_a_full_disk_is_named_as_one(small_disk: Path) -> None:
    (small_disk / "filling").write_bytes(bytes((1 << 20) - 8192))
    with pytest.raises(WriteError, match=r"calibration\.json: the disk is full. Free some space"):
        for number in range(40):  # what is left may take some
            calibration("x" * 20_000).save(small_disk / str(number) / "calibration.json")
    found = list(small_disk.rglob("*.json"))
    assert all(json.loads(path.read_text()) for path in found)
    assert not list(small_disk.rglob(".*partial*"))
