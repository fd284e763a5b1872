"""Random geometry in one resampling: an affine map and warps, which the landmarks follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandAffineGrid, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.transforms.prolongation import RandProlongation
from monai_degia.transforms.warp import RandWarpd, follow_field, image_size, sample_image

__all__ = ["RandGeometryd"]


class RandGeometryd(RandomizableTransform, MapTransform):
    """An affine map, then warps, as a chain of transforms would do them, but with one interpolation.

    The chain interpolates once a transform, which blurs; this takes half of its time (docs/benchmarks/geometry.py). The
    ranges are those of ``monai.transforms.RandAffine``, whose grid draws them. MONAI's affine does not know of it: it
    goes after ``LandmarksToImaged``, cannot be undone, and is for training only.

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
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if the zoom is no range of positive numbers; on call, if images differ in size.

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
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.landmark_keys = (landmark_keys,) if isinstance(landmark_keys, str) else tuple(landmark_keys)
        self.affine = RandAffineGrid(rotate_range, shear_range, translate_range, scale_range, lazy=True)
        low, high = zoom_range or (1.0, 1.0)
        if not 0 < low <= high:
            raise ValueError(f"zoom_range must be two positive numbers, the smaller first, got {zoom_range}.")
        self.zoom_range = (low, high)
        self.warps, self.padding_mode, self.prolongation = list(warps), padding_mode, prolongation

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandGeometryd:
        """Seed the affine map, the warps and the prolongation."""
        super().set_random_state(seed, state)
        for part in (self.affine, *self.warps, *([self.prolongation] if self.prolongation else [])):
            part.set_random_state(seed=int(self.R.randint(np.iinfo(np.int32).max)))
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then move images and landmarks."""
        self.randomize(None)
        d = dict(data)
        images = list(self.key_iterator(d))
        shape = image_size(type(self).__name__, {key: d[key] for key in images})
        present = [key for key in self.landmark_keys if key in d or not self.allow_missing_keys]
        points = {key: convert_to_tensor(d[key], dtype=torch.float32, track_meta=False) for key in present}
        cut = next(iter(points.values()), None)
        matrix, shift = self._draw_affine(shape)
        points = {key: torch.linalg.solve(matrix, (value - shift).T).T for key, value in points.items()}
        fields = []
        for warp in self.warps:
            field = warp.draw_field(shape, next(iter(points.values()), None))
            if field is not None:
                points = {key: follow_field(value, field) for key, value in points.items()}
                fields.append(field)
        grid = self._pull(shape, fields) @ matrix.T + shift
        if self.prolongation is not None:
            grid = self.prolongation(grid, shape, cut)
        for key in images:
            image = convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)
            d[key] = convert_to_dst_type(sample_image(image, grid, self.padding_mode), d[key])[0]
        return {**d, **points}

    def _draw_affine(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Matrix A and shift b such that ``out[p] = image[A p + b]``; MONAI's matrix is about the centre."""
        if not self._do_transform:
            return torch.eye(2), torch.zeros(2)
        self.affine(spatial_size=shape)
        homogeneous = convert_to_tensor(self.affine.get_transformation_matrix(), dtype=torch.float32, track_meta=False)
        centre = (torch.tensor(shape, dtype=torch.float32) - 1) / 2
        low, high = self.zoom_range
        zoom = low * (high / low) ** self.R.uniform() if high > low else low
        matrix = zoom * homogeneous[:2, :2]
        return matrix, zoom * homogeneous[:2, 2] + centre - matrix @ centre

    @staticmethod
    def _pull(shape: Sequence[int], fields: Sequence[Tensor]) -> Tensor:
        """Where the warps, the last one first, fetch each pixel from: (X, Y, 2)."""
        axes = [torch.arange(side, dtype=torch.float32) for side in shape]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        for field in reversed(fields):
            grid = grid + sample_image(field, grid).permute(1, 2, 0)
        return grid


RandGeometryD = RandGeometryDict = RandGeometryd
