import operator
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from torch import nn

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
