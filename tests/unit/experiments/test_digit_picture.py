"""The picture of generated digits, made of a run's own files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.experiments.digit_picture import draw_digits


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Grey digits: the image of class k has the level 20 k."""
    labels = np.arange(10)
    images = np.broadcast_to((20 * labels).astype(np.uint8)[:, None, None], (10, 28, 28))
    np.savez(tmp_path / "digits.npz", images=images, labels=labels)
    return tmp_path / "digits.npz"


def make_run(folder: Path, rounds: int) -> Path:
    """A run whose image of class k in round r is coloured by k and r."""
    (folder / "generated").mkdir(parents=True)
    pool = GeneratedPool(folder / "generated", 100, (3, 32, 32), (), "int64")
    classes = torch.arange(10)
    for index in range(rounds):
        images = torch.zeros(10, 3, 32, 32)
        images[:, 0], images[:, 1] = (classes / 10).view(-1, 1, 1), (index + 1) / 10
        pool.append(images, classes, classes, classes, index)
    torch.save({"dataset": {"pool": pool.state_dict()}}, folder / "checkpoint.pt")
    (folder / "evaluate.json").write_text(json.dumps({"max_generated": 100}))
    return folder


def cells(picture: Path, rows: int) -> np.ndarray:
    """Colours in the middle of each digit, (rows, 10, 3)."""
    pixels = np.asarray(Image.open(picture))
    left, cell = pixels.shape[1] - 2 * (34 * 10 + 2), 2 * 34
    assert pixels.shape[0] == 2 * (34 * rows + 2)
    return pixels[34 + 2 :: cell, left + 34 + 2 :: cell][:rows, :10]


def test_rows_are_source_rounds_and_the_unseen_set(tmp_path: Path, digits: Path) -> None:
    centres = cells(draw_digits([make_run(tmp_path / "run", 9)], digits, digits, tmp_path / "p.png"), rows=7)
    assert (centres[0] == centres[6]).all() and centres[0, :, 0].tolist() == [20 * k for k in range(10)]
    assert [round(level / 25.5) for level in centres[1:6, 3, 1]] == [1, 3, 5, 7, 9], "rounds in order, spread evenly"
    assert [round(level / 25.5) for level in centres[2, :, 0]] == list(range(10)), "a column for each class"


@pytest.mark.parametrize("name", ["without-NLL_seed={}", "alpha={}_seed=0", "run{}"])
def test_several_runs_show_the_last_round_of_each(name: str, tmp_path: Path, digits: Path) -> None:
    runs = [make_run(tmp_path / name.format(rounds), rounds) for rounds in (2, 8, 5)]
    centres = cells(draw_digits(runs, digits, digits, tmp_path / "p.png"), rows=5)
    assert [round(level / 25.5) for level in centres[1:4, 3, 1]] == [2, 8, 5]
    assert (centres[0] == centres[4]).all() and centres[0, :, 0].tolist() == [20 * k for k in range(10)]


def test_a_run_without_images_is_refused(tmp_path: Path, digits: Path) -> None:
    with pytest.raises(ValueError, match="holds no generated images"):
        draw_digits([make_run(tmp_path / "run", 1), tmp_path], digits, digits, tmp_path / "p.png")
