import json
import operator
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_degia import FlowPrior, LandmarkRegressor, TrainedModel
from monai_degia.engines.checkpoints import BestModelSaver


def validate(saver: BestModelSaver, value: float, weight: float) -> None:
    """One validation whose key metric is ``value``, with a network that can be told by its weight."""
    engine = Engine(lambda engine, batch: None)
    saver.attach(engine)
    engine.state.key_metric_name = "key"
    engine.state.metrics["key"] = value
    nn.init.constant_(next(saver.network.parameters()), weight)
    engine.run([0], max_epochs=1)


@pytest.mark.parametrize(("better", "kept"), [(operator.lt, 2.0), (operator.gt, 3.0)])
def test_the_best_by_the_comparison_is_kept(tmp_path: Path, better, kept: float) -> None:
    saver = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False), better)
    for weight, value in enumerate((float("nan"), 0.5, 0.1, 0.9, 0.5)):
        # value 0.1 comes with weight 2 and 0.9 with weight 3
        validate(saver, value, float(weight))
    assert torch.load(saver.path, weights_only=True)["weight"].item() == kept


def test_a_resumed_run_goes_on_comparing(tmp_path: Path) -> None:
    first = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False))
    fresh = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False))
    fresh.load_state_dict(first.state_dict())  # before any validation
    validate(first, 0.2, 1.0)
    fresh.load_state_dict(first.state_dict())
    validate(fresh, 0.3, 7.0)
    assert torch.load(fresh.path, weights_only=True)["weight"].item() == 1.0
    validate(fresh, 0.1, 7.0)
    assert torch.load(fresh.path, weights_only=True)["weight"].item() == 7.0


def test_companions_are_saved_in_the_same_epochs(tmp_path: Path) -> None:
    flow = nn.Linear(1, 1, bias=False)
    saver = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False), companions={"flow.pt": flow})
    for weight, value in ((1.0, 0.5), (2.0, 0.1), (3.0, 0.4)):
        nn.init.constant_(flow.weight, 10 * weight)
        validate(saver, value, weight)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 2.0
    assert torch.load(tmp_path / "flow.pt", weights_only=True)["weight"].item() == 20.0


def test_the_state_tells_the_best_epoch(tmp_path: Path) -> None:
    saver = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False))
    assert saver.state_dict() == {"best": None, "epoch": 0}
    engine = Engine(lambda engine, batch: None)
    engine.state.key_metric_name = "key"
    for epoch, value in enumerate((0.5, 0.2, 0.3), start=1):
        engine.state.metrics["key"], engine.state.epoch = value, epoch
        saver(engine)
    assert saver.state_dict() == {"best": 0.2, "epoch": 2}
    other = BestModelSaver(tmp_path / "other.pt", nn.Linear(1, 1, bias=False))
    other.load_state_dict(saver.state_dict())
    assert other.state_dict() == saver.state_dict()


def test_a_network_that_nobody_could_build_again_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saver = BestModelSaver(tmp_path / "model.pt", nn.Linear(1, 1, bias=False), landmarks="hand21")
    with caplog.at_level("WARNING"):
        validate(saver, 0.5, 1.0)
        validate(saver, 0.4, 2.0)
    assert sum("nobody could build" in message for message in caplog.messages) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_what_the_network_is_goes_beside_its_weights(tmp_path: Path) -> None:
    network = LandmarkRegressor("lenet", 21, 1, (16, 16))
    flow = FlowPrior((16, 16), 1, num_scales=1, hidden_channels=4)
    companions = {"other.pt": nn.Linear(1, 1), "flow.pt": flow}
    named: list[dict[str, Any]] = [{}, {"name": "hands"}, {"both_sides": True}, {"both_sides": 1}]
    for number, options in enumerate(named):
        folder = tmp_path / str(number)
        folder.mkdir()
        saver = BestModelSaver(folder / "model.pt", network, companions=companions, landmarks="hand21", **options)
        validate(saver, 0.5, 0.1)
        told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        assert told["name"] == options.get("name", "landmarks")
        # Versions from before there was the entry refuse what they do not know.
        assert told.get("both_sides", False) is bool(options.get("both_sides")) and told.get("both_sides", True)
        assert sorted(path.name for path in folder.iterdir()) == ["flow.pt", "model.json", "model.pt", "other.pt"]
        model = TrainedModel.load(folder)
        assert model.flow is not None and torch.equal(weights(model.flow), weights(flow))
        assert torch.equal(weights(model.network), weights(network))


def test_both_sides_of_what_has_none_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    network = LandmarkRegressor("lenet", 2, 1, (16, 16))
    for named in (
        {"names": ["apex", "angle"]},
        {"names": ["apex_left", "apex_right"], "sided": True},
        {"names": ["apex", "angle"], "sided": True, "pairs": [["apex", "angle"]]},
    ):
        with pytest.raises(ValueError, match="both_sides is for landmarks of which there is a left and a right set"):
            BestModelSaver(tmp_path / "model.pt", network, landmarks=named, both_sides=True)


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
