"""Files of weights are data: none of those that are read may run what somebody put into them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import Compose
from torch import nn

from monai_degia import ModelDescription
from monai_degia.io.disk_cache import DiskCache
from monai_degia.networks.weights import load_weights


class Code:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def of_flow(path: Path) -> None:
    network = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1}
    flow = {"gamma": 1.0, "shift_scale": 0.1}
    described = ModelDescription("n", "1", ("a",), network, 1, (8, 8), "w", flow)
    described.load_flow(path, torch.device("cpu"))


READERS: dict[str, Callable[[Path], Any]] = {
    "weights": lambda path: load_weights(nn.Linear(1, 1), path),
    "flow": of_flow,
    "cache": lambda path: DiskCache(path.parent, Compose([])).load(path),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any]) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Code()}, tmp_path / "model.pt")
    try:
        result = read(tmp_path / "model.pt")
    except Exception as error:
        assert "weights" in str(error).lower() or "unsupported" in str(error).lower()
    else:
        assert result is None, "the cache makes the sample anew"
    assert not Path("executed").exists()
