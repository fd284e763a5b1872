"""Images for the examples: a disc, a square or a triangle, in domains that a network may or may not have seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SIDE, CLASSES = 32, ("disc", "square", "triangle")
DOMAINS = ("plain", "inverted", "shaded")


def shape_mask(kind: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A filled shape (X, Y) of random place and size, and its centre (2,) in pixels."""
    radius, centre = rng.uniform(6, 9), rng.uniform(10, SIDE - 10, 2)
    x, y = (axis - c for axis, c in zip(np.mgrid[:SIDE, :SIDE], centre, strict=True))
    if CLASSES[kind] == "disc":
        mask = x**2 + y**2 < radius**2
    elif CLASSES[kind] == "square":
        mask = np.maximum(np.abs(x), np.abs(y)) < 0.85 * radius
    else:
        mask = (y < 0.7 * radius) & (1.9 * np.abs(x) < y + radius)
    return mask.astype(np.float32), centre.astype(np.float32)


def shapes(count: int, domain: str = "plain", seed: int = 0) -> list[dict[str, Tensor]]:
    """Samples with ``image`` (1, X, Y) in [0, 1], ``target`` (the class) and ``centre`` (2,) in [0, 1].

    ``plain`` is bright on dark, ``inverted`` the other way round, ``shaded`` a faint shape under uneven light.
    """
    rng = np.random.default_rng([seed, DOMAINS.index(domain)])
    samples = []
    for index in range(count):
        kind = index % len(CLASSES)
        mask, centre = shape_mask(kind, rng)
        image = 0.1 + 0.8 * mask
        if domain == "inverted":
            image = 1 - image
        elif domain == "shaded":
            angle = rng.uniform(0, 2 * np.pi)
            x, y = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
            image = 0.45 + 0.2 * mask + 0.3 * (np.cos(angle) * x + np.sin(angle) * y)
        image = np.clip(image + 0.03 * rng.standard_normal(image.shape), 0, 1)
        samples.append(
            {
                "image": torch.as_tensor(image[None], dtype=torch.float32),
                "target": torch.tensor(kind),
                "centre": torch.as_tensor((centre + 0.5) / SIDE),
            }
        )
    return samples
