"""How large an image may be, checked before anything of it is decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from monai_degia.errors import UserError

__all__ = ["DEFAULT_LIMITS", "Limits", "TooLargeError", "make_limits"]


class TooLargeError(UserError):
    """An image has more pixels, or inflates to more bytes, than is allowed; the message names the option."""


class Limits(NamedTuple):
    """What may be decoded."""

    pixels: int = 100_000_000
    """Of the image that is decoded: of one frame where a file has several."""
    inflated_bytes: int = 1 << 30
    """That a compressed file may become before pixels are made of it, and that decoded values may take."""

    def check_pixels(self, name: object, shape: Sequence[int], bytes_a_pixel: float = 1) -> None:
        """Refuse an image by its header.

        Args:
            name: of the file.
            shape: pixels along each axis.
            bytes_a_pixel: of its values as the decoder gives them.

        Raises:
            TooLargeError: if it is too large.

        """
        count = math.prod(shape)
        if count > self.pixels:
            sides = " x ".join(map(str, shape))
            raise TooLargeError(
                f"{name} has {sides} pixels, more than the {self.pixels} that max_pixels allows. Reduce or crop it, or "
                "raise max_pixels."
            )
        self.check_bytes(name, round(count * bytes_a_pixel))

    def check_bytes(self, name: object, count: int) -> None:
        """Refuse a file that becomes so many bytes.

        Raises:
            TooLargeError: if these are too many.

        """
        if count > self.inflated_bytes:
            raise TooLargeError(
                f"{name} takes {count} bytes or more when it is unpacked, more than the {self.inflated_bytes} that "
                "max_inflated_bytes allows. Reduce it, or raise max_inflated_bytes."
            )


DEFAULT_LIMITS = Limits()


def make_limits(max_pixels: int | None, max_inflated_bytes: int | None) -> Limits:
    """Limits of two options, of which ``None`` takes the default.

    Raises:
        ValueError: if one is below 1.

    """
    found = Limits(max_pixels or DEFAULT_LIMITS.pixels, max_inflated_bytes or DEFAULT_LIMITS.inflated_bytes)
    for name, value in (("max_pixels", max_pixels), ("max_inflated_bytes", max_inflated_bytes)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, got {value}.")
    return found
