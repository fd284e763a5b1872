"""Random geometry in one resampling: an affine map and warps, which the landmarks follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.drawn import RandDrawnd
from monai_degia.augment.prolongation import RandProlongation
from monai_degia.augment.random_affine import AffineRanges
from monai_degia.augment.resampling import follow_fields, image_size, pixel_grid, sample_images
from monai_degia.augment.warp import RandWarpd
from monai_degia.errors import UserError

__all__ = ["RandGeometryd"]


class RandGeometryd(RandDrawnd):
    """An affine map, then warps, as a chain of transforms would do them, but with one interpolation.

    The chain interpolates once a transform, which blurs. On a batch at once (:meth:`apply_batch`, which
    :class:`monai_degia.PrepareAugmentedBatch` calls in training) it takes a fraction of the time that it takes on the
    samples one by one (docs/benchmarks/geometry.py). The ranges are those of ``monai.transforms.RandAffine``. MONAI's
    affine does not know of it: it goes after ``LandmarksToImaged``, cannot be undone, and is for training only.

    Args:
        keys: images (C, X, Y) of one size.
        landmark_keys: landmarks (K, 2) in pixels of the image; the first key is the one that warps go by.
        prob: probability of the affine map; each warp has its own.
        rotate_range: radians, see ``monai.transforms.RandAffine``.
        shear_range: shear factors.
        translate_range: pixels.
        scale_range: changes of scale about 1, an axis at a time.
        zoom_range: least and greatest share of the scene that is shown, for both axes alike and evenly on a logarithmic
            scale; 2 makes everything half as large, and the moves of ``translate_range`` are of what is then seen.
        warps: applied in this order after the affine map; their keys and padding have no effect here.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.
        prolongation: draws how what the edge cuts off goes on; default: as ``padding_mode`` says.
        flip_prob: probability of reversing x before anything else, whatever ``prob``; landmarks keep their names. For
            objects with a left and a right one, of which a photograph may show either.
        allow_missing_keys: do not fail if a key is missing.

    Attributes:
        num_draws: random numbers that a sample takes.
        draws: those of the last sample, numbers in [0, 1).

    Raises:
        ValueError: if a range is none, see :class:`AffineRanges`, or ``flip_prob`` is out of range; on call, if images
            differ in size.

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        prob: float = 0.9,
        rotate_range: Sequence[Any] | float | None = None,
        shear_range: Sequence[Any] | float | None = None,
        translate_range: Sequence[Any] | float | None = None,
        scale_range: Sequence[Any] | float | None = None,
        zoom_range: tuple[float, float] | None = None,
        warps: Sequence[RandWarpd] = (),
        padding_mode: str = "border",
        prolongation: RandProlongation | None = None,
        flip_prob: float = 0.0,
        allow_missing_keys: bool = False,
    ) -> None:
        if not 0 <= flip_prob <= 1:
            raise UserError(f"flip_prob must lie in [0, 1], got {flip_prob}.")
        super().__init__(keys, landmark_keys, prob, allow_missing_keys)
        self.affine = AffineRanges(rotate_range, shear_range, translate_range, scale_range, zoom_range)
        self.warps, self.padding_mode, self.prolongation = list(warps), padding_mode, prolongation
        self._widths = [1, self.affine.num_draws, *(warp.num_draws for warp in self.warps)]
        self._widths += [prolongation.num_draws] if prolongation else []
        # Its number comes last, so that those of the other moves are the same with it and without.
        self.flip_prob = flip_prob
        self._widths += [1] if flip_prob else []
        self.num_draws = sum(self._widths)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then move images and landmarks of one sample."""
        self.randomize(None)
        present = [key for key in (*self.keys, *self.landmark_keys) if key in data or not self.allow_missing_keys]
        one = {key: convert_to_tensor(data[key], dtype=torch.float32, track_meta=False)[None] for key in present}
        moved = {key: value[0] for key, value in self.apply_batch(one, torch.as_tensor(self.draws)[None]).items()}
        images = {key: convert_to_dst_type(moved[key], data[key])[0] for key in self.keys if key in moved}
        return {**data, **moved, **images}

    def apply_batch(self, batch: Mapping[Hashable, Any], draws: Tensor) -> dict[Hashable, Any]:
        """Move images and landmarks of a batch, each sample by random numbers of its own.

        Args:
            batch: images (B, C, X, Y) and landmarks (B, K, 2) in their pixels, plain float32 tensors on one device.
            draws: numbers in [0, 1), shape (B, num_draws), float64, on the CPU.

        Returns:
            The batch with other images and landmarks; everything else is kept.

        """
        images = {key: batch[key] for key in self.key_iterator(dict(batch))}
        shape = image_size(type(self).__name__, images, batched=True)
        present = [key for key in self.landmark_keys if key in batch or not self.allow_missing_keys]
        points = {key: batch[key] for key in present}
        cut, first = next(iter(points.values()), None), next(iter(images.values()))
        affine, mapped, *parts = draws.split(self._widths, 1)
        flip = parts.pop()[:, 0] < self.flip_prob if self.flip_prob else torch.zeros(len(draws), dtype=torch.bool)
        matrix, shift = (part.to(first) for part in self._maps(affine[:, 0], mapped, flip, shape))
        back = torch.linalg.inv(matrix).mT
        points = {key: (value - shift[:, None]) @ back for key, value in points.items()}
        fields = []
        for warp, part in zip(self.warps, parts, strict=False):
            chosen = warp.chosen(part)
            if len(chosen) > 0:
                part, chosen = part[chosen], chosen.to(first.device)
                own = {key: value[chosen] for key, value in points.items()}
                field = warp.fields(part, shape, next(iter(own.values()), None)).to(first)
                points = {key: points[key].index_copy(0, chosen, follow_fields(own[key], field)) for key in points}
                fields.append((chosen, field))
        grid = self._pull(first, shape, fields).flatten(1, 2) @ matrix.mT + shift[:, None]
        grid = grid.unflatten(1, shape)
        if self.prolongation is not None:
            grid = self.prolongation.apply_batch(grid, shape, cut, parts[-1])
        moved = {key: sample_images(image, grid, self.padding_mode) for key, image in images.items()}
        return {**batch, **moved, **points}

    def _maps(self, affine: Tensor, draws: Tensor, flip: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Matrices A and shifts b such that ``out[p] = image[A p + b]``, the identity where nothing was drawn."""
        matrix, shift = self.affine.maps(draws, shape)
        drawn = affine < self.prob
        matrix = torch.where(drawn[:, None, None], matrix, torch.eye(2).to(matrix))
        shift = torch.where(drawn[:, None], shift, 0)
        # What is fetched from x of the flipped image lies at side - 1 - x of the image.
        matrix[flip, 0] *= -1
        shift[flip, 0] = shape[0] - 1 - shift[flip, 0]
        return matrix, shift

    @staticmethod
    def _pull(like: Tensor, shape: Sequence[int], fields: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Where the warps, the last one first, fetch each pixel from: (B, X, Y, 2)."""
        grid = pixel_grid(shape, like).repeat(len(like), 1, 1, 1)
        for number, (chosen, field) in enumerate(reversed(fields)):
            at = grid[chosen]
            # The last warp is evaluated at the pixels themselves, where nothing needs to be interpolated.
            grid[chosen] = at + (sample_images(field, at) if number else field).movedim(1, -1)
        return grid
