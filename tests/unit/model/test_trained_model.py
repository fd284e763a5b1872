"""A trained model as one object: what it needs, what it gives, and when it gives no confidence."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration
from monai_degia.model.description import ModelDescription
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor

SHIPPED = Path(__file__).parents[3] / "bundle" / "models"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hands")
    write_synthetic_dataset(folder, "photo", 3, image_size=80)
    return folder / "images"


@pytest.fixture
def network() -> LandmarkRegressor:
    torch.manual_seed(0)
    return LandmarkRegressor("lenet", num_landmarks=3, in_channels=1, image_size=(32, 48), head="heatmap")


def small(network: LandmarkRegressor, **options: object) -> TrainedModel:
    return TrainedModel(network, {"names": ["a", "b", "c"], "sided": True}, num_views=8, **options)  # type: ignore[arg-type]


def test_what_is_saved_is_all_that_loading_needs(network: LandmarkRegressor, images: Path, tmp_path: Path) -> None:
    """Nothing is typed again: not the landmarks, the channels, the size or the backbone."""
    flow = FlowPrior((32, 48), 1, num_classes=2, shift_scale=0.3)
    model = small(network, flow=flow, name="triple")
    calibration = ScoreCalibration(
        ErrorModel((-3.0, -1.0, 0.0, -1.0, 0.0), (-1.0, 0.5, 0.5, 0.5, 0.0)),
        0.1,
        bits_mean=5.0,
        bits_std=0.5,
        weights=model.weights_hash,
        flow_weights=model.flow_hash,
        copies=model.calibrated_for,
    )
    saved = small(network, flow=flow, calibration=calibration, name="triple")
    saved.save(tmp_path / "model")
    loaded = TrainedModel.load(tmp_path / "model", num_views=8)
    assert loaded.names == ("a", "b", "c") and loaded.model_version == saved.model_version
    assert loaded.model_version == f"triple {model.weights_hash[:8]}"
    assert loaded.flow is not None and loaded.flow.prior.shift_scale == 0.3
    found, expected = loaded.predict(images), saved.predict(images)
    assert found == expected and len(found) == 3 and found[0].image == "hand_00000.png"
    assert all(p.confidence and p.radius_px and p.disagreement and p.domain_shift is not None for p in found)
    with pytest.raises(ValueError, match="holds a model already"):
        saved.save(tmp_path / "model")


def test_files_paths_and_arrays_are_the_same_images(images: Path) -> None:
    model = TrainedModel.load(SHIPPED)
    files = sorted(images.iterdir())
    folder, listed = model.predict(images), model.predict([str(files[0]), *files[1:]])
    assert folder == listed
    pixels = np.array(Image.open(files[0]))  # rows, columns, channels
    tensor = torch.from_numpy(pixels).permute(2, 1, 0)  # channels, columns, rows
    for array in (pixels, tensor):
        (found,) = model.predict(array)
        assert found.points_px == folder[0].points_px and found.confidence == folder[0].confidence
        assert found.size_px == (80, 80) and found.spacing_mm is None


def test_predictions_come_one_by_one_and_do_not_depend_on_their_company(images: Path) -> None:
    model = TrainedModel.load(SHIPPED)
    together = model.predict(images, batch_size=3)
    stream = model.stream(images, batch_size=1, num_workers=0)
    assert isinstance(stream, Iterator)
    first = next(stream)
    assert first == together[0] == model.predict(first.file)[0]
    assert list(stream) == together[1:]


def test_a_file_that_cannot_be_read_is_named_or_left_out(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = TrainedModel.load(SHIPPED)
    for path in images.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "hand_00001.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"Cannot read image .*hand_00001\.png"):
        model.predict(tmp_path)
    with caplog.at_level(logging.WARNING):
        found = model.predict(tmp_path, skip_unreadable=True)
    assert [p.image for p in found] == ["hand_00000.png", "hand_00002.png"]
    assert sum("hand_00001.png is left out" in message for message in caplog.messages) == 1
    with pytest.raises(ValueError, match="the list is empty"):
        model.predict([])


def confidence(model: TrainedModel, image: Path) -> object:
    (found,) = model.predict(image)
    return found.confidence


def test_a_calibration_holds_for_its_own_weights_and_copies(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = images / "hand_00000.png"
    assert confidence(TrainedModel.load(SHIPPED), image)
    assert confidence(TrainedModel.load(SHIPPED, refine=False, scores=True), image)
    for options, reason in (
        ({"num_views": 16}, "the calibration was fitted for num_views 8, not 16"),
        ({"weights": tmp_path / "tuned.pt"}, "the calibration was fitted for other weights"),
    ):
        state = torch.load(SHIPPED / "model.pt", weights_only=True)
        name = next(name for name, values in state.items() if values.is_floating_point())
        state[name] = state[name] * 1.01
        torch.save(state, tmp_path / "tuned.pt")
        caplog.clear()
        model = TrainedModel.load(SHIPPED, **options)  # type: ignore[arg-type]
        assert confidence(model, image) is None and sum(reason in message for message in caplog.messages) == 1
    assert model.predict(image)[0].disagreement is not None
    assert model.version == model.weights_hash[:8], "other weights are another version"
    stated = ScoreCalibration.load(SHIPPED / "calibration.json")
    assert not replace(stated, weights="").fits(model.weights_hash)
    assert replace(stated, copies=None).other_copies(model.calibrated_for)


def test_a_flow_that_was_exchanged_or_is_gone_tells_nothing(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, image = tmp_path / "model", images / "hand_00000.png"
    shutil.copytree(SHIPPED, folder)
    (before,) = TrainedModel.load(folder).predict(image)
    state = torch.load(folder / "flow.pt", weights_only=True)
    name = next(name for name, values in state.items() if values.is_floating_point() and values.abs().sum() > 0)
    torch.save({**state, name: state[name] * 1.001}, folder / "flow.pt")
    for reason in ("was fitted with another flow than that of flow.pt", "was fitted with a flow, and there is none"):
        caplog.clear()
        (found,) = TrainedModel.load(folder).predict(image)
        assert found.points_px == before.points_px and found.disagreement == before.disagreement
        assert (found.confidence, found.radius_px, found.domain_shift) == (None, None, None)
        assert sum(reason in message for message in caplog.messages) == 1
        (folder / "flow.pt").unlink(missing_ok=True)


def test_weights_that_were_exchanged_are_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(SHIPPED, tmp_path / "model")
    described = ModelDescription.load(SHIPPED / "model.json").version
    assert TrainedModel.load(tmp_path / "model").version == described
    state = torch.load(SHIPPED / "model.pt", weights_only=True)
    torch.save(
        {name: values * 0.99 if values.is_floating_point() else values for name, values in state.items()},
        tmp_path / "model" / "model.pt",
    )
    caplog.clear()
    assert TrainedModel.load(tmp_path / "model").version != described
    assert any("has not the weights that model.json describes" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text[:-20], "describes no model"),
        (lambda text: json.dumps([1]), "it is no JSON object"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "its format is 2"),
        (lambda text: text.replace('"landmarks": "hand21"', '"landmarks": "hand20"'), "Unknown landmark set 'hand20'"),
        (lambda text: text.replace('"weights"', '"wights"'), "unknown entries: wights"),
        (lambda text: text.replace("monai_degia.LandmarkRegressor", "os.system"), "'os.system', which is no class"),
        (lambda text: text.replace('"head"', '"hed"'), "'monai_degia.LandmarkRegressor' that cannot be built"),
    ],
)
def test_a_damaged_description_is_named(edit: object, reason: str, tmp_path: Path) -> None:
    text = edit((SHIPPED / "model.json").read_text())  # type: ignore[operator]
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match=reason):
        TrainedModel.load(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(ValueError, match=r"There is no model\.json in .*training writes it"):
        TrainedModel.load(tmp_path)


def test_a_network_of_ones_own_predicts_but_cannot_be_described(network: LandmarkRegressor, tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        image_size, in_channels = (32, 48), 1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3))[:, None, None].expand(-1, 3, 2)

    model = small(Own())  # type: ignore[arg-type]
    assert len(model.predict(np.zeros((20, 30), np.uint8))[0].points_px) == 3
    with pytest.raises(ValueError, match="Nobody could build this network again"):
        model.save(tmp_path)
    with pytest.raises(ValueError, match="autocast_dtype must be"):
        small(network, autocast_dtype="bfloat")
    with pytest.raises(ValueError, match="finds 3 landmarks, but 21 are named"):
        TrainedModel(network, HAND21)


PAIRED = {"names": ["apex_a", "notch", "apex_b"], "pairs": [["apex_a", "apex_b"]], "object": "chest"}


def test_left_and_right_of_a_set_are_told_by_its_pairs(
    network: LandmarkRegressor, images: Path, tmp_path: Path
) -> None:
    """A picture and its mirror image, said to be one, differ by the place of the pair alone."""
    file, mirrored = min(images.iterdir()), tmp_path / "mirrored.png"
    with Image.open(file) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
        width = picture.width
    model = TrainedModel(network, PAIRED, refine=False, autocast_dtype=None)
    as_is = np.array(model.predict(file)[0].points_px)
    (found,) = model.predict(mirrored, mirror=True)
    points = np.array(found.points_px)
    points[:, 0] = width - 1 - points[:, 0]
    np.testing.assert_allclose(points[[2, 1, 0]], as_is, atol=1e-3)


def test_only_what_has_sides_is_mirrored_by_a_header(network: LandmarkRegressor) -> None:
    assert TrainedModel(network, PAIRED).preprocessing(mirror="auto").transforms[0].defaults["mirror"] is False
    with pytest.raises(ValueError, match="of which there is a left and a right"):
        TrainedModel(network, PAIRED, either_side=True)
    sided = TrainedModel(network, {**PAIRED, "sided": True}, either_side=True)
    assert sided.preprocessing(mirror="auto").transforms[0].defaults["mirror"] == "auto"
    found = [
        TrainedModel(network, {**PAIRED, "sided": flag}, num_views=8).predict_batch(torch.rand(1, 1, 64, 96))
        for flag in (False, True)
    ]
    assert ["other_side" in output for output in found] == [False, True]


def test_what_was_trained_on_both_sides_is_not_asked_in_a_mirror(
    network: LandmarkRegressor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both = small(network, both_sides=True)
    pictures = torch.rand(2, 1, 128, 192)
    assert "other_side" not in both.predict_batch(pictures)
    both.save(tmp_path / "both")
    with caplog.at_level(logging.INFO):
        loaded = TrainedModel.load(tmp_path / "both", num_views=8, either_side=True)
    assert "trained on both sides: it is not asked for the mirrored picture" in caplog.text
    found = loaded.predict_batch(pictures)
    assert not {"other_side", "mirrored"} & set(found)
    assert torch.equal(found["pred"], both.predict_batch(pictures)["pred"])


def test_a_calibration_of_one_side_gives_a_network_of_both_no_confidence(
    network: LandmarkRegressor, caplog: pytest.LogCaptureFixture
) -> None:
    """Such files come of a description that was changed by hand: it must not end in an error for each image."""
    plain = small(network)
    told = {"weights": plain.weights_hash, "copies": plain.calibrated_for}
    pictures = torch.rand(1, 1, 128, 192)
    for side, known in ((-4.0, False), (0.0, True)):
        fitted = ScoreCalibration(ErrorModel((0.0, -1.0, 0.0, side, 0.0), (0.0, 0.5, 0.0, 0.0, 0.0)), 0.1, **told)
        caplog.clear()
        found = small(network, calibration=fitted, both_sides=True).predict_batch(pictures)
        assert ("confidence" in found) is known
        assert ("No confidence: the calibration was fitted to a network of one side." in caplog.text) is not known


def test_a_set_of_ones_own_travels_with_the_model(network: LandmarkRegressor, tmp_path: Path) -> None:
    TrainedModel(network, PAIRED).save(tmp_path / "chest")
    loaded = TrainedModel.load(tmp_path / "chest").landmarks
    assert loaded.pairs == (("apex_a", "apex_b"),) and loaded.size_name == "chest size"


def test_what_may_show_the_other_side_is_doubted_unless_the_side_is_known(network: LandmarkRegressor) -> None:
    one_sided = small(network)
    by_side = ErrorModel((0.0, -1.0, 0.0, -4.0, 0.0), (0.0, 0.5, 0.0, 2.0, 0.0))
    fitted = ScoreCalibration(by_side, 0.1, weights=one_sided.weights_hash, copies=one_sided.calibrated_for)
    model = small(network, calibration=fitted)
    pictures = torch.rand(3, 1, 128, 192, generator=torch.Generator().manual_seed(0))
    found = model.predict_batch(pictures)
    known = model.predict_batch(pictures, side_known=torch.tensor([True, False, True]))
    assert torch.equal(known["pred"], found["pred"]) and (found["other_side"] > 0).all()
    assert known["other_side"].tolist() == [0.0, found["other_side"][1].item(), 0.0]
    assert (known["confidence"] > found["confidence"]).all(1).tolist() == [True, False, True]
    assert (known["radius"] < found["radius"]).all(1).tolist() == [True, False, True]
