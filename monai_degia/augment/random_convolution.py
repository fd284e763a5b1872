"""Random convolution as a transform: shapes stay, colours and texture become those of no domain in particular."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.data import get_track_meta
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.augment.convolution import KERNEL_SIZES, checked_options, random_convolution
from monai_degia.errors import UserError

__all__ = ["RandConv", "RandConvd"]


class RandConv(RandomizableTransform):
    """Convolve an image by a random kernel and mix it with the original, see :func:`random_convolution`.

    Not invertible, and geometry does not move: labels stay valid. The paper keeps a share p of the images as they are
    where it does not mix, ``prob`` of 1 - p here, and none where it mixes.

    Args:
        prob: probability of the transform, in [0, 1].
        kernel_sizes: odd widths to draw from.
        mixing: mix with the original in a random share.
        rescale: ``stretch``, the default, keeps the output within ``value_range``; so does ``clamp``, which flattens
            bright and dark places; ``None`` is the paper's, whose values leave the range.
        value_range: lowest and highest value of the images' scale, e.g. (-1, 1) for images normalised to it; ``None``
            takes each image's own.

    Raises:
        ValueError: if an option is unknown or out of range; on call, if the image is empty, has other than two or three
            spatial axes, is not finite, or its values are of another scale than ``value_range``.

    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        prob: float = 1.0,
        kernel_sizes: Sequence[int] = KERNEL_SIZES,
        mixing: bool = True,
        rescale: str | None = "stretch",
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f"prob must lie in [0, 1], got {prob}.")
        super().__init__(prob)
        self.kernel_sizes = checked_options(kernel_sizes, rescale, value_range)
        self.mixing, self.rescale, self.value_range = mixing, rescale, value_range
        self.seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to convolve, and the seed from which width, share and kernel follow."""
        super().randomize(None)
        self.seed = int(self.R.randint(np.iinfo(np.int32).max))

    def replay(self, do_transform: bool, seed: int) -> None:
        """Set what :meth:`randomize` draws, for the next call with ``randomize=False``."""
        self._do_transform, self.seed = do_transform, seed

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> Tensor:
        """Convolve one image.

        Args:
            img: shape (C, X, Y) or (C, X, Y, Z), never written into; integers become float32.
            randomize: draw anew; ``False`` replays the last draw.

        Returns:
            An image of the same shape and meta data.

        """
        if randomize:
            self.randomize()
        image = _checked_image(img, self.value_range)
        if not self._do_transform:
            return image
        convolved = random_convolution(
            convert_to_tensor(image, track_meta=False)[None],
            torch.Generator().manual_seed(self.seed),
            kernel_sizes=self.kernel_sizes,
            mixing=self.mixing,
            rescale=self.rescale,
            value_range=self.value_range,
        )
        return convert_to_dst_type(convolved[0], image)[0]


class RandConvd(RandomizableTransform, MapTransform):
    """Dictionary version of :class:`RandConv`; the images of one sample share width and share of the mixture.

    Those with the same number of channels and axes share the kernel as well.

    Args:
        keys: images (C, X, Y) or (C, X, Y, Z).
        prob: probability of the transform, in [0, 1]; one draw for all keys.
        kernel_sizes: see :class:`RandConv`.
        mixing: see :class:`RandConv`.
        rescale: see :class:`RandConv`.
        value_range: see :class:`RandConv`.
        allow_missing_keys: do nothing where an image is missing.

    """

    backend = RandConv.backend

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 1.0,
        kernel_sizes: Sequence[int] = KERNEL_SIZES,
        mixing: bool = True,
        rescale: str | None = "stretch",
        value_range: tuple[float, float] | None = (0.0, 1.0),
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.conv = RandConv(prob, kernel_sizes, mixing, rescale, value_range)
        RandomizableTransform.__init__(self, prob)

    def randomize(self, data: Any = None) -> None:
        """Draw once for all keys, here alone: the array transform only applies what is drawn."""
        super().randomize(None)
        self.conv.replay(self._do_transform, int(self.R.randint(np.iinfo(np.int32).max)))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convolve the image of each key."""
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            d[key] = self.conv(d[key], randomize=False)
        return d


def _checked_image(img: NdarrayOrTensor, value_range: tuple[float, float] | None) -> Tensor:
    """The image as a floating point tensor, if it is one and of the scale that is announced."""
    image = convert_to_tensor(img, track_meta=get_track_meta())
    if image.ndim not in (3, 4) or image.numel() == 0:
        raise UserError(
            f"RandConv expects an image (C, X, Y) or (C, X, Y, Z), not empty, got shape {tuple(image.shape)}."
        )
    if image.is_complex():
        raise UserError(f"RandConv needs a real image, got {image.dtype}: take the magnitude first.")
    image = image if image.is_floating_point() else image.float()
    smallest, largest = float(image.min()), float(image.max())
    if not (math.isfinite(smallest) and math.isfinite(largest)):
        raise UserError("RandConv got an image with NaN or infinite values: repair it, or leave it out.")
    low, high = value_range or (smallest, largest)
    span = high - low
    # Overshoots of interpolation and noise pass; 8-bit and Hounsfield values do not.
    if not (low - span <= smallest and largest <= high + span):
        raise UserError(
            f"RandConv got image values in [{smallest:g}, {largest:g}] with value_range={value_range}: scale the image "
            "first (ScaleIntensityd), or pass the range that it has; None takes each image's own."
        )
    return image
