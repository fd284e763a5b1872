"""The bundle at work: its command line, what resuming gives, and where landmarks land in the file."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from PIL import Image, ImageOps
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn import functional

import monai_degia
from monai_degia.results.keys import MaximizationEvents

REPO = Path(__file__).parents[2]
CONFIGS = REPO / "bundle" / "configs"
SMALL = {"network_def::backbone": "lenet", "iterations_per_epoch": 3, "images_per_round": 8, "batch_size": 8}
SMALL |= {"image_size": [64, 64]}


@pytest.fixture(autouse=True)
def own_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def command(*config_files: str, status: int = 0, **overrides: Any) -> str:
    files = str([str(CONFIGS / name) for name in config_files])
    options = [text for name, value in overrides.items() for text in (f"--{name}", str(value))]
    arguments = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files, *options]
    done = subprocess.run(arguments, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stderr


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle root after training, evaluation and inference, each by its command."""
    root = tmp_path_factory.mktemp("bundle")
    monai_degia.write_synthetic_dataset(root / "data", "photo", 24, image_size=64)
    new = root / "new"
    new.mkdir()
    noise = np.random.default_rng(0)
    for name, shape in (("small.png", (20, 32, 3)), ("upright.png", (50, 30, 3))):  # rows, columns
        Image.fromarray(noise.integers(0, 256, shape, dtype=np.uint8)).save(new / name)
    command("train.json", bundle_root=root, max_epochs=2, **SMALL)
    command("train.json", "evaluate.json", bundle_root=root, **SMALL)
    command("inference.json", bundle_root=root, dataset_dir=new)
    return root


def test_training_and_evaluation_leave_their_files(root: Path) -> None:
    checkpoint = torch.load(root / "models" / "checkpoint.pt", weights_only=True)
    assert checkpoint["trainer"]["iteration"] == 6
    assert checkpoint["dataset"]["rounds"] == 1 and checkpoint["dataset"]["pool"]["size"] == 8
    network = monai_degia.LandmarkRegressor("lenet", head="heatmap", temperature=0.25)
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    width, height = Image.open(root / "eval" / "generated_round=00.png").size
    assert width > 8 * 64 and height >= 2 * 64
    metrics = json.loads((root / "eval" / "metrics.json").read_text())
    count = metrics["data"]["count"]
    assert count in (3, 4) and 0 < metrics["data"]["nme"] < 10  # 15 % of 24
    assert metrics["data"]["passes"] == 1
    assert len(list(csv.reader((root / "eval" / "errors.csv").open()))) == 1 + count * 21
    assert Image.open(root / "eval" / "overlay.png").size[0] > 100
    assert not list(root.rglob(".*partial*"))


def test_curves_and_pictures_are_in_tensorboard(root: Path) -> None:
    (file,) = (root / "eval" / "tensorboard").glob("events.*")
    found = EventAccumulator(str(file)).Reload()
    rates = [(event.step, event.value) for event in found.Scalars("learning_rate")]
    assert rates == [(1, pytest.approx(0.002)), (2, pytest.approx(0.001))], "the cosine of two epochs"
    assert [event.step for event in found.Images("validation")] == [1, 2]
    assert {"generated"} <= set(found.Tags()["images"]) and "val_nme" in found.Tags()["scalars"]


def test_csv_of_inference_equals_a_computation_by_hand(root: Path, tmp_path: Path) -> None:
    options = {"bundle_root": root, "dataset_dir": root / "new", "output_dir": tmp_path, "refine": False}
    command("inference.json", **options)
    network = monai_degia.LandmarkRegressor("lenet", head="heatmap", temperature=0.25, normalize_input=True).eval()
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    pixels = torch.from_numpy(np.array(Image.open(root / "new" / "small.png"))).permute(2, 1, 0)[None] / 255
    enlarged = functional.interpolate(pixels, (64, 40), mode="bilinear")  # 32 x 20, twice as large
    with torch.no_grad():
        u = network(functional.pad(enlarged, (12, 12, 0, 0), mode="replicate"))[0]
    expected = torch.stack([32 * u[:, 0] - 0.5, (64 * u[:, 1] - 12) / 2 - 0.5], dim=1)
    rows = list(csv.DictReader((tmp_path / "landmarks.csv").open()))
    assert [row["image"] for row in rows] == ["small.png", "upright.png"]
    found = torch.tensor([[float(rows[0][f"{n}_{axis}"]) for axis in "xy"] for n in monai_degia.HAND21])
    assert torch.allclose(found, expected, atol=0.006)
    assert expected.std(0).min() > 0.02  # points differ, so an exchanged order would show
    assert rows[0]["outside"] == "0" and rows[0]["spacing_mm"] == ""


def test_a_calibrated_run_tells_confidence_and_shift_and_lists_what_it_cannot_read(root: Path, tmp_path: Path) -> None:
    """One bad file among good ones: they are written, it is listed, and the exit status says so."""
    folder = tmp_path / "new"
    shutil.copytree(root / "new", folder)
    (folder / "tall.png").write_bytes((folder / "small.png").read_bytes()[:60])
    calibrate = (str(CONFIGS / "evaluate.json"), str(REPO / "configs" / "run" / "calibrate.yaml"))
    command("train.json", *calibrate, bundle_root=root, **SMALL, **{"validate::handlers::0::tolerance": 0.2})
    options = {"bundle_root": root, "dataset_dir": folder, "output_dir": tmp_path / "out", "formats": "['overlay']"}
    failed = command("inference.json", status=1, **options)
    assert "error: 1 of 3 images have no complete result" in failed and "tall.png" in failed
    assert "Traceback" not in failed
    (failure,) = csv.DictReader((tmp_path / "out" / "failures.csv").open())
    assert failure["image"] == "tall.png" and "Cannot read image" in failure["reason"]
    rows = list(csv.DictReader((tmp_path / "out" / "landmarks.csv").open()))
    assert [row["image"] for row in rows] == ["small.png", "upright.png"]
    assert all(float(row["domain_shift"]) >= 0 for row in rows)
    for row in rows:  # a calibration on so few images may know nothing of others, and says so
        told = (row["confidence"], row["radius_px"], row["wrist_radius"])
        assert told == ("", "", "") if row["withheld"] == "1" else 0 <= float(told[0]) <= 1 and float(told[1]) > 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "small.overlay.png",
        "upright.overlay.png",
    ]


def train(root: Path, **overrides: Any) -> ConfigWorkflow:
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / "train.json"),
        workflow_type="train",
        logging_file=False,
        **{"bundle_root": str(root), "max_epochs": 3, **SMALL, **overrides},
    )
    workflow.initialize()
    return workflow


def test_the_seed_decides_the_first_weights_and_a_file_replaces_them(tmp_path: Path) -> None:
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 24, image_size=64)

    def weights(workflow: ConfigWorkflow) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in workflow.parser.get_parsed_content("network").state_dict().items()}

    torch.manual_seed(5)  # what happened before must not matter
    first = weights(train(tmp_path))
    torch.manual_seed(6)
    assert same(weights(train(tmp_path)), first) and not same(weights(train(tmp_path, seed=1)), first)
    torch.save(first, tmp_path / "start.pt")
    started = train(tmp_path, seed=1, start_weights=str(tmp_path / "start.pt"), max_epochs=1, learning_rate=0.0)
    started.run()
    kept = weights(started)
    assert all(torch.equal(kept[name], first[name]) for name in first if name.endswith("weight"))


class Killed(Exception):
    """Stands for a machine that goes down."""


def stop_inside_an_epoch(workflow: ConfigWorkflow) -> None:
    trainer = workflow.parser.get_parsed_content("train::trainer")

    @trainer.on(Events.ITERATION_COMPLETED(once=5))
    def stop(engine: Any) -> None:
        raise Killed


def stop_inside_a_round(workflow: ConfigWorkflow) -> None:
    maximizer = workflow.parser.get_parsed_content("maximizer")

    @maximizer.on(MaximizationEvents.ROUND_COMPLETED)
    def stop(engine: Any) -> None:
        if engine.dataset.rounds == 1:
            raise Killed


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("uninterrupted")
    hook = sys.excepthook
    monai_degia.write_synthetic_dataset(root / "data", "photo", 24, image_size=64)
    train(root).run()
    yield root
    sys.excepthook = hook


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return torch.equal(left, right) if isinstance(left, Tensor) else left == right


@pytest.mark.parametrize(("stop", "iteration"), [(stop_inside_an_epoch, 3), (stop_inside_a_round, 6)])
def test_resumed_run_equals_one_that_was_never_stopped(
    uninterrupted: Path, tmp_path: Path, stop: Any, iteration: int
) -> None:
    """Inside a round the epoch before it is in the checkpoint already, and the round is run anew."""
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 24, image_size=64)
    first = train(tmp_path)
    stop(first)
    with pytest.raises(RuntimeError) as error:
        first.run()
    assert isinstance(error.value.__cause__, Killed)
    half = torch.load(tmp_path / "models" / "checkpoint.pt", weights_only=True)
    assert half["trainer"]["iteration"] == iteration and half["dataset"]["rounds"] == 1
    train(tmp_path, resume=True).run()

    one, two = (torch.load(root / "models" / "checkpoint.pt", weights_only=True) for root in (uninterrupted, tmp_path))
    assert one["dataset"] == two["dataset"] and one["dataset"]["rounds"] == 2 and one["dataset"]["pool"]["size"] == 16
    assert not same(half["network"], one["network"]) and not same(half["flow"], one["flow"])
    for name in one:
        assert same(one[name], two[name]), name
    for name in ("models/model.pt", "eval/generated_round=01.png"):
        assert (uninterrupted / name).read_bytes() == (tmp_path / name).read_bytes(), name
    for name, size in (("images.u8", 16 * 3 * 64 * 64), ("targets.f32", 16 * 21 * 2 * 4), ("labels.i64", 16 * 3 * 8)):
        left, right = ((root / "eval" / "generated" / name).read_bytes()[:size] for root in (uninterrupted, tmp_path))
        assert left == right and any(left), name


class BrightestSpot(nn.Module):
    """Finds the centre of brightness: a network whose right answer is known for any image."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("power", torch.tensor(2.0))
        self.in_channels, self.image_size = 3, (64, 64)

    def forward(self, image: Tensor) -> Tensor:
        mass = image.mean(1) ** self.power
        total = mass.sum((1, 2))
        return torch.stack(
            [
                (mass.sum(2) * (torch.arange(image.shape[2]) + 0.5)).sum(1) / total / image.shape[2],
                (mass.sum(1) * (torch.arange(image.shape[3]) + 0.5)).sum(1) / total / image.shape[3],
            ],
            dim=1,
        )[:, None]


def spot(columns: int, rows: int, x: float, y: float) -> np.ndarray:
    """Rows by columns, 8 bit, with a blob at (x, y)."""
    row, column = np.mgrid[:rows, :columns]
    return np.rint(250 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 18)).astype(np.uint8)


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientBirthDate, file.Modality = "Doe^Jane", "19700101", "CR"
    file.PhotometricInterpretation, file.SamplesPerPixel, file.PixelRepresentation = "MONOCHROME2", 1, 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 8, 8, 7
    file.Rows, file.Columns = pixels.shape
    file.PixelData = pixels.tobytes()
    file.save_as(path, enforce_file_format=True)


def inferred(images: Path, root: Path, **options: Any) -> list[dict[str, Any]]:
    """What inference.json finds in a folder; its results lie in ``root / "eval"``."""
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(root),
        dataset_dir=str(images),
        **options,
    )
    workflow.initialize()
    workflow.run()
    return json.loads((root / "eval" / "landmarks.json").read_text())


@pytest.mark.parametrize("mirror", [False, True])
def test_landmarks_lie_in_the_pixels_of_any_file(tmp_path: Path, mirror: bool) -> None:
    spots = {"a.png": (100, 100, 71.0, 23.0), "b.jpg": (70, 40, 15.0, 30.0), "c.png": (40, 90, 12.0, 66.0)}
    spots |= {"d.dcm": (90, 60, 61.0, 20.0), "e.nii.gz": (48, 64, 33.0, 47.0)}
    images = tmp_path / "images"
    images.mkdir()
    for name, place in spots.items():
        if name.endswith(".dcm"):
            write_dicom(images / name, spot(*place))
        elif name.endswith(".nii.gz"):
            affine = np.diag([0.3, 0.3, 1, 1])
            nibabel.save(nibabel.Nifti1Image(spot(*place).T.astype(np.float32)[..., None], affine), images / name)
        else:
            Image.fromarray(spot(*place)).save(images / name)
    model = monai_degia.TrainedModel(BrightestSpot(), ["spot"], name="spots", version="7")
    entries = inferred(images, tmp_path, model=model, mirror=mirror)
    assert [entry["image"] for entry in entries] == list(spots)
    for entry, (_, _, x, y) in zip(entries, spots.values(), strict=True):
        assert entry["landmarks"]["spot"] == pytest.approx([x, y], abs=0.25), entry["image"]
        assert not entry["outside"] and entry["model_version"] == "spots 7"
    assert [entry["spacing_mm"] for entry in entries] == [None] * 4 + [pytest.approx([0.3, 0.3])]
    written = "".join(path.read_text() for path in (tmp_path / "eval").iterdir())
    assert "Doe" not in written and "19700101" not in written


def test_the_side_is_looked_for_where_only_one_was_trained_on(tmp_path: Path) -> None:
    images = tmp_path / "images"
    monai_degia.write_synthetic_dataset(tmp_path, "photo", 4, image_size=48)
    for path in sorted(images.iterdir()):
        ImageOps.mirror(Image.open(path)).save(path.with_stem(f"{path.stem}_mirrored"))
    torch.manual_seed(7)
    network = monai_degia.LandmarkRegressor("lenet", 21, 3, (32, 32), head="heatmap")
    monai_degia.TrainedModel(network, "hand21").save(tmp_path / "model")
    entries = inferred(images, tmp_path, ckpt_dir=str(tmp_path / "model"), mirror="find", autocast_dtype=None)
    asked = monai_degia.TrainedModel.load(tmp_path / "model", either_side=True, autocast_dtype=None).predict(images)
    assert [entry["mirrored"] for entry in entries] == [found.mirrored for found in asked]
    pairs = zip(entries[::2], entries[1::2], strict=True)
    assert all(not (first["mirrored"] and second["mirrored"]) for first, second in pairs)
    assert any(entry["mirrored"] for entry in entries), "of an image and its mirror image one agrees better"


def test_files_of_no_use_are_listed_and_the_others_have_their_results(tmp_path: Path) -> None:
    """They can be read, and still nothing can be found in them, or no result be built for them."""
    images = tmp_path / "images"
    images.mkdir()
    values, flat = spot(48, 64, 33.0, 47.0).T[..., None].astype(np.float64), np.diag([0.3, 0.0, 1, 1])
    for name, content, affine in (
        ("a_flat.nii", values, flat),
        ("a_flat_too.nii", values, np.diag([0.0, 0.3, 1, 1])),
        ("a_one_line.nii", values, np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
        ("b_too_large.nii", values * 1e300, np.eye(4)),
        ("c_not_a_number.nii", values * np.nan, np.eye(4)),
        ("d_tiny_pixels.nii", values, np.diag([1e-200, 1e-200, 1, 1])),
        ("e_good.nii", values, np.eye(4)),
    ):
        file = nibabel.Nifti1Image(content, None)
        file.header.set_sform(affine, code=1)
        nibabel.save(file, images / name)
    Image.fromarray(spot(100, 100, 71.0, 23.0)).save(images / "f_good.png")
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(tmp_path),
        dataset_dir=str(images),
        model=monai_degia.TrainedModel(BrightestSpot(), ["spot"], name="spots", version="7"),
        write_report=True,
        formats=["markups", "overlay"],
    )
    workflow.initialize()
    workflow.run()
    with pytest.raises(RuntimeError) as error:
        workflow.finalize()
    assert "of 8 images have no complete result" in str(error.value.__cause__)
    entries = {entry["image"]: entry for entry in json.loads((tmp_path / "eval" / "landmarks.json").read_text())}
    failures = dict(list(csv.reader((tmp_path / "eval" / "failures.csv").open()))[1:])
    assert {"e_good.nii", "f_good.png"} <= set(entries) and not set(failures) & {"e_good.nii", "f_good.png"}
    assert {"b_too_large.nii", "c_not_a_number.nii", "d_tiny_pixels.nii"} <= set(failures)
    assert set(entries) | set(failures) == {path.name for path in images.iterdir()}
    for name in {"a_flat.nii", "a_flat_too.nii", "a_one_line.nii"} & set(entries):
        assert entries[name]["landmarks"]["spot"] == pytest.approx([33, 47], abs=0.25), name
    assert entries["f_good.png"]["landmarks"]["spot"] == pytest.approx([71, 23], abs=0.25)
    assert (tmp_path / "eval" / "report.html").is_file()
    model = workflow.parser.get_parsed_content("model")
    found = [prediction.image for prediction in model.stream(images, skip_unreadable=True, progress=False)]
    assert found == list(entries)


def test_one_list_of_pictures_and_dicom_files_trains(tmp_path: Path) -> None:
    """Readers leave meta data of their own, which do not fit into one batch."""
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 12)
    rows = list(csv.DictReader((tmp_path / "data" / "landmarks.csv").open()))
    for index, row in enumerate(rows[::2]):
        found = next((tmp_path / "data").rglob(Path(row["image"]).name))
        levels = np.array(Image.open(found).convert("L"))
        name = f"{index}.dcm"
        write_dicom(found.with_name(name), levels)
        row["image"] = str(Path(row["image"]).with_name(name))
    with (tmp_path / "data" / "landmarks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    command("train.json", bundle_root=tmp_path, max_epochs=1, use_flow=False, maximize=False, **SMALL)
    assert (tmp_path / "models" / "model.pt").is_file()


@pytest.mark.slow
def test_tracking_with_mlflow_from_another_folder(tmp_path: Path, run_python: Any) -> None:
    """MONAI's default settings for MLflow, which expect a list of samples as the trainer's output."""
    mlflow = pytest.importorskip("mlflow")
    monai_degia.write_synthetic_dataset(tmp_path / "hands", "photo", 24)
    options = {"dataset_dir": "hands", "output_dir": "out", "ckpt_dir": "out", "max_epochs": 2, **SMALL}
    options |= {"config_file": CONFIGS / "train.json", "tracking": "mlflow"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    run_python("-m", "monai.bundle", "run", *arguments, cwd=tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'out' / 'mlruns.db'}")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    losses = [run.data.metrics["train_loss"] for run in runs if "train_loss" in run.data.metrics]
    assert losses and 0 < losses[0] < 1
    assert any("val_nme" in run.data.metrics for run in runs)
