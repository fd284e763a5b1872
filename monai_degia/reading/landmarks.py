"""Landmarks between the pixels of a file, the world, the pixels of the network's image, and [0, 1]."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Flip, LazyTransform, MapTransform, RandomizableTransform
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, flip_permutation
from monai_degia.errors import UserError
from monai_degia.reading.tracked import affine_of_dims, map_points, tracked_affine, tracked_shape
from monai_degia.reading.upright import MIRRORED, is_mirrored

__all__ = ["DenormalizeLandmarksd", "FlipMarkedd", "LandmarksToImaged", "LandmarksToWorldd", "NormalizeLandmarksd"]
__all__ += ["RandFlipLandmarksd", "denormalize_landmarks", "landmarks_to_original", "normalize_landmarks"]


def normalize_landmarks(points: Tensor | np.ndarray, spatial_shape: Sequence[int]) -> Tensor:
    """Pixels to fractions of the image side, u = (x + 0.5) / size: the edges of the image are 0 and 1.

    Args:
        points: pixel coordinates (..., n), integers at pixel centres, in the order of the image axes; n is 2, or 3 in a
            volume. NaN stays NaN.
        spatial_shape: image size (X, Y) in pixels, or (X, Y, Z) in voxels.

    Returns:
        Float coordinates (..., n), in [0, 1] for points inside the image.

    Raises:
        ValueError: if the size is not two or three positive numbers, or the points have another number of coordinates.

    """
    points, size = _points_and_size(points, spatial_shape)
    return (points + 0.5) / size


def denormalize_landmarks(points: Tensor | np.ndarray, spatial_shape: Sequence[int]) -> Tensor:
    """Fractions of the image side to pixels, x = u * size - 0.5; undoes :func:`normalize_landmarks`.

    Args:
        points: normalised coordinates (..., n).
        spatial_shape: image size (X, Y) in pixels, or (X, Y, Z) in voxels.

    Returns:
        Pixel coordinates (..., n).

    Raises:
        ValueError: as :func:`normalize_landmarks`.
    """
    points, size = _points_and_size(points, spatial_shape)
    return points * size - 0.5


def _points_and_size(points: Tensor | np.ndarray, spatial_shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    tensor = convert_to_tensor(points, track_meta=False)
    tensor = tensor if tensor.is_floating_point() else tensor.float()
    if len(spatial_shape) not in (2, 3) or min(spatial_shape) < 1:
        raise UserError(
            f"spatial_shape must be two positive numbers (X, Y), or three (X, Y, Z), got {tuple(spatial_shape)}."
        )
    if tensor.shape[-1:] != (len(spatial_shape),):
        raise UserError(f"Landmarks must be of shape (..., {len(spatial_shape)}), got {tuple(tensor.shape)}.")
    return tensor, tensor.new_tensor([float(side) for side in spatial_shape])


def landmarks_to_original(points: Tensor | np.ndarray, image: Tensor, names: Landmarks | None = None) -> Tensor:
    """Carry predictions from the pixels of the network's image to those of the file.

    Args:
        points: pixel coordinates (K, n) in ``image``.
        image: the transformed image (C, X, Y), or volume (C, X, Y, Z), as MONAI tracks it, with its affine and
            ``original_affine``.
        names: see :func:`monai_degia.landmark_set`; needed only where left and right are told apart: if the image was
            mirrored an odd number of times, they are exchanged back. In a volume only :class:`FlipMarkedd` and
            :class:`RandFlipLandmarksd` mirror: another order or direction of the axes changes nothing in the body.

    Returns:
        Float32 pixel coordinates (K, n) in the file.

    Raises:
        ValueError: if the image does not know its original affine, or the points are not (K, n).

    """
    if not isinstance(image, MetaTensor) or "original_affine" not in image.meta:
        raise UserError(
            "landmarks_to_original needs an image with a tracked original_affine, got "
            f"{type(image).__name__}. Load it with LoadAnyImaged."
        )
    now, then = tracked_affine(image), affine_of_dims(image.meta["original_affine"], image.ndim - 1)
    moved = map_points(map_points(points, now), then, to_image=True).float()
    if names is None:
        return moved
    return moved[flip_permutation(names)] if is_mirrored(image) else moved


class _LandmarkTransformd(MapTransform):
    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Transform the landmarks of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            if self.image_key not in d:
                raise UserError(f"{type(self).__name__} needs the image {self.image_key!r}; keys: {list(d)}.")
            d[key] = self._move(d[key], d[self.image_key])
        return d

    def _move(self, points: Any, image: Tensor) -> Tensor:
        raise NotImplementedError

    def _affine(self, image: Tensor) -> Tensor:
        if isinstance(image, MetaTensor):
            return tracked_affine(image)
        raise UserError(f"{type(self).__name__} needs {self.image_key!r} with an affine: use LoadAnyImaged first.")


class NormalizeLandmarksd(_LandmarkTransformd):
    """Dictionary version of :func:`normalize_landmarks`; the size is that of ``image_key``."""

    def _move(self, points: Any, image: Tensor) -> Tensor:
        return normalize_landmarks(points, tracked_shape(image)).float()


class DenormalizeLandmarksd(_LandmarkTransformd):
    """Dictionary version of :func:`denormalize_landmarks`; the size is that of ``image_key``."""

    def _move(self, points: Any, image: Tensor) -> Tensor:
        return denormalize_landmarks(points, tracked_shape(image)).float()


class LandmarksToWorldd(_LandmarkTransformd):
    """Pixels of ``image_key`` to world coordinates, (K, n) to float32 (K, n); n is 3 in a volume.

    An image to which MONAI's lazy transforms have yet to be applied counts as what they will make of it.

    Args:
        keys: landmarks.
        image_key: their image.
        of_file: the landmarks count pixels of the file, as those of a data list do, not those of the image as it is
            now, which may have been read at a fraction of its size.
        allow_missing_keys: do not fail if a key is missing.

    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        of_file: bool = False,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, image_key, allow_missing_keys)
        self.of_file = of_file

    def _move(self, points: Any, image: Tensor) -> Tensor:
        affine = self._affine(image)
        if self.of_file:
            affine = affine_of_dims(image.meta.get("original_affine", affine), image.ndim - 1)  # type: ignore[attr-defined]
        return map_points(points, affine).float()


class LandmarksToImaged(_LandmarkTransformd):
    """World coordinates to pixels of ``image_key``, (K, n) to float32 (K, n); goes after all tracked transforms.

    An image to which MONAI's lazy transforms have yet to be applied counts as what they will make of it.
    """

    def _move(self, points: Any, image: Tensor) -> Tensor:
        return map_points(points, self._affine(image), to_image=True).float()


class FlipMarkedd(MapTransform, LazyTransform):
    """Mirror the images of the samples that are marked, such as right hands among left ones.

    The image's affine follows, so landmarks must be in world coordinates (between ``LandmarksToWorldd`` and
    ``LandmarksToImaged``); only their order changes here, where names have a side. ``mirrored_by_flip`` in the meta
    data of the image tells that it was done.

    Args:
        keys: images (C, X, Y) or volumes (C, X, Y, Z).
        flag_key: boolean of the sample; a sample without it is not mirrored. ``"auto"`` mirrors an image whose meta
            data have a ``thumb_side`` of ``left``, as those of DICOM hands may.
        spatial_axis: axis to reverse, 0 is x; in a volume the one that runs from side to side.
        landmark_keys: landmarks (K, n) whose left and right change places.
        names: see :func:`monai_degia.landmark_set`; required with ``landmark_keys``.
        allow_missing_keys: do not fail if an image or landmarks are missing.
        lazy: as of MONAI's transforms: note the flip, and leave it to one resampling with others.

    Raises:
        ValueError: if ``landmark_keys`` comes without names; on call, if a name lacks its partner.

    """

    def __init__(
        self,
        keys: KeysCollection,
        flag_key: str = "mirror",
        spatial_axis: int = 0,
        landmark_keys: KeysCollection = (),
        names: Landmarks | None = None,
        allow_missing_keys: bool = False,
        lazy: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        LazyTransform.__init__(self, lazy)
        self.flag_key, self.flip = flag_key, Flip(spatial_axis)
        self.landmark_keys = (landmark_keys,) if isinstance(landmark_keys, str) else tuple(landmark_keys)
        if self.landmark_keys and names is None:
            raise UserError(f"Mirroring landmarks {self.landmark_keys} needs their names, got None. Pass names=...")
        self.names = names

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        """Mirror if the flag is set."""
        flag = data.get(self.flag_key, False)
        if isinstance(flag, str) and flag == "auto":
            flag = any(
                getattr(data[key], "meta", {}).get("thumb_side") == "left" for key in self.key_iterator(dict(data))
            )
        return self.mirror(data, lazy) if flag else dict(data)

    def mirror(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        """Mirror, whatever the flag."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.flip(d[key], lazy=self.lazy if lazy is None else lazy)
            if isinstance(d[key], MetaTensor):
                d[key].meta = {**d[key].meta, MIRRORED: not d[key].meta.get(MIRRORED, False)}
        # A name without its partner is no error until something is mirrored.
        order = flip_permutation(self.names) if self.names is not None else []
        for key in (k for k in self.landmark_keys if k in d or not self.allow_missing_keys):
            if len(d[key]) != len(order):
                raise UserError(f"{key!r} has {len(d[key])} landmarks, but {len(order)} names were given.")
            d[key] = d[key][order]
        return d


class RandFlipLandmarksd(RandomizableTransform, MapTransform, LazyTransform):
    """Random mirroring that keeps left and right true; see :class:`FlipMarkedd` for where it goes.

    Args:
        keys: images (C, X, Y) or volumes (C, X, Y, Z).
        landmark_keys: landmarks (K, n) in world coordinates.
        names: see :func:`monai_degia.landmark_set`.
        prob: probability of mirroring.
        spatial_axis: axis to reverse, 0 is x.
        allow_missing_keys: do not fail if a key is missing.
        lazy: see :class:`FlipMarkedd`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        landmark_keys: KeysCollection,
        names: Landmarks,
        prob: float = 0.5,
        spatial_axis: int = 0,
        allow_missing_keys: bool = False,
        lazy: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        LazyTransform.__init__(self, lazy)
        self.flipper = FlipMarkedd(
            keys,
            spatial_axis=spatial_axis,
            landmark_keys=landmark_keys,
            names=names,
            allow_missing_keys=allow_missing_keys,
        )

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        """Draw, then mirror or not."""
        self.randomize(None)
        return self.flipper.mirror(data, self.lazy if lazy is None else lazy) if self._do_transform else dict(data)
