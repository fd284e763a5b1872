"""Files of volumes that hold one slice: measured before they are decoded, and laid flat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor

from monai_degia.io.suffixes import is_dicom_file, is_picture_file
from monai_degia.reading.limits import Limits

__all__ = ["check_volume", "flat"]


def check_volume(path: Path, limits: Limits) -> None:
    """Refuse a NIfTI or MetaImage file by its header, before anything is unpacked.

    Args:
        path: of any file; others than these are left to their readers.
        limits: of what may be decoded.

    Raises:
        TooLargeError: if it is too large.

    """
    name = path.name.lower()
    if is_picture_file(path) or is_dicom_file(path):
        return  # whatever its name says
    if name.endswith((".nii", ".nii.gz")) and path.is_file():
        header: Any = nibabel.load(path).header
        limits.check_pixels(path, header.get_data_shape(), header.get_data_dtype().itemsize)
    elif name.endswith((".mha", ".mhd")) and path.is_file():
        import SimpleITK  # here and not above: it takes long to load, and few folders hold such files

        str(path).encode()  # ITK ends the whole process at a name that is not UTF-8
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("MetaImageIO")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        limits.check_pixels(path, reader.GetSize(), 8 * reader.GetNumberOfComponents())


def flat(image: MetaTensor) -> MetaTensor:
    """Take away the axes of a single pixel, until two are left, and the affine's columns with them.

    Args:
        image: shape (C, X, Y, Z, ...), with the affine of its file.

    Returns:
        Shape (C, A, B) of the two axes that are left, in their order; the third column of its affine is that of the
        axis taken away. An image that has more than two, or two already, as it is.

    """
    sizes = list(image.shape[1:])
    single = [axis for axis, size in enumerate(sizes) if size == 1]
    spare = len(sizes) - 2
    if spare < 1 or len(single) < spare:
        return image
    taken = single[-spare:]  # the last, so that one line of pixels keeps what it can
    kept = [axis for axis in range(len(sizes)) if axis not in taken]
    values = image.as_tensor().squeeze([axis + 1 for axis in taken])
    order = [*kept, *(axis for axis in range(3) if axis not in kept)][:3]
    meta = dict(image.meta)
    if len(image.affine) == 4 and max(order) < 3 and order != [0, 1, 2]:
        columns = [*order, 3]
        for name in ("affine", "original_affine"):
            if name in meta:
                turned = torch.as_tensor(np.asarray(meta[name]), dtype=torch.float64)[:, columns]
                meta[name] = turned if name == "affine" else turned.numpy()
    meta["spatial_shape"] = np.array([sizes[axis] for axis in kept])
    return MetaTensor(values, meta=meta)
