"""Pixel spacing: the one rule for that of a file, and that of the image as the network sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.reading.tracked import affine_of_dims

__all__ = ["PixelSpacingd", "file_spacing"]

_UNKNOWN_MM = 1.0  # what readers write where a file does not tell


def file_spacing(meta: Mapping[Any, Any], given: Any = None, spatial_dims: int = 2) -> tuple[Tensor, str]:
    """Millimetres a pixel of a file, and where they come from.

    What a data list says takes precedence over what the file says. A reader that knows where its spacing comes from
    writes a ``spacing_source``, empty if unknown, as :class:`monai_degia.XRayReader` does. Of other files the affine
    tells, but for pixels of exactly 1 mm, which readers write where a file tells nothing.

    Args:
        meta: meta data of the image as it was read, with ``original_affine``.
        given: spacing (n,) in mm of the data list, NaN where it says that it is unknown; ``None`` where it has none.
        spatial_dims: n, 2 for an image and 3 for a volume.

    Returns:
        Float32 of shape (n,), NaN where unknown; and ``given``, what the reader says, such as a DICOM tag, ``affine``
        or nothing.

    Raises:
        ValueError: if ``given`` has another number of values than there are dimensions.

    """
    if given is not None:
        spacing = torch.as_tensor(given, dtype=torch.float32).flatten()
        if len(spacing) != spatial_dims:
            raise UserError(
                f"The image has {spatial_dims} dimensions, and its spacing {spacing.tolist()} has {len(spacing)} "
                f"numbers. Give {spatial_dims}, in mm, in the order of the axes."
            )
        return spacing, "given" if bool(torch.isfinite(spacing).all()) else ""
    sides = affine_of_dims(meta["original_affine"], spatial_dims)[:-1, :-1].norm(dim=0).float()
    source = str(meta.get("spacing_source") or "")
    if "spacing_source" not in meta and bool(((sides - _UNKNOWN_MM).abs() > 1e-6).any()):
        source = "affine"
    return (sides, source) if source else (torch.full((spatial_dims,), torch.nan), "")


class PixelSpacingd(MapTransform):
    """Write millimetres per pixel of the current image, whatever resizing or turn it went through; NaN where unknown.

    The spacing of the file is that of :func:`file_spacing`. MONAI tracks what moves pixels in the image's affine, so
    that against the original affine says which step in the file one step in the current image is.

    Args:
        keys: images (C, X, Y) or volumes (C, X, Y, Z), tracked.
        spacing_key: in: spacing of the file in mm, shape (n,), or missing; out: of the image, float32 of shape (n,).
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the image does not know its original affine.

    """

    def __init__(self, keys: KeysCollection, spacing_key: str = "spacing", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace or add the spacing."""
        d = dict(data)
        for key in self.key_iterator(d):
            meta = getattr(d[key], "meta", {})
            if "original_affine" not in meta:
                raise UserError(f"PixelSpacingd needs {key!r} with a tracked original_affine: load by LoadAnyImaged.")
            dims = d[key].ndim - 1
            now, then = (affine_of_dims(meta[name], dims) for name in ("affine", "original_affine"))
            # Columns are the steps of one current pixel, in pixels of the file; a turn mixes the file's axes.
            steps = torch.linalg.solve(then, now)[:dims, :dims]
            of_file, _ = file_spacing(meta, d.get(self.spacing_key), dims)
            lengths = (of_file.double()[:, None] * steps).norm(dim=0)
            d[self.spacing_key] = lengths.float()
        return d
