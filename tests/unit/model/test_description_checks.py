"""Every entry of ``model.json`` is what it should be, before anything is built of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.model.description import ModelDescription

GOOD: dict[str, Any] = {
    "name": "x",
    "version": "1",
    "landmarks": ["a", "b"],
    "network": {"_target_": "monai_degia.LandmarkRegressor", "backbone": "lenet", "num_landmarks": 2},
    "in_channels": 1,
    "image_size": [32, 32],
    "weights": "00ff",
    "flow": {"gamma": 1.0, "shift_scale": 0.1},
    "format": 1,
}


def load(folder: Path, content: Any) -> ModelDescription:
    (folder / "model.json").write_text(json.dumps(content))
    return ModelDescription.load(folder / "model.json")


def test_a_good_one(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.image_size == (32, 32) and found.build() is not None
    assert load(tmp_path, {**GOOD, "flow": None}).flow is None
    assert not found.both_sides, "files from before there was the entry are of one side"
    assert load(tmp_path, {**GOOD, "both_sides": True}).both_sides


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"name": 3}, "name is 3, not a text"),
        ({"version": ""}, "version is '', not a text"),
        ({"weights": None}, "weights is None, not a text"),
        ({"in_channels": True}, "in_channels is True, not a whole number from 1"),
        ({"in_channels": 1.0}, r"in_channels is 1\.0, not a whole number"),
        ({"in_channels": 10**9}, "in_channels is 1000000000, not a whole number from 1 to"),
        ({"image_size": 32}, "image_size is 32, not two whole numbers"),
        ({"image_size": [32, "32"]}, r"image_size\[1\] is '32', not a whole number"),
        ({"image_size": [32, 10**7]}, r"image_size\[1\] is 10000000"),
        ({"image_size": [32, 32, 32]}, "not two whole numbers"),
        ({"network": "resnet"}, "network is 'resnet', not an object with _target_"),
        ({"network": {"_target_": 1}}, "not an object with _target_"),
        ({"network": {**GOOD["network"], "hidden_features": 10**12}}, r"network\.hidden_features is 1000000000000"),
        ({"network": {**GOOD["network"], "a": [[10**12]]}}, r"network\.a\[0\]\[0\] is"),
        ({"network": {**GOOD["network"], "a": json.loads("[" * 20 + "]" * 20)}}, "nested more than 8 levels"),
        ({"flow": [1, 2]}, "flow is .*not an object with gamma and shift_scale"),
        ({"flow": {"gamma": 1}}, "not an object with gamma and shift_scale"),
        ({"flow": {"gamma": "1", "shift_scale": 0}}, r"flow\.gamma is '1', not a number"),
        (
            {"flow": {"gamma": 1, "shift_scale": 0, "flow_spacing": 2}},
            r"flow\.flow_spacing is 2, not two whole numbers",
        ),
        ({"both_sides": 1}, "both_sides is 1, not true or false"),
        ({"both_sides": None}, "both_sides is None, not true or false"),
        ({"format": True}, "its format is True"),
        ({"format": 2}, "its format is 2, this version reads 1"),
        ({"landmarks": 7}, "landmarks: "),
        ({"landmarks": [["a"]]}, "landmarks: "),
        ({"landmarks": {"names": ["a"], "bones": 3}}, "landmarks: "),
        ({"landmarks": "/etc/set.json"}, "landmarks: Unknown landmark set"),
        ({"widht": 1}, "unknown entries: widht"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(entries: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"model\.json describes no model: .*{reason}"):
        load(tmp_path, {**GOOD, **entries})


@pytest.mark.parametrize("name", [name for name in GOOD if name not in ("flow", "format")])
def test_a_missing_entry_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"it lacks {name}"):
        load(tmp_path, {key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("arguments", [{"image_size": ["x", 2]}, {"num_landmarks": -1}, {"backbone": []}])
def test_arguments_that_the_class_does_not_take(arguments: dict[str, Any], tmp_path: Path) -> None:
    described = load(tmp_path, {**GOOD, "network": {**GOOD["network"], **arguments}})
    with pytest.raises(ValueError, match=r"model\.json names a network .* that cannot be built"):
        described.build()


def test_a_coarser_flow_is_built_as_it_was(tmp_path: Path) -> None:
    flow = FlowPrior((8, 8), 1, shift_scale=0.2, flow_spacing=(2, 1), hidden_channels=4)
    described = ModelDescription.of(nn.Identity(), ["a", "b"], flow, "x", "1", GOOD["network"], 1, (8, 8))
    assert described is not None
    described.save(tmp_path / "model.json")
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    again = ModelDescription.load(tmp_path / "model.json").load_flow(tmp_path / "flow.pt", torch.device("cpu"))
    assert again is not None and again.flow_spacing == (2, 1) and again.prior.shift_scale == 0.2
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(again.eval().log_prob(x), flow.eval().log_prob(x))
