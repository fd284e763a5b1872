"""Weights are replaced whole or not at all, and a restart finds them."""

import json
from pathlib import Path

import pytest

from monai_degia.io import files
from monai_degia.label_app.store.model_folder import ModelFolder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    (tmp_path / "bundle" / "models").mkdir(parents=True)
    (tmp_path / "bundle" / "models" / "model.pt").write_bytes(b"shipped")
    return tmp_path / "bundle" / "models"


def test_trained_weights_serve_and_a_restart_finds_them(tmp_path: Path, trained: Path) -> None:
    model = ModelFolder(tmp_path / "model", trained)
    assert model.weights.read_bytes() == b"shipped" and model.fine_tuned is None and model.version == ""
    for round_ in (1, 2):
        (tmp_path / "new.pt").write_bytes(b"round %d" % round_)
        model.add_training({"labels": round_}, tmp_path / "new.pt")
    again = ModelFolder(tmp_path / "model", trained)
    assert again.weights.read_bytes() == b"round 2" and again.version == "+label.2"
    assert [entry["labels"] for entry in again.history()] == [1, 2]
    again.add_training({"labels": 3}, None)
    assert model.weights.read_bytes() == b"round 2" and model.version == "+label.2" and len(model.history()) == 3
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model_2.pt", "training.json"]


@pytest.mark.parametrize("stop_at", [1, 2])
def test_a_server_killed_while_it_saves_goes_on_with_the_old_weights(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    model = ModelFolder(tmp_path / "model", trained)
    (tmp_path / "new.pt").write_bytes(b"one")
    model.add_training({}, tmp_path / "new.pt")
    replaced = []

    def replace(source: Path, target: Path) -> None:
        replaced.append(target)
        if len(replaced) == stop_at:
            raise KeyboardInterrupt
        Path(source).rename(target)

    monkeypatch.setattr(files.os, "replace", replace)
    (tmp_path / "new.pt").write_bytes(b"two")
    with pytest.raises(KeyboardInterrupt):
        model.add_training({}, tmp_path / "new.pt")
    again = ModelFolder(tmp_path / "model", trained)
    assert again.weights.read_bytes() == b"one" and len(again.history()) == 1
    monkeypatch.undo()
    again.add_training({}, tmp_path / "new.pt")
    assert again.weights.read_bytes() == b"two"


def test_what_cannot_be_used_is_named(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(ValueError, match="There are no weights at"):
        ModelFolder(tmp_path / "model", tmp_path)
    (tmp_path / "model").mkdir()
    record = tmp_path / "model" / "training.json"
    for text in ("{", "[]", "{}"):
        record.write_text(text)
        with pytest.raises(ValueError, match=r"training\.json is damaged"):
            ModelFolder(tmp_path / "model", trained)
    record.write_text(json.dumps({"weights": "model_4.pt", "trainings": []}))
    with pytest.raises(ValueError, match=r"names model_4\.pt, which is not there"):
        ModelFolder(tmp_path / "model", trained)
