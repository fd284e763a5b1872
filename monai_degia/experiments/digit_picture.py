"""Source digits, what the ascent made of them by round or by setting, and digits of an unseen set, in one picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from monai_degia.data.digits.items import load_digits
from monai_degia.data.pool.pool import IMAGE_FILE, GeneratedPool
from monai_degia.errors import UserError
from monai_degia.experiments.runner import EVALUATION_CONFIG
from monai_degia.io.files import whole_file

__all__ = ["draw_digits"]

_ROUNDS, _COLUMNS, _ZOOM, _FONT_SIZE = 5, 10, 2, 20


def draw_digits(run_dirs: Sequence[Path], mnist: Path, unseen: Path, path: Path, unseen_name: str = "MNIST-M") -> Path:
    """Draw a column for each class: source images, generated images, and images of an unseen set.

    Args:
        run_dirs: folders of finished runs with an ascent, of one of the grids of digits. Of one run up to five rounds
            are shown, of several the last round of each, under the names of their settings.
        mnist: folder of the source digits.
        unseen: file or folder of the other set.
        path: the file to write.
        unseen_name: what to call it.

    Returns:
        ``path``.

    Raises:
        ValueError: if a run has made no images.

    """
    pools = {run_dir: _generated(run_dir) for run_dir in run_dirs}
    for run_dir, (_, _, rounds) in pools.items():
        if not len(rounds):
            raise UserError(
                f"{run_dir} holds no generated images: name the folder of a finished run of DeGIA, ADA or ME-ADA."
            )
    first = pools[run_dirs[0]]
    size = first[0].shape[2:]
    rows = {"source": _first_of_each(mnist, size)}
    if len(pools) == 1:
        chosen = np.unique(np.linspace(0, first[2].max(), _ROUNDS).round().astype(int))
        rows.update({f"round {index + 1}": _one_of_each(*first, index) for index in chosen})
    else:
        names = _settings(list(pools))
        rows.update(
            {name: _one_of_each(*pool, pool[2].max()) for name, pool in zip(names, pools.values(), strict=True)}
        )
    rows[unseen_name] = _first_of_each(unseen, size)
    return _draw(rows, path)


def _settings(run_dirs: Sequence[Path]) -> list[str]:
    """What a grid calls the runs' rows, from the names that it gave to their folders; those names if seeds differ."""
    names = [run_dir.name.rpartition("_seed=")[0].replace("-", " ") for run_dir in run_dirs]
    return names if all(names) and len(set(names)) == len(names) else [str(run_dir) for run_dir in run_dirs]


def _one_of_each(images: Tensor, classes: np.ndarray, rounds: np.ndarray, index: int) -> Tensor:
    """The first image of each class in a round, white where there is none."""
    own = [np.flatnonzero((rounds == index) & (classes == digit))[:1] for digit in range(_COLUMNS)]
    return torch.stack([images[i[0]] if len(i) else torch.ones_like(images[0]) for i in own])


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
    font = ImageFont.load_default(_FONT_SIZE)
    margin = 24 + round(max(font.getlength(name) for name in rows))
    canvas = Image.new("RGB", (margin + picture.width, picture.height), "white")
    canvas.paste(picture, (margin, 0))
    draw, height = ImageDraw.Draw(canvas), picture.height / len(rows)
    for index, name in enumerate(rows):
        draw.text((margin - 12, (index + 0.5) * height), name, "black", font, anchor="rm")
    with whole_file(path) as partial:
        canvas.save(partial, format="PNG")
    return path
