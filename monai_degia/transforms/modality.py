"""Photographs, depth maps and X-rays read and brought to one range, [0, 1]."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, PILReader
from monai.transforms import LoadImaged, MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.data.metaimage import MetaImageReader
from monai_degia.data.xray.files import XRayFileError
from monai_degia.data.xray.reader import XRayReader

__all__ = ["LoadAnyImaged", "MatchChannelsd", "ScaleModalityd", "depth_to_image"]

_ORIENTATION = 0x0112  # tag of Exif
_DEEP = "I"  # PIL's 16- and 32-bit integer modes
_THINNEST = 100  # longer over shorter side; beyond, resizing to 64 pixels soon leaves less than one
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, the weights of PIL's conversion to grey


def depth_to_image(depth_mm: Tensor, depth_range_mm: float = 200.0, floor: float = 0.2) -> Tensor:
    """Depth in millimetres to brightness: near is bright, no measurement and background are black.

    The nearest surface (first percentile of what was measured, so that single stray pixels do not count) becomes 1;
    brightness falls linearly to ``floor`` at ``depth_range_mm`` behind it, and is 0 beyond.

    Args:
        depth_mm: depth of any shape in mm; 0 is no measurement.
        depth_range_mm: how deep the object is, in mm.
        floor: brightness of the farthest point of the object, in [0, 1), which sets it off from the background.

    Returns:
        Float32 image of the same shape in [0, 1].

    Raises:
        ValueError: if nothing was measured, a value is negative or NaN, or an option is out of range.

    """
    if not depth_range_mm > 0 or not 0 <= floor < 1:
        raise ValueError(f"Need depth_range_mm > 0 and 0 <= floor < 1, got {depth_range_mm} and {floor}.")
    depth = depth_mm.float()
    if not (torch.isfinite(depth).all() and (depth >= 0).all()):
        raise ValueError("Depth must be finite and at least 0 mm. Mark pixels without measurement by 0.")
    measured = depth > 0
    if not measured.any():
        raise ValueError("The depth map holds no measurement, all pixels are 0. Leave it out.")
    near = float(np.percentile(depth[measured].cpu().numpy(), 1))  # torch.quantile refuses large inputs
    behind = (depth - near) / depth_range_mm
    bright = (1 - (1 - floor) * behind).clamp(max=1.0)
    return torch.where(measured & (behind <= 1), bright, torch.zeros_like(depth))


class _PictureReader(PILReader):
    """MONAI's reader of pictures, for TIFF too, with palettes looked up and rare colour modes made RGB or grey."""

    _CONVERT = {"P": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "1": "L", "LA": "L", "La": "L", "HSV": "RGB"}

    def __init__(self) -> None:
        super().__init__(converter=self._converted)  # no lambda: workers that are spawned need to pickle it

    @classmethod
    def _converted(cls, image: Any) -> Any:
        return image.convert(cls._CONVERT.get(image.mode, image.mode))

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Whether the file's ending is that of a picture."""
        names = [filename] if isinstance(filename, str | PathLike) else filename
        return all(str(n).lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")) for n in names)

    def _get_meta_dict(self, img: Any) -> dict[Any, Any]:
        return {**super()._get_meta_dict(img), "exif_orientation": _orientation(img)}


def _orientation(picture: Any) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # pixels are whole even if what is told beside them is damaged in one of many ways
        return 1


class LoadAnyImaged(MapTransform):
    """MONAI's ``LoadImaged`` for one 2-D image a file, float32 (C, X, Y) with a 4 x 4 affine, and readable failures.

    Pictures (PNG, JPEG, BMP, TIFF; 8 and 16 bit, palettes) and MetaImage are added to what MONAI reads, and DICOM files
    go to :class:`~monai_degia.data.xray.reader.XRayReader`, which gives grey values in [0, 1]; one folder may mix them.
    Pictures are loaded as they are stored, with their ``exif_orientation`` (1 to 8) in the meta data:
    :class:`TurnUprightd`.
    A NIfTI or MetaImage file with a single slice loses its third axis. If its slice does not lie in the world's x-y
    plane, the affine becomes one of the slice's own plane, spacing only, since 2-D points could not follow it; the
    file's own stays in the meta data as ``file_affine``. Rows are taken to run from top to bottom, as pictures store
    them, whatever the affine says of up and down.

    Args:
        keys: image paths.
        reader: as for ``LoadImaged``; None chooses by the file's ending, or its first bytes where that is unknown.
        allow_missing_keys: do not fail if a key is missing.
        kwargs: passed to ``LoadImaged``.

    Raises:
        ValueError: on call, if the file is missing, damaged, of no known format, or not one 2-D image, or if one side
            is more than a hundred times as long as the other.

    """

    def __init__(
        self, keys: KeysCollection, reader: Any = None, allow_missing_keys: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.loader = LoadImaged("image", reader=reader, image_only=True, ensure_channel_first=True, **kwargs)
        if reader is None:
            for added in (_PictureReader(), MetaImageReader(), XRayReader()):
                self.loader.register(added)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the file of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self._load(d[key])
        return d

    def _load(self, path: Any) -> MetaTensor:
        try:
            image = self.loader({"image": path})["image"]
        except XRayFileError:
            raise  # says by itself what is wrong with which file
        except Exception as error:  # readers raise whatever their libraries raise
            reason = (str(error).strip().splitlines() or [""])[0]
            raise ValueError(
                f"Cannot read image {path}: {type(error).__name__}: {reason[:200]} "
                "Check that it exists, is complete and has a known format (PNG, JPEG, TIFF, DICOM, NIfTI, MetaImage)."
            ) from error
        if image.ndim == 4 and image.shape[-1] == 1:
            image = MetaTensor(image.as_tensor()[..., 0], meta=image.meta)
        if image.ndim != 3:
            raise ValueError(f"{path} holds an array of shape {tuple(image.shape)}; one 2-D image a file is expected.")
        long, short = max(image.shape[1:]), min(image.shape[1:])
        if long > _THINNEST * short:
            raise ValueError(
                f"{path} has {image.shape[1]} x {image.shape[2]} pixels, a strip in which nothing can be found. "
                f"Give an image whose sides differ {_THINNEST} times at most."
            )
        image.meta.setdefault("file_affine", image.affine.clone())  # before it is bent into the plane
        image = _in_plane(image)
        # Readers of pictures leave it out, and the way back to the file's pixels needs it.
        image.meta.setdefault("original_affine", image.affine.clone())
        return image


def _in_plane(image: MetaTensor) -> MetaTensor:
    affine = image.affine
    block, coupling = affine[:2, :2], torch.cat([affine[2:3, :2].flatten(), affine[:2, 2:-1].flatten()])
    if len(affine) == 4 and torch.linalg.det(block).abs() > 1e-9 and not coupling.any():
        return image
    spacing = affine[:-1, :2].norm(dim=0)
    plane = torch.diag(torch.tensor([float(spacing[0]), float(spacing[1]), 1.0, 1.0], dtype=torch.float64))
    image.affine = plane
    image.meta["original_affine"] = plane.numpy().copy()
    return image


class ScaleModalityd(MapTransform):
    """Bring the values of a photograph, depth map or X-ray to [0, 1], float32.

    Depth goes through :func:`depth_to_image`. For the others the range follows from the values, since readers
    deliver float32 whatever the file's type: within [0, 1] they are kept; whole numbers up to 255 count as 8 bit and
    are divided by 255, photographs up to 65535 by 65535; any other X-ray is stretched from its minimum to its
    maximum. So an 8-bit image with only 0 and 1, a mask, is kept; and a 16-bit X-ray whose values stay below 256
    counts as 8 bit, unless the file's mode (``mode`` in the meta data of pictures) says 16 bit.

    Args:
        keys: images (C, X, Y).
        modality_key: key of the sample's modality, ``photo``, ``depth`` or ``xray``; or ``auto``, which is replaced:
            DICOM files are X-rays, pictures of 16 bit are depth maps in mm, all others photographs.
        depth_range_mm: see :func:`depth_to_image`.
        floor: see :func:`depth_to_image`.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: on call, if values are not finite, out of range, or the modality is unknown.

    """

    def __init__(
        self,
        keys: KeysCollection,
        modality_key: str = "modality",
        depth_range_mm: float = 200.0,
        floor: float = 0.2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modality_key, self.depth_range_mm, self.floor = modality_key, depth_range_mm, floor

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            image = convert_to_tensor(d[key], track_meta=True)
            name = image.meta.get("filename_or_obj", f"image {key!r}")
            if d.get(self.modality_key) == "auto":
                d[self.modality_key] = _guess(image.meta)
            try:
                values = self._scale(
                    image.as_tensor().float(), d.get(self.modality_key), str(image.meta.get("mode", ""))
                )
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            d[key] = convert_to_dst_type(values, image, dtype=torch.float32)[0]
        return d

    def _scale(self, values: Tensor, modality: Any, mode: str) -> Tensor:
        if not torch.isfinite(values).all():
            raise ValueError(f"{int((~torch.isfinite(values)).sum())} pixels are NaN or infinite. Repair or leave out.")
        if modality == "depth":
            return depth_to_image(values, self.depth_range_mm, self.floor)
        if modality not in ("photo", "xray"):
            raise ValueError(f"{self.modality_key} must be photo, depth or xray, got {modality!r}.")
        low, high = float(values.min()), float(values.max())
        deep = mode.startswith(_DEEP)
        if low >= 0 and high <= 1 and not deep:
            return values
        if low >= 0 and high <= 255 and not deep:
            return values / 255
        if modality == "xray":
            return (values - low) / max(high - low, 1e-6)
        if low < 0 or high > 65535:
            raise ValueError(f"a photograph has values in [{low:g}, {high:g}], expected 0 to 255 or 65535.")
        return values / 65535


def _guess(meta: Mapping[Any, Any]) -> str:
    if meta.get("photometric_interpretation"):
        return "xray"
    return "depth" if str(meta.get("mode", "")).startswith(_DEEP) else "photo"


class MatchChannelsd(MapTransform):
    """Give images the number of channels that the network takes.

    Grey is repeated, RGBA loses its alpha, RGB becomes grey by its luma (0.299, 0.587, 0.114).

    Args:
        keys: images (C, X, Y) with 1, 3 or 4 channels.
        channels: 1 or 3.
        allow_missing_keys: do not fail if a key is missing.

    Raises:
        ValueError: if ``channels`` is neither 1 nor 3; on call, if an image has another number of channels.

    """

    def __init__(self, keys: KeysCollection, channels: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}.")
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Match the image of each key."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = convert_to_dst_type(self._match(convert_to_tensor(d[key], track_meta=False)), d[key])[0]
        return d

    def _match(self, image: Tensor) -> Tensor:
        if image.ndim != 3 or len(image) not in (1, 3, 4):
            raise ValueError(f"MatchChannelsd takes images (1, 3 or 4, X, Y), got shape {tuple(image.shape)}.")
        if len(image) == 1:
            return image.expand(self.channels, -1, -1).clone()
        rgb = image[:3]
        return rgb if self.channels == 3 else (rgb * rgb.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)


LoadAnyImageD = LoadAnyImageDict = LoadAnyImaged
ScaleModalityD = ScaleModalityDict = ScaleModalityd
MatchChannelsD = MatchChannelsDict = MatchChannelsd
