"""A hand with a place for every joint, and pictures that say which joint lies where."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.reading.images import LoadAnyImaged

SIZE = (150, 120)  # width, height: a swap of x and y leaves the picture


def hand(scale: float = 1.0) -> dict[str, np.ndarray]:
    """Whole pixels, no two joints alike, each finger leading away from the wrist; x beyond the height for some."""
    wrist, points = np.array([96, 104]), {}
    for finger, degrees in zip(("thumb", "index", "middle", "ring", "little"), (190, 215, 235, 255, 275), strict=True):
        names = [name for name in HAND21 if name.startswith(finger)]
        ray = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        for name, length in zip(names, (40, 56, 70, 81), strict=True):
            points[name] = np.rint(wrist + scale * length * ray)
    return {"wrist": wrist.astype(float), **{name: points[name] for name in HAND21[1:]}}


@pytest.fixture
def joints() -> dict[str, np.ndarray]:
    return {**hand(), "carpus": np.array([96.0, 104.0]), "forearm": np.array([101.0, 115.0])}


@pytest.fixture
def paint() -> Callable[..., dict[str, int]]:
    """Write a picture with one grey level a joint, whatever the ending without loss; gives joint to level."""

    def write(path: Path, points: Mapping[str, np.ndarray], size: tuple[int, int] = SIZE) -> dict[str, int]:
        levels = {name: 5 * (i + 1) for i, name in enumerate(points)}
        picture = np.zeros(size[::-1], dtype=np.uint8)
        for name, (x, y) in points.items():
            picture[int(y), int(x)] = levels[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, format="PNG")
        return levels

    return write


@pytest.fixture
def seen() -> Callable[[dict[str, Any]], list[int]]:
    """Grey levels of the file of an item at its landmarks."""

    def look(item: dict[str, Any]) -> list[int]:
        image = LoadAnyImaged("image")(item)["image"]
        x, y = np.rint(item["landmarks"]).astype(int).T
        return image[0, x, y].int().tolist()

    return look


@pytest.fixture
def write_coco() -> Callable[..., Path]:
    """A COCO file: one image and annotation for each given list of points (x, y, visibility)."""

    def write(path: Path, images: Mapping[str, Any], names: Any = None, **changes: Any) -> Path:
        annotations = []
        for i, triples in enumerate(images.values()):
            triples = np.asarray(triples, dtype=float)
            low, high = triples[:, :2].min(axis=0), triples[:, :2].max(axis=0)
            box = [*low.tolist(), *(high - low).tolist()]
            annotations.append(
                {
                    "id": 70 + i,
                    "image_id": 500 - i,
                    "category_id": 1,
                    "bbox": box,
                    "keypoints": triples.ravel().tolist(),
                }
            )
            annotations[-1] |= changes
        content: dict[str, Any] = {"images": [{"id": 500 - i, "file_name": name} for i, name in enumerate(images)]}
        content |= {"annotations": annotations}
        content |= {} if names is None else {"categories": [{"id": 1, "name": "hand", "keypoints": list(names)}]}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return write
