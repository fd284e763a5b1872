"""The one way in which an image file becomes a picture for the network."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Compose, MapTransform, SelectItemsd
from torch import Tensor

from monai_degia.data.lists.items import AUTO, MODALITIES
from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError
from monai_degia.reading.crop import CropBoxd
from monai_degia.reading.depth_encoding import DecodeDepthd
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.fit import FitToSized
from monai_degia.reading.guarded import GuardedCompose
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import (
    FlipMarkedd,
    LandmarksToImaged,
    LandmarksToWorldd,
    denormalize_landmarks,
    landmarks_to_original,
    normalize_landmarks,
)
from monai_degia.reading.modality import ScaleModalityd
from monai_degia.reading.picture import KeepPictured
from monai_degia.reading.spacing import PixelSpacingd
from monai_degia.reading.upright import TurnUprightd
from monai_degia.shifts.appearance import AppearanceShiftd
from monai_degia.shifts.framing import Reframed
from monai_degia.shifts.pose import PoseShiftd

__all__ = ["LandmarkPreprocessing", "reading_steps"]

_LABELLED = ("image", "landmarks", "class", "domain", "spacing")
_UNLABELLED = ("image", "spacing", "modality", "picture", "picture_affine")
_READ_SCALE = 4  # sides of the network's image that a JPEG may be decoded at


class LandmarkPreprocessing(GuardedCompose):
    """Read an image file, turn it upright, scale its values to [0, 1], and fit it into the network's picture.

    Training, evaluation and inference use this one chain, so the same file with the same options gives the same tensor
    in all of them. It is a MONAI ``Compose`` over items of a data list; fields that an item does not have change
    nothing. An item has an ``image``, a path or an array, and optionally ``modality``, ``mirror``, ``spacing`` of the
    file in mm, ``crop_box``, ``depth_encoding`` and ``depth_window_mm``; with landmarks also ``framing``, ``pose`` and
    ``shift``, which validation uses.

    What comes out: ``image`` (C, X, Y) in [0, 1] with the meta data of :class:`FileGeometryd`; ``spacing`` of that
    image in mm, NaN where unknown (the file's own is ``file_spacing`` in the meta data); and, with landmarks, these in
    its pixels, else the ``modality`` that was found.

    Args:
        image_size: (X, Y) of the picture in pixels.
        in_channels: 1 or 3.
        landmarks: see :func:`monai_degia.landmark_set`, for labelled items; ``None`` for images alone.
        network_size: (X, Y) of the network's images, where the picture is larger; JPEG is decoded at four times that.
        modality: of items that do not say: ``photo``, ``depth``, ``xray`` or ``auto``.
        mirror: of items that do not say: ``True``, ``False`` or ``auto``, see :class:`FlipMarkedd`; a set of landmarks
            that is not ``sided`` takes ``auto`` for ``False``.
        picture_side: longer side of a picture to look at, see :class:`KeepPictured`; 0 for none. The file is then
            decoded at no less than that, so the network's picture differs by what decoding at another scale does.
        guarded: see :class:`GuardedCompose`; else an image that cannot be read is an error.
        max_pixels: of an image that is decoded, see :class:`LoadAnyImaged`.
        max_inflated_bytes: see :class:`LoadAnyImaged`.
        presentation_lut: see :class:`monai_degia.XRayReader`.

    Raises:
        ValueError: if an option is out of range; on call, if an image cannot be used and it is not guarded.

    Example:
        >>> LandmarkPreprocessing((32, 32))({"image": np.zeros((40, 60, 3), dtype=np.uint8)})["image"].shape
        torch.Size([3, 32, 32])

    """

    def __init__(
        self,
        image_size: Sequence[int],
        in_channels: int = 3,
        landmarks: Landmarks | None = None,
        network_size: Sequence[int] | None = None,
        modality: str = "auto",
        mirror: str | bool = "auto",
        picture_side: int = 0,
        guarded: bool = False,
        max_pixels: int | None = None,
        max_inflated_bytes: int | None = None,
        presentation_lut: bool = True,
    ) -> None:
        if len(image_size) != 2:
            raise UserError(
                f"LandmarkPreprocessing makes pictures of a size (X, Y), got {tuple(image_size)}. For volumes compose "
                "MONAI's LoadImaged with LandmarksToWorldd, LandmarksToImaged and FileGeometryd."
            )
        if modality not in (*MODALITIES, AUTO):
            raise UserError(f"modality must be one of {', '.join(MODALITIES)}, or auto, got {modality!r}.")
        how = {"max_pixels": max_pixels, "max_inflated_bytes": max_inflated_bytes, "presentation_lut": presentation_lut}
        min_side = max(_READ_SCALE * max(network_size or image_size), picture_side)
        labelled = landmarks is not None
        sided = landmarks is None or landmark_set(landmarks).sided
        steps: list[Callable[..., Any]] = [
            SetDefaultsd("image", {"modality": modality, "mirror": mirror if sided else mirror is True}),
            *reading_steps(min_side, labelled, **how),
            *([KeepPictured("image", picture_side)] if picture_side else []),
            FlipMarkedd("image", landmark_keys="landmarks" if labelled else (), names=landmarks),
            *([Reframed("image")] if labelled else []),
            FitToSized("image", image_size, in_channels),
        ]
        if landmarks is not None:
            steps += [LandmarksToImaged("landmarks"), PoseShiftd("image", landmarks), AppearanceShiftd("image")]
        kept = _LABELLED if labelled else _UNLABELLED
        steps += [FileGeometryd("image"), PixelSpacingd("image"), SelectItemsd(kept, allow_missing_keys=True)]
        super().__init__(steps, image_size, in_channels)
        self.guarded = guarded

    def __call__(self, input_: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Transform one item, or a part of the way if MONAI's ``start`` and ``end`` say so."""
        if self.guarded:
            return super().__call__(input_, *args, **kwargs)
        return Compose.__call__(self, input_, *args, **kwargs)

    @staticmethod
    def to_file(points: Tensor, image: MetaTensor, names: Landmarks | None = None) -> Tensor:
        """Normalised landmarks (K, 2) of a picture that came out of here, in pixels of its file, (K, 2).

        Args:
            points: 0 and 1 are the edges of the picture.
            image: the picture (C, X, Y) with its meta data.
            names: see :func:`monai_degia.landmarks_to_original`.

        """
        return landmarks_to_original(denormalize_landmarks(points, image.shape[1:]), image, names)

    @staticmethod
    def from_file(points: Tensor, image: MetaTensor) -> Tensor:
        """Landmarks (K, 2) in pixels of a file, normalised to a picture of it that came out of here; float32 (K, 2)."""
        then, now = (torch.as_tensor(image.meta[name], dtype=torch.float64) for name in ("original_affine", "affine"))
        step = torch.linalg.solve(now, then)
        moved = points.double() @ step[:2, :2].T + step[:2, 3]
        return normalize_landmarks(moved, image.shape[1:]).float()


class SetDefaultsd(MapTransform):
    """Give samples the fields that they lack.

    Args:
        keys: images, which stay as they are.
        defaults: field to value.
        allow_missing_keys: do not fail if a key is missing.

    """

    def __init__(self, keys: KeysCollection, defaults: Mapping[str, Any], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.defaults = dict(defaults)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add what is missing."""
        d: dict[Hashable, Any] = dict(data)
        for name, value in self.defaults.items():
            d.setdefault(name, value)
        return d


def reading_steps(min_side: int | None = None, labelled: bool = False, **options: Any) -> list[Callable[..., Any]]:
    """From an image file to an upright image (C, X, Y) in [0, 1]: transforms that all who look at a file share.

    Args:
        min_side: see :class:`LoadAnyImaged`.
        labelled: carry ``landmarks`` (K, 2) in pixels of the file to world coordinates.
        **options: of :class:`LoadAnyImaged`.

    """
    return [
        LoadAnyImaged("image", min_side=min_side, **options),
        DecodeDepthd("image"),
        *([LandmarksToWorldd("landmarks", of_file=True)] if labelled else []),
        CropBoxd("image"),
        TurnUprightd("image"),
        ScaleModalityd("image"),
    ]
