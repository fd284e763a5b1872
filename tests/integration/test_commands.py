"""The command line as a newcomer uses it: another anatomy, from an annotation tool's file to predictions."""

import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from monai_degia.cli.main import command_line
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.io.messages import short_message
from monai_degia.label_app.tasks.model_inference import ModelInference
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor

REPO = Path(__file__).parents[2]
DRAW = REPO / "docs" / "examples" / "own_anatomy" / "draw_vertebrae.py"
NAMES = ("upper_front", "upper_back", "lower_back", "lower_front", "spinous_tip")
SMALL = ["--in_channels", "1", "--image_size", "[96, 64]", "--network_def::backbone", "lenet"]
SMALL += ["--iterations_per_epoch", "15", "--images_per_round", "16", "--batch_size", "16"]


@pytest.fixture(scope="module", autouse=True)
def _own_excepthook() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "excepthook", sys.excepthook)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vertebrae")
    write = runpy.run_path(str(DRAW))["write"]
    write(folder / "photos", 60, seed=0, other=False)
    write(folder / "others", 6, seed=1, other=True)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "mine"
    photos = data / "photos"
    command_line(["train", str(photos / "annotations.json"), "--out", str(run), "--max_epochs", "2", *SMALL])
    return run


def errors(predictions: Path, labels: Path) -> np.ndarray:
    """Distances of predictions from labels in pixels."""
    known = {image.image: image.points for image in read_annotations(labels).images}
    with predictions.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {row["image"]: np.array([[float(row[f"{n}_{a}"]) for a in "xy"] for n in NAMES]) for row in rows}
    assert set(found) == set(known)
    return np.array([np.linalg.norm(found[name] - known[name], axis=1) for name in known])


def test_a_model_of_the_lists_own_landmarks_comes_out(trained: Path) -> None:
    described = json.loads((trained / "model.json").read_text())
    assert described["landmarks"] == list(NAMES) and described["in_channels"] == 1
    assert described["image_size"] == [96, 64]
    assert TrainedModel.load(trained).names == NAMES


def test_other_images_are_predicted_in_pixels_of_their_files(trained: Path, data: Path, tmp_path: Path) -> None:
    one_pass = ["--model", str(trained), "--refine", "False"]
    command_line(["predict", str(data / "photos" / "images"), str(tmp_path / "out"), *one_pass])
    found = errors(tmp_path / "out" / "landmarks.csv", data / "photos" / "annotations.json")
    assert np.nanmedian(found) < 5, "pixels, of vertebrae of about 45"
    reference = ["--reference", str(data / "others" / "annotations.json")]
    again = [
        "predict",
        str(data / "others" / "images"),
        str(tmp_path / "2"),
        *one_pass,
        *reference,
        "--formats",
        "overlay",
    ]
    command_line([*again, "coco", "label_studio"])
    coco = json.loads((tmp_path / "2" / "coco.json").read_text())
    assert [entry["image_id"] for entry in coco] == list(range(6)) and len(coco[0]["keypoints"]) == 3 * len(NAMES)
    tasks = json.loads((tmp_path / "2" / "label_studio.json").read_text())
    assert len(tasks) == 6 and len(tasks[0]["predictions"][0]["result"]) >= len(NAMES)
    assert len(list((tmp_path / "2").rglob("*.overlay.png"))) == 6
    with pytest.raises(ValueError, match=r"landmarks\.csv is there already.*--overwrite"):
        command_line(again)


def test_what_was_held_out_is_evaluated_and_calibrated(trained: Path, data: Path, tmp_path: Path) -> None:
    command_line(["evaluate", "--model", str(trained)])
    (held_out,) = json.loads((trained / "evaluation" / "metrics.json").read_text()).values()
    assert held_out["count"] == 9 and set(held_out["nme_per_landmark"]) == set(NAMES)
    with pytest.raises(ValueError, match="holds an evaluation already"):
        command_line(["evaluate", "--model", str(trained)])
    others = data / "others"
    command_line(
        ["evaluate", str(others / "annotations.json"), "--model", str(trained), "--out", str(tmp_path / "others")]
    )
    (other,) = json.loads((tmp_path / "others" / "metrics.json").read_text()).values()
    assert other["count"] == 6 and other["missing"] == 1
    command_line(["calibrate", "--model", str(trained)])
    assert TrainedModel.load(trained).confident
    with pytest.raises(ValueError, match="is there already"):
        command_line(["calibrate", "--model", str(trained)])


def test_a_training_goes_on_and_is_not_overwritten(trained: Path, data: Path) -> None:
    again = ["train", str(data / "photos" / "annotations.json"), "--out", str(trained), *SMALL]
    with pytest.raises(ValueError, match=r"training would overwrite it: add --resume to go on .*--out FOLDER"):
        command_line(again)
    before = (trained / "checkpoint.pt").stat().st_mtime_ns
    command_line(["train", "--out", str(trained), "--resume", "--max_epochs", "3"])
    assert (trained / "checkpoint.pt").stat().st_mtime_ns > before


def test_weights_are_taken_over_for_another_set_of_landmarks(trained: Path, data: Path, tmp_path: Path) -> None:
    """Nothing is learnt here: landmarks that both have are found as before, whatever their order."""
    photos, out = data / "photos", tmp_path / "tuned"
    listed = ["train", str(photos / "annotations.json"), "--out", str(out), "--init_from", str(trained)]
    options = ["--max_epochs", "1", "--iterations_per_epoch", "1", "--images_per_round", "2", "--learning_rate", "0.0"]
    command_line([*listed, "--landmarks", "spinous_tip,upper_front", *options])
    image = photos / "images" / "003.png"
    old, new = (TrainedModel.load(f, refine=False, autocast_dtype=None).predict(image)[0] for f in (trained, out))
    assert new.names == ("spinous_tip", "upper_front")
    np.testing.assert_allclose(new.points_px, np.array(old.points_px)[[4, 0]], atol=2.0)


@pytest.mark.parametrize("both_sides", [False, True])
def test_training_goes_on_with_both_sides_of_what_knows_them(both_sides: bool, tmp_path: Path) -> None:
    """A model that knows them is trained on both; one of a single side does not undo what was asked for."""
    write_synthetic_dataset(tmp_path / "hands", "photo", 12, image_size=32)
    network = LandmarkRegressor("lenet", 21, 3, (32, 32))
    TrainedModel(network, "hand21", both_sides=both_sides).save(tmp_path / "model")
    listed = ["train", str(tmp_path / "hands" / "landmarks.csv"), "--init_from", str(tmp_path / "model")]
    short = ["--landmarks", "hand21", "--max_epochs", "1", "--iterations_per_epoch", "1", "--images_per_round", "2"]
    for name, asked in (("as_it_is", []), ("asked", ["--both_sides", "True"])):
        command_line([*listed, "--out", str(tmp_path / name), *short, *asked])
        assert TrainedModel.load(tmp_path / name).one_sided is not (both_sides or bool(asked))
    (tmp_path / "tips.yaml").write_text("names: [thumb_tip, index_tip]\n")  # it does not say that there are two sides
    for name, part, sided in (("part", "thumb_tip,wrist", True), ("others", str(tmp_path / "tips.yaml"), False)):
        command_line([*listed, "--out", str(tmp_path / name), *short, "--landmarks", part])
        found = TrainedModel.load(tmp_path / name)
        assert found.landmarks.sided is sided and found.one_sided is (sided and not both_sides)


def test_a_single_landmark_is_a_set_as_well(data: Path, tmp_path: Path) -> None:
    photos, out = data / "photos", tmp_path / "one"
    listed = ["train", str(photos / "annotations.json"), "--out", str(out), "--landmarks", "spinous_tip,"]
    command_line([*listed, "--max_epochs", "3", *SMALL])
    command_line(["calibrate", "--model", str(out)])
    command_line(["predict", str(data / "others" / "images"), str(tmp_path / "found"), "--model", str(out)])
    entries = json.loads((tmp_path / "found" / "landmarks.json").read_text())
    assert len(entries) == 6 and all(list(entry["landmarks"]) == ["spinous_tip"] for entry in entries)
    assert all(entry["withheld"] or entry["radius_px"] > 0 for entry in entries)


def test_a_misspelt_entry_starts_nothing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as error:
        command_line(
            ["train", str(data / "photos" / "annotations.json"), "--out", str(tmp_path / "x"), "--max_epoch", "2"]
        )
    assert "Did you mean 'max_epochs'" in str(short_message(error.value))
    assert not (tmp_path / "x" / "model.pt").exists()


def test_annotations_are_converted_there_and_back(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = data / "photos" / "annotations.json"
    command_line(["convert", str(source), str(tmp_path / "list.csv"), "--to", "csv"])
    assert "60 images with 5 landmarks, coco to csv" in capsys.readouterr().out
    command_line(["convert", str(tmp_path / "list.csv"), str(tmp_path / "coco.json"), "--to", "coco"])
    first, last = (read_annotations(path) for path in (source, tmp_path / "coco.json"))
    for before, after in zip(first.images, last.images, strict=True):
        np.testing.assert_allclose(after.points, before.points, atol=0.01)
    with pytest.raises(ValueError, match="exists already"):
        command_line(["convert", str(source), str(tmp_path / "list.csv"), "--to", "csv"])


def test_the_label_app_serves_the_model(trained: Path, data: Path) -> None:
    """What is behind the server of ``monai_degia serve``: names, markups and plain values are the set's own."""
    text, entry = ModelInference(trained, trained / "model.pt")(data / "others" / "images" / "001.png")
    (markup,) = json.loads(text)["markups"]
    assert [point["label"] for point in markup["controlPoints"]] == list(NAMES) == list(entry["landmarks"])


@pytest.mark.long
def test_a_wheel_holds_all_that_the_commands_need(data: Path, tmp_path: Path) -> None:
    """Built from a copy, unpacked beside nothing else, and used from another folder."""
    source, target = tmp_path / "source", tmp_path / "site"
    for name in ("monai_degia", "bundle", "configs"):
        shutil.copytree(REPO / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "eval"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(source)], check=True, capture_output=True, text=True, timeout=300)
    (wheel,) = tmp_path.glob("monai_degia-*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(target)
    command = [sys.executable, "-m", "monai_degia", "predict", str(data / "others"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(target)}
    where = [sys.executable, "-c", "import monai_degia; print(monai_degia.__file__)"]
    told = subprocess.run(where, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert told.stdout.startswith(str(target))
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "out" / "landmarks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"images/{index:03d}.png" for index in range(6)], (
        "sub-folders are searched"
    )
