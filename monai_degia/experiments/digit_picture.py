"""Source digits, what the ascent made of them round by round, and digits of an unseen set, in one picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from monai_degia.data.digits.items import load_digits
from monai_degia.data.files import whole_file
from monai_degia.data.pool import IMAGE_FILE, GeneratedPool
from monai_degia.experiments.runner import EVALUATION_CONFIG

__all__ = ["draw_digits"]

_ROUNDS, _COLUMNS, _ZOOM, _MARGIN = 5, 10, 2, 150


def draw_digits(run_dir: Path, mnist: Path, unseen: Path, path: Path, unseen_name: str = "MNIST-M") -> Path:
    """Draw a column for each class: source images, images of up to five rounds, and images of an unseen set.

    Args:
        run_dir: folder of a finished run with an ascent, of one of the grids of digits.
        mnist: folder of the source digits.
        unseen: file or folder of the other set.
        path: the file to write.
        unseen_name: what to call it.

    Returns:
        ``path``.

    Raises:
        ValueError: if the run has made no images.

    """
    images, classes, rounds = _generated(run_dir)
    if not len(rounds):
        raise ValueError(
            f"{run_dir} holds no generated images: name the folder of a finished run of DeGIA, ADA or ME-ADA."
        )
    chosen = np.unique(np.linspace(0, rounds.max(), _ROUNDS).round().astype(int))
    size = images.shape[2:]
    rows = {"source": _first_of_each(mnist, size)}
    for index in chosen:
        own = [np.flatnonzero((rounds == index) & (classes == digit))[:1] for digit in range(_COLUMNS)]
        rows[f"round {index + 1}"] = torch.stack([images[i[0]] if len(i) else torch.ones_like(images[0]) for i in own])
    rows[unseen_name] = _first_of_each(unseen, size)
    return _draw(rows, path)


def _generated(run_dir: Path) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """All images of the pool (N, C, X, Y), their classes and rounds."""
    folder, checkpoint = run_dir / "generated", run_dir / "checkpoint.pt"
    if not (folder / IMAGE_FILE).is_file() or not checkpoint.is_file():
        return torch.zeros(0, 3, 1, 1), np.zeros(0), np.zeros(0)
    state = torch.load(checkpoint, weights_only=True)["dataset"]["pool"]
    capacity = json.loads((run_dir / EVALUATION_CONFIG).read_text(encoding="utf-8"))["max_generated"]
    shapes = tuple(state["image_shape"]), tuple(state["target_shape"])
    pool = GeneratedPool(folder, capacity, *shapes, state["target_dtype"])
    pool.load_state_dict(state)
    samples = [pool[index] for index in range(len(pool))]
    labels = [np.array([sample[key] for sample in samples]) for key in ("class", "round")]
    return torch.stack([sample["image"] for sample in samples]), labels[0], labels[1]


def _first_of_each(path: Path, size: torch.Size) -> Tensor:
    """One image of each class, in colour and of the network's size."""
    digits = load_digits(path, split="test")
    targets = np.array([int(item["target"]) for item in digits])
    found = [torch.as_tensor(digits[int(np.flatnonzero(targets == digit)[0])]["image"]) for digit in range(_COLUMNS)]
    colour = torch.stack([image.float().expand(3, -1, -1) / 255 for image in found])
    return torch.nn.functional.interpolate(colour, size=tuple(size), mode="bilinear")


def _draw(rows: dict[str, Tensor], path: Path) -> Path:
    # Axis 1 of a tensor is x; a picture wants rows first.
    grid = make_grid(torch.cat(list(rows.values())).transpose(2, 3), nrow=_COLUMNS, padding=2, pad_value=1.0)
    picture = to_pil_image(grid)
    picture = picture.resize((picture.width * _ZOOM, picture.height * _ZOOM), Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (_MARGIN + picture.width, picture.height), "white")
    canvas.paste(picture, (_MARGIN, 0))
    draw, height = ImageDraw.Draw(canvas), picture.height / len(rows)
    for index, name in enumerate(rows):
        draw.text((_MARGIN - 12, (index + 0.5) * height), name, "black", ImageFont.load_default(20), anchor="rm")
    with whole_file(path) as partial:
        canvas.save(partial, format="PNG")
    return path
