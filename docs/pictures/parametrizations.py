"""What each parametrisation moves: a source image, the random start, and what an ascent reaches from there.

Usage: python docs/pictures/parametrizations.py FOLDER; the build of the documentation does so by itself.
The network and the flow are those of the bundle, so nothing is trained here.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from strips import Tile, save_strip
from torch import Tensor

import monai_degia as md

MODELS = Path(__file__).parents[2] / "bundle" / "models"
STEPS = 10
#: What suits each: steps of a random map's parameters, of neighbouring pixels together, of single pixels, of latents.
MAP = {"rule": "normalized", "step_size": 0.5}
PATCHES = {"rule": "sobolev", "step_size": 0.05}
OPTIONS: dict[str, dict[str, Any]] = {
    "pixel": {"rule": "sign", "step_size": 0.02},
    "reflected": {"rule": "sobolev", "step_size": 0.3},
    "scattered": PATCHES,
    "latent": {"rule": "sign", "step_size": 0.1},
    "appearance": MAP,
    "texture": MAP,
    "fading": MAP,
    "warp": MAP,
}
#: Class to the name under which an ascent starts it.
CLASSES = {
    "PixelParametrization": "pixel",
    "ReflectedParametrization": "reflected",
    "LatentParametrization": "latent",
    "AppearanceParametrization": "appearance",
    "WarpParametrization": "warp",
    "AdversarialAscent": "appearance",
    "AdversarialAscentd": "appearance",
}


@cache
def _setting() -> tuple[md.AscentObjective, md.FlowPrior, Tensor, Tensor]:
    model = md.TrainedModel.load(MODELS, device="cpu")
    hands = [md.render_hand("photo", seed, model.image_size[0]) for seed in (1, 9)]
    images = torch.stack([torch.as_tensor(hand.image) for hand in hands]).permute(0, 3, 2, 1) / 255
    points = torch.stack([md.normalize_landmarks(hand.landmarks, model.image_size).float() for hand in hands])
    assert model.flow is not None
    objective = md.AscentObjective(model.network, model.flow, task_weight=10.0, prediction_weight=10.0)
    return objective, model.flow, images, points


def strip(name: str) -> list[Tile]:
    """For two images: source, start and what is reached."""
    objective, flow, images, points = _setting()
    reached = []
    for steps in (0, STEPS):
        ascent = md.AdversarialAscent(objective, name, steps=steps, flow=flow, **OPTIONS[name])
        reached.append(ascent.set_random_state(3)(images, points))
    titles = ("source", "start", f"{STEPS} steps")
    return [
        (title, image, None)
        for row in zip(images, *reached, strict=True)
        for title, image in zip(titles, row, strict=True)
    ]


def write_all(folder: Path) -> None:
    """Write ``<name>.png`` for each name."""
    for name in OPTIONS:
        save_strip(folder / f"{name}.png", [strip(name)])


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
