"""MONAI image reader for MetaImage files, which MONAI itself reads only where ITK's own package is installed."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.data import ImageReader
from monai.data.utils import orientation_ras_lps
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple

from monai_degia.errors import UserError

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["MetaImageReader"]


class MetaImageReader(ImageReader):
    """Read ``.mha`` and ``.mhd`` with SimpleITK; arrays are those of MONAI's ``ITKReader``, affines always 4 x 4."""

    def verify_suffix(self, filename: Sequence[PathLike | str] | PathLike | str) -> bool:
        """Whether all files end in ``.mha`` or ``.mhd``.

        Args:
            filename: one or several files.

        Returns:
            True if this reader is for them.

        """
        return all(str(name).lower().endswith((".mha", ".mhd")) for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike | str] | PathLike | str, **kwargs: Any) -> SimpleITK.Image:
        """Read one file.

        Args:
            data: its path.
            kwargs: passed to ``SimpleITK.ReadImage``.

        Returns:
            The image.

        Raises:
            ValueError: if several files are given, the name is not UTF-8, or SimpleITK cannot read the file.

        """
        import SimpleITK  # here and not above: it takes long to load, and few folders hold such files

        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise UserError(f"MetaImageReader makes one image of one file, got {len(paths)} files. Load each alone.")
        try:
            str(paths[0]).encode()  # ITK ends the whole process at a name that is not UTF-8
            return SimpleITK.ReadImage(str(paths[0]), **kwargs)
        except UnicodeEncodeError:
            raise UserError("the name of the file is not UTF-8. Rename it.") from None
        except RuntimeError as error:
            raise UserError(str(error).strip().splitlines()[-1]) from error  # the lines before tell ITK's own place

    def get_data(self, img: SimpleITK.Image) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels and meta data of what was read.

        Args:
            img: image of 2 or 3 dimensions with one or more components.

        Returns:
            Array (X, Y), (X, Y, Z), or the same with the components as last axis; and the meta data that MONAI tracks.

        """
        dim, coloured = img.GetDimension(), img.GetNumberOfComponentsPerPixel() > 1
        import SimpleITK

        array = SimpleITK.GetArrayFromImage(img)
        array = array.transpose(*range(dim - 1, -1, -1), *([dim] if coloured else []))
        lps = np.eye(4)
        lps[:dim, :dim] = np.reshape(img.GetDirection(), (dim, dim)) @ np.diag(img.GetSpacing())
        lps[:dim, 3] = img.GetOrigin()
        affine = np.asarray(orientation_ras_lps(lps), dtype=np.float64)
        return np.ascontiguousarray(array), {
            MetaKeys.SPATIAL_SHAPE: np.array(img.GetSize()),
            MetaKeys.ORIGINAL_CHANNEL_DIM: -1 if coloured else float("nan"),
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPACE: SpaceKeys.RAS,
        }
