"""What is plain background in an image: a wall, a table, a green screen, in uneven light."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["separate_ground"]

_DEGREE = 3  # of the polynomial that the light follows
_ROUNDS = 5
_STEP = 5
_OBJECT = 0.18  # flesh around the landmarks, as a share of the longer side of their box
_NEAR, _FAR = (2.0, 0.03), (5.0, 0.09)  # multiples of the spread, and levels: all ground, and none of it
_PLAIN = 0.04  # spread above which a background is not plain
_SEEN = 0.65  # least share of what lies around the object that must be ground
_LOST = 0.1  # greatest share of ground at the landmarks


def separate_ground(images: Tensor, points: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Tell a plain background from what is before it.

    A polynomial of third degree is fitted to each channel by least squares that forget what does not follow it, first
    to what is far from the landmarks, or to the image's border. What differs from it in colour is object.

    Args:
        images: shape (B, C, X, Y), values in [0, 1].
        points: landmarks on the object, shape (B, K, 2), pixels; NaN where one is missing.

    Returns:
        The background as if nothing stood before it, shape (B, C, X, Y); how much of each pixel is background, in
        [0, 1], shape (B, 1, X, Y); and which images have a plain background around an object, shape (B,), bool.

    """
    shape = list(images.shape[2:])
    basis, values = _polynomials(shape).to(images.device), images.flatten(2).float()
    border = _border(shape).to(values).expand(len(images), -1)
    around = border if points is None else _around(points.float(), shape)
    fit, spread = _fitted(values, basis, around)
    distance = (values - fit).square().mean(1).sqrt()
    low, high = (factor * spread[:, None] + level for factor, level in (_NEAR, _FAR))
    rise = ((distance - low) / (high - low)).clamp(0, 1)
    share = 1 - rise * rise * (3 - 2 * rise)
    seen = (share * around).sum(1) / around.sum(1).clamp_min(1)
    plain = (spread < _PLAIN) & (seen > _SEEN)
    if points is not None:
        plain &= _at(share, points, shape) < _LOST
    matte = _at_edges(share.unflatten(1, shape), distance.unflatten(1, shape))
    return fit.unflatten(2, shape).to(images), matte[:, None].to(images), plain


def _at_edges(share: Tensor, distance: Tensor) -> Tensor:
    """Shares (B, X, Y), at an object's edge by how far a pixel is on the way from ground to object in colour."""
    object_near = functional.max_pool2d(distance[:, None], 5, 1, 2)[:, 0]
    ground_near = functional.max_pool2d(share[:, None], 3, 1, 1)[:, 0]
    return torch.where(ground_near > 0.5, share.maximum(1 - distance / object_near.clamp_min(1e-6)), share)


def _polynomials(shape: list[int]) -> Tensor:
    """Products of Legendre polynomials up to a degree, shape (terms, X * Y)."""
    axes = [torch.linspace(-1, 1, side) for side in shape]
    powers = [[torch.ones_like(a), a, 1.5 * a**2 - 0.5, 2.5 * a**3 - 1.5 * a] for a in axes]
    terms = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    return torch.stack([(powers[0][i][:, None] * powers[1][j]).flatten() for i, j in terms])


def _fitted(values: Tensor, basis: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
    """Polynomials (B, C, N) that values follow where they follow any, and the median distance (B,) from them there."""
    # Light is smooth: every fifth pixel tells as much as all.
    some, few, counted = values[..., ::_STEP], basis[:, ::_STEP], around[:, ::_STEP]
    weights, ridge = counted, 1e-3 * torch.eye(len(basis)).to(basis)
    for _ in range(_ROUNDS):
        weighted = few * weights[:, None]
        gram = weighted @ few.T + ridge * (weights.sum(1)[:, None, None] + 1)
        coefficients = torch.linalg.solve(gram, weighted @ some.transpose(1, 2)).transpose(1, 2)
        distance = (some - coefficients @ few).square().mean(1).sqrt()
        spread = _median(distance, counted)
        weights = counted / (1 + (distance / (2 * spread + 0.01)[:, None]) ** 2) ** 2
    return coefficients @ basis, spread


def _around(points: Tensor, shape: list[int]) -> Tensor:
    """1 for pixels that are far from all landmarks and from the lines between neighbours, shape (B, N)."""
    known = points.isfinite().all(-1)
    filled = torch.where(known[..., None], points, torch.zeros(()).to(points))
    infinite = torch.where(known, 0.0, float("inf"))
    low = torch.where(known[..., None], points, float("inf")).amin(1)
    high = torch.where(known[..., None], points, -float("inf")).amax(1)
    size = (high - low).amax(1).nan_to_num(0, 0, 0)
    x, y = torch.meshgrid(*(torch.arange(side, dtype=points.dtype) for side in shape), indexing="ij")
    pixels = torch.stack([x.flatten(), y.flatten()], -1).to(points)
    distance = (torch.cdist(pixels.expand(len(points), -1, -1), filled) + infinite[:, None]).amin(-1)
    return (distance > _OBJECT * size[:, None]).float()


def _border(shape: list[int]) -> Tensor:
    mask = torch.ones(shape)
    x, y = (max(1, side // 8) for side in shape)
    mask[x:-x, y:-y] = 0
    return mask.flatten()


def _median(distance: Tensor, around: Tensor) -> Tensor:
    """Median of each image's pixels that are around its object, shape (B,)."""
    hidden = torch.where(around > 0, distance, float("nan"))
    return hidden.nanmedian(1).values.nan_to_num(float("inf"))


def _at(share: Tensor, points: Tensor, shape: list[int]) -> Tensor:
    """Mean share of ground at the landmarks of each image, shape (B,)."""
    last = torch.tensor(shape).to(points) - 1
    known = points.isfinite().all(-1) & (points >= 0).all(-1) & (points <= last).all(-1)
    nearest = points.nan_to_num(0).round().clamp_min(0).minimum(last).long()
    found = share.gather(1, nearest[..., 0] * shape[1] + nearest[..., 1])
    return (found * known).sum(1) / known.sum(1).clamp_min(1)
