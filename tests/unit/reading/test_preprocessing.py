"""One chain from file to picture: the same everywhere, there and back, and fit for worker processes."""

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Transform
from PIL import Image

import monai_degia
from monai_degia.io.messages import short_message
from monai_degia.reading.preprocessing import LandmarkPreprocessing

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "bundle" / "configs"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A wide photograph that a camera stored sideways, a depth map of 16 bit, and a NIfTI slice of 0.2 mm."""
    rng = np.random.default_rng(0)
    photo, deep, scan = tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.nii.gz"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rng.integers(0, 256, (40, 70, 3), dtype=np.uint8)).save(photo, exif=exif)
    depth = rng.integers(500, 640, (50, 30)).astype(np.uint16)
    depth[:12] = 0
    Image.fromarray(depth).save(deep)
    values = rng.random((60, 44, 1)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([0.2, 0.2, 1, 1])), scan)
    return [photo, deep, scan]


def chain(*names: str, key: str, **overrides: Any) -> Any:
    parser = ConfigParser(ConfigParser.load_config_files([str(CONFIGS / name) for name in names]))
    parser.update({"ckpt_dir": str(ROOT / "bundle" / "models"), "bundle_root": "bundle", **overrides})
    return parser.get_parsed_content(key)


def test_training_evaluation_and_inference_see_the_same_picture(files: list[Path]) -> None:
    """In one pass; what refines cuts from a larger picture, made by the same chain."""
    train = chain("train.json", key="train#preprocessing")
    evaluate = chain("train.json", "evaluate.json", key="validate#preprocessing")
    refined = chain("train.json", "evaluate.json", key="validate#preprocessing", refine=True)
    infer = chain("inference.json", key="preprocessing", refine=False)
    as_usual = chain("inference.json", key="preprocessing")
    kinds = [infer({"image": str(file)})["modality"] for file in files]
    assert kinds == ["photo", "depth", "photo"], "told by the file where nobody says"
    for file in files:
        item = {"image": str(file), "landmarks": np.array([[3.0, 4.0], [9.0, 20.0]])}
        samples = [steps(dict(item)) for steps in (train, evaluate, infer)]
        assert samples[0]["image"].shape == (3, 96, 96)
        for other in samples[1:]:
            assert torch.equal(other["image"].as_tensor(), samples[0]["image"].as_tensor()), file.name
            assert torch.equal(other["image"].affine, samples[0]["image"].affine)
            torch.testing.assert_close(other["spacing"], samples[0]["spacing"], equal_nan=True)
        large, same = refined(dict(item))["image"], as_usual(dict(item))["image"]
        assert large.shape == (3, 384, 384) and torch.equal(large.as_tensor(), same.as_tensor())


def test_a_nifti_file_has_its_millimetres_in_training_and_inference(files: list[Path]) -> None:
    """A side of 60 pixels of 0.2 mm fills 96 pixels of the network."""
    item = {"image": str(files[2]), "landmarks": np.zeros((2, 2))}
    train = chain("train.json", key="train#preprocessing")
    infer = chain("inference.json", key="preprocessing", refine=False)
    for steps in (train, infer):
        done = steps(dict(item))
        torch.testing.assert_close(done["spacing"], torch.full((2,), 0.2 * 60 / 96), rtol=0.02, atol=0)
        torch.testing.assert_close(done["image"].meta["file_spacing"], torch.tensor([0.2, 0.2]))
        assert done["image"].meta["spacing_source"] == "affine"


def test_points_go_there_and_back(files: list[Path]) -> None:
    steps = LandmarkPreprocessing((64, 48), 1, landmarks=["index_mcp", "index_tip"], mirror=True)
    points = np.array([[3.0, 4.0], [9.0, 20.0]])
    for file in files:
        done = steps({"image": str(file), "landmarks": points})
        network = monai_degia.normalize_landmarks(done["landmarks"], (64, 48))
        torch.testing.assert_close(steps.from_file(torch.tensor(points), done["image"]), network, atol=1e-5, rtol=0)
        back = steps.to_file(network, done["image"])
        torch.testing.assert_close(back.double(), torch.tensor(points), atol=1e-3, rtol=0)


def test_arrays_are_images_too() -> None:
    steps = LandmarkPreprocessing((32, 32))
    pixels = np.zeros((40, 60), dtype=np.uint8)
    pixels[10:20, 40:60] = 255  # right of the middle, above it
    picture = steps({"image": pixels})["image"]
    x, y = torch.nonzero(picture[0] > 0.5).float().mean(0)
    assert picture.shape == (3, 32, 32) and x > 20 and y < 16
    for wrong in (np.zeros((0, 4)), np.zeros(5), torch.zeros(4, 4)):
        with pytest.raises(RuntimeError) as error:
            steps({"image": wrong})
        assert "must be" in str(short_message(error.value))


OBJECTIVE = monai_degia.AscentObjective(
    monai_degia.LandmarkRegressor("lenet", image_size=(32, 32)), monai_degia.FlowPrior((32, 32), 3)
)
ASCENT = monai_degia.AdversarialAscent(OBJECTIVE, "appearance", steps=1, rule="normalized")
#: Exported transforms that need arguments.
OPTIONS: dict[str, dict[str, Any]] = {
    "AdversarialAscentd": {"keys": "image", "ascent": ASCENT},
    "AdversarialAscent": {"objective": OBJECTIVE},
    "DenormalizeLandmarksd": {"keys": "landmarks"},
    "GuardedCompose": {"transforms": [], "image_size": (8, 8), "in_channels": 1},
    "KeepPictured": {"keys": "image", "side": 8},
    "FitToSized": {"keys": "image", "spatial_size": (8, 8), "channels": 1},
    "LandmarkPreprocessing": {"image_size": (8, 8), "landmarks": "hand21"},
    "RandFlipLandmarksd": {"keys": "image", "landmark_keys": "landmarks", "names": "hand21"},
    "MatchChannelsd": {"keys": "image", "channels": 1},
    "RandConv": {"prob": 1.0},
    "RandGeometryd": {"keys": "image", "translate_range": (4.0, 4.0)},
}


def transforms() -> list[Any]:
    kinds = [getattr(monai_degia, name) for name in monai_degia.__all__]
    kinds = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Transform)]
    made = []
    for kind in kinds:
        options = OPTIONS.get(kind.__name__, {"keys": "image"})
        made.append(kind(**options))
    assert len(made) > 20
    return made


def test_what_a_worker_process_gets_can_be_sent_to_it(files: list[Path]) -> None:
    """Under spawn, which macOS and Windows use: nothing may be a lambda or a local function."""
    everything = transforms()
    pipelines = [
        chain("train.json", key="train#preprocessing"),
        chain("inference.json", key="preprocessing"),
    ]
    items = [{"image": str(file), "landmarks": np.zeros((21, 2))} for file in files]
    # A worker that cannot read what it is sent dies, and the pool waits for its answer: hence the limits.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        back = pool.apply_async(pickle.loads, (pickle.dumps(everything),)).get(timeout=600)
        shapes = [
            tuple(sample["image"].shape)
            for pipeline in pipelines
            for sample in pool.map_async(pipeline, items).get(timeout=600)
        ]
    assert [type(entry) for entry in back] == [type(entry) for entry in everything]
    assert shapes == [(3, 96, 96)] * 3 + [(3, 384, 384)] * 3
