"""Rendered radiographs with exact landmarks, and their labels as Slicer would save them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered.scene import render_hand
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.prediction import LandmarkPrediction

REPO = Path(__file__).parents[3]


@pytest.fixture
def bundle() -> Path:
    return REPO / "bundle"


@pytest.fixture
def make_label(tmp_path: Path) -> Callable[..., tuple[Path, Path, np.ndarray]]:
    """Image file, label file and the label's points in pixels (21, 2)."""

    def make(name: str = "hand", seed: int = 0, shift: float = 0.0, **record: Any) -> tuple[Path, Path, np.ndarray]:
        hand = render_hand("xray", (9, seed), 96)
        image = tmp_path / f"{name}.png"
        Image.fromarray(hand.image).save(image)
        points = hand.landmarks + shift
        points_px = tuple((float(x), float(y)) for x, y in points)
        entry = {"image": image.name, "file": image, "output_name": name, "names": HAND21, "size_px": (96, 96)}
        label = MarkupsWriter(tmp_path).write(LandmarkPrediction(**{**entry, "points_px": points_px, **record}))
        return image, label, points

    return make


@pytest.fixture(autouse=True)
def own_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs shorten the messages of errors, by the hook."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
