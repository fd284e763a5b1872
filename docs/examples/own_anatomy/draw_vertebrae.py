"""Draw side views of a vertebra, five landmarks each, and write them as an annotation tool would: COCO key points.

Two folders of 96 x 64 grey pictures come out. ``photos`` is for training: a bright vertebra on dark ground. ``others``
shows the same kind of thing as another device might: dark on bright, blurred, with a gradient. One picture in six
lacks a landmark, as if something covered it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = (96, 64)
NAMES = ["upper_front", "upper_back", "lower_back", "lower_front", "spinous_tip"]
SCALE = 4  # drawn larger, so that edges are smooth


def corners(rng: np.random.Generator) -> np.ndarray:
    """Five points (5, 2) in pixels: the corners of the body, and the tip of the process behind it."""
    width, height = rng.uniform(22, 34), rng.uniform(18, 28)
    body = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5], [1.25, 0.35]]) * [width, height]
    body += rng.normal(scale=1.2, size=body.shape)
    angle = rng.uniform(-0.35, 0.35)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return body @ turn.T + [rng.uniform(30, 42), rng.uniform(26, 38)]


def picture(points: np.ndarray, rng: np.random.Generator, other: bool) -> Image.Image:
    """The vertebra of these points."""
    large = Image.new("L", (SIZE[0] * SCALE, SIZE[1] * SCALE), 40)
    draw = ImageDraw.Draw(large)
    spots = [tuple((point + 0.5) * SCALE) for point in points]
    draw.polygon([*spots[:2], spots[4], *spots[2:4]], fill=int(rng.uniform(110, 140)))
    draw.polygon(spots[:4], fill=int(rng.uniform(180, 230)))
    small = np.asarray(large.resize(SIZE, Image.Resampling.BOX), dtype=np.float64)
    if other:
        small = 255 - 0.7 * small - np.linspace(0, 60, SIZE[0])
    small = small + rng.normal(scale=6, size=small.shape)
    drawn = Image.fromarray(small.clip(0, 255).astype(np.uint8))
    return drawn.filter(ImageFilter.GaussianBlur(1)) if other else drawn


def write(folder: Path, count: int, seed: int, other: bool) -> Path:
    """Draw pictures and their COCO file; what is covered has visibility 0."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for index in range(count):
        points, name = corners(rng), f"{index:03d}.png"
        picture(points, rng, other).save(folder / "images" / name)
        visible = np.full(len(NAMES), 2)
        if index % 6 == 0:
            visible[rng.integers(len(NAMES))] = 0
        triples = np.column_stack([points.round(2), visible]) * (visible > 0)[:, None]
        images.append({"id": index, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        annotations.append({"id": index, "image_id": index, "category_id": 1, "keypoints": triples.flatten().tolist()})
    category = {"id": 1, "name": "vertebra", "keypoints": NAMES, "skeleton": []}
    path = folder / "annotations.json"
    content = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=120, help="pictures to train on; a third as many of the others")
    options = parser.parse_args()
    print(write(options.folder / "photos", options.count, seed=0, other=False))
    print(write(options.folder / "others", options.count // 3, seed=1, other=True))
