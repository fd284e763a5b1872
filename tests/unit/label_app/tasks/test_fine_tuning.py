"""Corrected labels become training data, and training moves the network towards them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import torch

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.tasks.fine_tuning import FineTuning, TuningOptions, labelled_items
from monai_degia.label_app.tasks.model_inference import ModelInference
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"max_epochs": "5"}, "max_epochs must be an integer from 1 to 1000, got '5'"),
        ({"max_epochs": 0}, "max_epochs must be"),
        ({"max_epochs": True}, "max_epochs must be"),
        ({"batch_size": 1}, "batch_size must be an integer from 2"),
        ({"learning_rate": 2}, "learning_rate must be a number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"iterations_per_epoch": 1.5}, "iterations_per_epoch must be an integer"),
    ],
)
def test_options_out_of_range_are_refused(request_: Any, reason: str) -> None:
    with pytest.raises(RefusedRequest, match=reason) as error:
        TuningOptions.of_request(request_)
    assert error.value.status == 400


def test_options_are_taken_out_of_what_else_a_request_holds() -> None:
    options = TuningOptions.of_request({"model": "x", "gpus": "all", "max_epochs": 3, "learning_rate": 1})
    assert options == TuningOptions(max_epochs=3, learning_rate=1)


def test_items_hold_the_points_of_the_labels(make_label: Any) -> None:
    labels = [make_label("a", 0), make_label("b", 1)]
    items = labelled_items([(image, label) for image, label, _ in labels], HAND21)
    for item, (image, _, points) in zip(items, labels, strict=True):
        assert item["image"] == str(image) and item["landmarks"].dtype == np.float32
        assert np.allclose(item["landmarks"], points, atol=1e-3)
    with pytest.raises(RefusedRequest, match="no corrected label yet"):
        labelled_items([], HAND21)
    labels[1][1].write_text("{}")
    with pytest.raises(RefusedRequest, match=r"The label b\.mrk\.json cannot be used: .*one point list"):
        labelled_items([(image, label) for image, label, _ in labels], HAND21)


@pytest.mark.slow
def test_training_lowers_the_error_on_pictures_and_dicom_together(
    make_label: Any, bundle: Path, tmp_path: Path
) -> None:
    labels = [make_label(name, seed) for seed, name in enumerate("abc")]
    files = [(image, label) for image, label, _ in labels]
    dicom = tmp_path / "c.dcm"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(labels[2][0])), str(dicom))
    files[2] = (dicom, files[2][1])
    weights = bundle / "models" / "model.pt"
    items = labelled_items(files, HAND21)
    run = FineTuning(bundle, bundle / "models", weights, tmp_path / "run", TuningOptions(2, 4, 8, 3e-4))
    best, summary = run.run(items)
    assert best is not None and summary["error_after"] < summary["error_before"] and summary["labels"] == 3
    old, new = (torch.load(path, weights_only=True) for path in (weights, best))
    assert old.keys() == new.keys() and not torch.equal(old[next(iter(old))], new[next(iter(new))])

    def error(path: Path) -> float:
        # In one pass, by which training chooses: after eight steps, several passes may agree on either.
        infer = ModelInference(bundle / "models", path, refine=False)
        found = [list(infer(file)[1]["landmarks"].values()) for file, _ in files]
        return float(np.linalg.norm(np.array(found) - [points for *_, points in labels], axis=-1).mean())

    assert error(best) < error(weights)


@pytest.mark.slow
def test_weights_that_are_not_better_are_not_offered(make_label: Any, bundle: Path, tmp_path: Path) -> None:
    image, label, _ = make_label()
    options = TuningOptions(max_epochs=1, iterations_per_epoch=2, batch_size=2, learning_rate=1.0)  # tears all apart
    best, summary = FineTuning(
        bundle, bundle / "models", bundle / "models" / "model.pt", tmp_path / "run", options
    ).run(labelled_items([(image, label)], HAND21))
    assert best is None and summary["error_after"] == summary["error_before"]


@pytest.mark.parametrize("both_sides", [False, True])
def test_what_knows_both_sides_is_tuned_on_both(both_sides: bool, bundle: Path, tmp_path: Path) -> None:
    network = LandmarkRegressor("lenet", 21, 3, (32, 32))
    TrainedModel(network, "hand21", both_sides=both_sides).save(tmp_path / "model")
    weights = tmp_path / "model" / "model.pt"
    run = FineTuning(bundle, tmp_path / "model", weights, tmp_path / "run", TuningOptions(2, 4, 8, 3e-4))
    parser = run._workflow([], []).parser
    assert parser.get_parsed_content("best_model").about["both_sides"] is both_sides
    assert parser.get_parsed_content("train::batch_augmentations")[0].flip_prob == both_sides / 2
    if not both_sides:
        assert "both_sides" not in run.overrides, "configs from before there was the entry would refuse it"


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no .*train\.json"):
        FineTuning(tmp_path, tmp_path, tmp_path / "model.pt", tmp_path, TuningOptions())
    with pytest.raises(ValueError, match=r"There is no model in .*--conf bundle FOLDER"):
        ModelInference(tmp_path, tmp_path / "model.pt")
