"""Smooth warps that carry the landmarks: geometry that no affine can follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from scipy.interpolate import RBFInterpolator
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from monai_degia.data.landmark_sets import landmark_names

__all__ = ["RandPoseWarpd", "RandSmoothWarpd", "follow_field", "warp_image"]

_MAX_GRADIENT = 0.7  # below 1 the warp is one to one, and the fixed point iteration contracts by this factor
_GRID = 16
_BORDER = np.array([(i / 4, j / 4) for i in range(5) for j in range(5) if i % 4 == 0 or j % 4 == 0])
#: How far each finger turns when the hand fans out, thumb to little finger.
FAN = np.array([-1.0, -0.6, -0.1, 0.4, 0.9])
_FINGERS = ("thumb", "index", "middle", "ring", "little")


def warp_image(image: Tensor, field: Tensor, padding_mode: str = "border") -> Tensor:
    """Pull an image through a displacement field: ``out[p] = image[p + field[p]]``, bilinear.

    Args:
        image: (C, X, Y).
        field: displacement (2, X, Y) in pixels, x then y.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.

    Returns:
        The warped image (C, X, Y).
    """
    axes = [torch.arange(side, dtype=field.dtype) for side in field.shape[1:]]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij")) + field
    return sample_image(image, points.permute(1, 2, 0), padding_mode)


def follow_field(points: Tensor, field: Tensor, tolerance: float = 1e-3, max_steps: int = 50) -> Tensor:
    """Where landmarks go when :func:`warp_image` pulls their image: the q with ``q + field(q) = p``.

    Args:
        points: (K, 2) in pixels.
        field: displacement (2, X, Y) in pixels with gradient norm below 1.
        tolerance: largest step in pixels at which the iteration stops.
        max_steps: iterations at most.

    Returns:
        Moved points (K, 2) in pixels.
    """
    moved = points
    for _ in range(max_steps):
        last, moved = moved, points - sample_image(field, moved[None], "border")[:, 0].T
        if (moved - last).abs().max() < tolerance:
            break
    return moved


def sample_image(image: Tensor, points: Tensor, padding_mode: str = "border") -> Tensor:
    """Values (C, A, B) of an image (C, X, Y) at points (A, B, 2) in pixels, bilinear."""
    unit = (2 * points + 1) / points.new_tensor(image.shape[1:]) - 1
    # grid_sample names the last axis first
    return grid_sample(image[None], unit[None].flip(-1), padding_mode=padding_mode, align_corners=False)[0]


def _dense_field(coarse: Tensor, shape: Sequence[int]) -> Tensor:
    """Upsample (2, g, g) to (2, X, Y) and shrink it until its gradient is bounded."""
    field = interpolate(coarse[None], size=tuple(shape), mode="bicubic", align_corners=True)[0]
    steps = [field.diff(dim=axis).square().sum(0).amax() for axis in (1, 2) if field.shape[axis] > 1]
    steepest = float(sum(steps)) ** 0.5  # bounds the Frobenius norm of the Jacobian anywhere
    return field * min(1.0, _MAX_GRADIENT / max(steepest, 1e-12))


def image_size(name: str, images: Mapping[Any, Any]) -> tuple[int, ...]:
    """The size (X, Y) that all images (C, X, Y) of a sample share; ``name`` asks for it.

    Raises:
        ValueError: if sizes differ.
    """
    shapes = {tuple(image.shape[1:]) for image in images.values()}
    if len(shapes) != 1:
        raise ValueError(f"{name} needs images of one size, got {sorted(shapes)} in {list(images)}.")
    return shapes.pop()


class RandWarpd(RandomizableTransform, MapTransform):
    """Draws a displacement field and applies it to images and their landmarks, in pixels of the image."""

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection,
        prob: float,
        padding_mode: str,
        allow_missing_keys: bool,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.landmark_keys = (landmark_keys,) if isinstance(landmark_keys, str) else tuple(landmark_keys)
        if padding_mode not in ("border", "zeros", "reflection"):
            raise ValueError(f"padding_mode must be border, zeros or reflection, got {padding_mode!r}.")
        self.padding_mode = padding_mode

    def field(self, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """Displacement (2, X, Y) in pixels of the last draw; arguments as for :meth:`draw_field`."""
        raise NotImplementedError

    def draw_field(self, shape: Sequence[int], points: Tensor | None) -> Tensor | None:
        """A new draw.

        Args:
            shape: image size (X, Y) in pixels.
            points: landmarks (K, 2) in its pixels; the smooth warp does without.

        Returns:
            Displacement (2, X, Y) in pixels, or ``None`` if the draw was not to warp.
        """
        self.randomize(None)
        return self.field(shape, points) if self._do_transform else None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw, then warp or not."""
        d = dict(data)
        images = list(self.key_iterator(d))
        shape = image_size(type(self).__name__, {key: d[key] for key in images})
        present = [k for k in self.landmark_keys if k in d or not self.allow_missing_keys]
        points = {key: convert_to_tensor(d[key], dtype=torch.float32, track_meta=False) for key in present}
        field = self.draw_field(shape, next(iter(points.values()), None))
        if field is None:
            return d
        for key in images:
            image = convert_to_tensor(d[key], dtype=torch.float32, track_meta=False)
            d[key] = convert_to_dst_type(warp_image(image, field, self.padding_mode), d[key])[0]
        for key in present:
            d[key] = follow_field(points[key], field)
        return d


class RandSmoothWarpd(RandWarpd):
    """Smooth random displacement of the image; landmarks follow exactly.

    MONAI's affine does not know of it: it goes after ``LandmarksToImaged``, cannot be undone, and is for training only.

    Args:
        keys: images (C, X, Y) of one size.
        landmark_keys: landmarks (K, 2) in pixels of the image.
        prob: probability of warping.
        magnitude: largest displacement of a control point, as a fraction of the image side.
        grid: control points along each axis.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if ``magnitude`` is negative, ``grid`` below 2, or the padding unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        prob: float = 0.5,
        magnitude: float = 0.06,
        grid: int = 4,
        padding_mode: str = "border",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, landmark_keys, prob, padding_mode, allow_missing_keys)
        if not magnitude >= 0 or grid < 2:
            raise ValueError(f"Need magnitude >= 0 and grid >= 2, got {magnitude} and {grid}.")
        self.magnitude, self.grid, self.control = magnitude, grid, np.zeros((2, grid, grid))

    def randomize(self, data: Any = None) -> None:
        """Draw whether to warp, and the displacements of the control points."""
        super().randomize(None)
        self.control = self.R.uniform(-1, 1, (2, self.grid, self.grid))

    def field(self, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """See :meth:`RandWarpd.field`."""
        pixels = self.magnitude * np.array(shape, dtype=np.float64)[:, None, None]
        return _dense_field(torch.as_tensor(self.control * pixels, dtype=torch.float32), shape)


class RandPoseWarpd(RandWarpd):
    """Another pose and other proportions of a hand: fingers spread or close, and grow or shrink.

    Each finger turns about its first named joint and is scaled from there. The fingers fan out together, with a
    little of their own, as they do in life: neighbours that turn against each other would tear the image. What lies
    between the landmarks follows a thin plate spline that rests at the image's border. Where fingers touch or
    overlap, the motion shrinks until the warp is one to one. Not tracked by MONAI; see :class:`RandSmoothWarpd`.

    Args:
        keys: images (C, X, Y) of one size.
        landmark_keys: landmarks (K, 2) in pixels of the image; the first key defines the hand.
        names: a landmark set or the K names; a finger needs two joints named ``<finger>_<joint>``.
        prob: probability of warping.
        max_spread_degrees: largest turn of a finger.
        max_stretch: largest change of a finger's length, as a fraction of it, below 1.
        padding_mode: ``border``, ``zeros`` or ``reflection`` beyond the edge.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if the names hold no finger, or an option is out of range; on call, if the landmarks are not (K, 2).

    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection = "landmarks",
        names: str | Sequence[str] = "hand21",
        prob: float = 0.5,
        max_spread_degrees: float = 15.0,
        max_stretch: float = 0.3,
        padding_mode: str = "border",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, landmark_keys, prob, padding_mode, allow_missing_keys)
        self.names = landmark_names(names)
        joints = [[i for i, n in enumerate(self.names) if n.startswith(f"{finger}_")] for finger in _FINGERS]
        self.fingers = [(order, indices) for order, indices in enumerate(joints) if len(indices) > 1]
        if not self.fingers:
            raise ValueError(f"RandPoseWarpd finds no finger with two joints among {', '.join(self.names[:6])}, ...")
        if not (0 <= max_spread_degrees <= 90 and 0 <= max_stretch < 1):
            raise ValueError(
                f"Need 0 <= max_spread_degrees <= 90 and 0 <= max_stretch < 1, got {max_spread_degrees}, {max_stretch}."
            )
        self.max_spread, self.max_stretch = np.deg2rad(max_spread_degrees), max_stretch
        self.angles, self.scales = np.zeros(5), np.ones(5)

    def randomize(self, data: Any = None) -> None:
        """Draw whether to warp, and each finger's turn and scale."""
        super().randomize(None)
        fan = FAN * self.R.uniform(-1, 1)
        self.angles = self.max_spread * np.clip(0.8 * fan + 0.2 * self.R.uniform(-1, 1, 5), -1, 1)
        common, own = self.R.uniform(-1, 1), self.R.uniform(-1, 1, 5)
        self.scales = 1 + self.max_stretch * (0.7 * common + 0.3 * own)

    def _targets(self, points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        moved = points.copy()
        for order, indices in self.fingers:
            pivot, (cos, sin) = points[indices[0]], (np.cos(self.angles[order]), np.sin(self.angles[order]))
            moved[indices] = pivot + self.scales[order] * (points[indices] - pivot) @ np.array(
                [[cos, sin], [-sin, cos]]
            )
        low, high = np.minimum(points, 0), np.maximum(points, np.array(shape) - 1)
        for share in (1.0, 0.75, 0.5, 0.25):
            targets = points + share * (moved - points)
            if ((targets >= low) & (targets <= high)).all():
                return targets
        return points

    def field(self, shape: Sequence[int], points: Tensor | None) -> Tensor:
        """See :meth:`RandWarpd.field`."""
        if points is None or tuple(points.shape) != (len(self.names), 2):
            found = None if points is None else tuple(points.shape)
            raise ValueError(f"RandPoseWarpd needs landmarks of shape ({len(self.names)}, 2), got {found}.")
        source, size = points.numpy().astype(np.float64), np.array(shape, dtype=np.float64)
        targets = self._targets(source, shape)
        knots = np.concatenate([(targets + 0.5) / size, _BORDER])
        values = np.concatenate([source - targets, np.zeros((len(_BORDER), 2))])
        # the smoothing keeps the spline defined where landmarks coincide
        spline = RBFInterpolator(knots, values, kernel="thin_plate_spline", smoothing=1e-4)
        nodes = np.stack(np.meshgrid(*[(np.linspace(0, s - 1, _GRID) + 0.5) / s for s in shape], indexing="ij"), -1)
        coarse = spline(nodes.reshape(-1, 2)).T.reshape(2, _GRID, _GRID)
        return _dense_field(torch.as_tensor(coarse, dtype=torch.float32), shape)


RandSmoothWarpD = RandSmoothWarpDict = RandSmoothWarpd
RandPoseWarpD = RandPoseWarpDict = RandPoseWarpd
