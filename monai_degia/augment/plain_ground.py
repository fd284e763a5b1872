"""What is plain background in an image: a wall, a table, a green screen, in uneven light."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["separate_ground"]

_DEGREE = 3  # of the polynomial that the light follows
_ROUNDS = 5
_STEP = 5
_GRID = 64
_OBJECT = 0.18  # flesh around the landmarks, as a share of the longer side of their box
_NEAR, _FAR = (2.0, 0.03), (5.0, 0.09)  # multiples of the spread, and levels: all ground, and none of it
_MIXED = 0.015  # how far beside the line between ground and object a mixture of the two may lie
_PLAIN = 0.04  # spread above which a background is not plain
_SEEN = 0.65  # least share of what lies around the object that must be ground
_LOST = 0.1  # greatest share of ground at the landmarks


def separate_ground(images: Tensor, points: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Tell a plain background from what is before it.

    A polynomial of third degree is fitted to each channel, to what is far from the landmarks or, without any, to the
    image's border, by least squares that forget what does not follow it. What differs from it in colour is object.

    Args:
        images: shape (B, C, X, Y), values in about [0, 1].
        points: landmarks on the object, shape (B, K, 2), pixels; NaN where one is missing.

    Returns:
        The background as if nothing stood before it, shape (B, C, X, Y); how much of each pixel is background, in
        [0, 1], shape (B, 1, X, Y); and which images have a plain background, shape (B,), bool. With landmarks, no image
        is among them that shows none of its landmarks, or more than a tenth of whose landmarks would be background. An
        image with NaN or infinite values is not among them; its other results mean nothing.

    """
    shape = list(images.shape[2:])
    basis, values = _polynomials(shape).to(images.device), images.flatten(2).float()
    border = _border(shape).to(values).expand(len(images), -1)
    around = border if points is None else _around(points.float(), shape)
    fit, spread = _fitted(values, basis, around)
    away = values - fit
    distance = away.square().mean(1).sqrt()
    low, high = (factor * spread[:, None] + level for factor, level in (_NEAR, _FAR))
    rise = ((distance - low) / (high - low)).clamp(0, 1)
    share = 1 - rise * rise * (3 - 2 * rise)
    seen = (share * around).sum(1) / around.sum(1).clamp_min(1)
    share = _at_edges(share.unflatten(1, shape), away.unflatten(2, shape), spread)
    plain = (spread < _PLAIN) & (seen > _SEEN)
    if points is not None:
        # Where no landmark is seen, nothing tells the object from the ground.
        plain &= _at(share.flatten(1), points.float(), shape).nan_to_num(1.0) < _LOST
    return fit.unflatten(2, shape).to(images), share[:, None].to(images), plain


def _at_edges(share: Tensor, away: Tensor, spread: Tensor) -> Tensor:
    """Raise the shares (B, X, Y) of pixels that mix ground and object: by how far they are on the way between the two.

    The object is the colour near by that is farthest from the ground. What does not lie on the line to it, such as a
    bright finger beside its own dark shade, is no mixture.
    """
    distance = away.square().mean(1, keepdim=True).sqrt()
    farthest = functional.max_pool2d(distance, 5, 1, 2, return_indices=True)[1].flatten(2)
    towards = away.flatten(2).gather(2, farthest.expand(-1, away.shape[1], -1)).view_as(away)
    way = ((away * towards).sum(1) / towards.square().sum(1).clamp_min(1e-9)).clamp(0, 1)
    beside = (away - way[:, None] * towards).square().mean(1).sqrt()
    mixed = (1 - (beside - spread[:, None, None]) / _MIXED).clamp(0, 1)
    ground_near = functional.max_pool2d(share[:, None], 3, 1, 1)[:, 0]
    return torch.where(ground_near > 0.5, share.maximum(mixed * (1 - way)), share)


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
    """1 for pixels that are far from all landmarks, shape (B, N)."""
    known = points.isfinite().all(-1, keepdim=True)
    low, high = points.where(known, torch.inf).amin(1), points.where(known, -torch.inf).amax(1)
    size = (high - low).amax(1).nan_to_num(0, 0, 0)
    # A coarse grid will do: the margin is many pixels wide where there are many.
    steps = [max(1, side // _GRID) for side in shape]
    axes = [torch.arange(0, side, step) for side, step in zip(shape, steps, strict=True)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).to(points)
    away = torch.cdist(grid.flatten(0, 1).expand(len(points), -1, -1), points.where(known, 0.0))
    far = away.where(known[:, None, :, 0], torch.inf).amin(-1) > _OBJECT * size[:, None]
    far = far.float().view(-1, 1, *grid.shape[:2])
    return functional.interpolate(far, size=shape, mode="nearest").flatten(1)


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
    """Mean share of ground at the landmarks that each image shows, shape (B,); NaN where it shows none."""
    last = torch.tensor(shape).to(points) - 1
    shown = points.isfinite().all(-1) & (points >= 0).all(-1) & (points <= last).all(-1)
    nearest = points.nan_to_num(0).round().clamp_min(0).minimum(last).long()
    found = share.gather(1, nearest[..., 0] * shape[1] + nearest[..., 1])
    return (found * shown).sum(1) / shown.sum(1)
