"""Fixed changes of appearance that stand in for unseen domains on source validation images."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, SobelGradients
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor
from torchvision.transforms import functional as tvf

from monai_degia.errors import UserError
from monai_degia.shifts.framing import FRAMINGS
from monai_degia.shifts.pose import POSES

__all__ = ["SHIFTS", "AppearanceShiftd", "shifted_copies"]


def _negative(image: Tensor) -> Tensor:
    return 1 - image.mean(0, keepdim=True).expand_as(image)


def _dark(image: Tensor) -> Tensor:
    return image.mean(0, keepdim=True).expand_as(image) ** 4


def _solarize(image: Tensor) -> Tensor:
    return tvf.solarize(image, 0.5)


def _equalize(image: Tensor) -> Tensor:
    return tvf.equalize((image * 255).round().to(torch.uint8)).to(image) / 255


def _edges(image: Tensor) -> Tensor:
    gradients = SobelGradients(spatial_axes=(0, 1))(image.mean(0, keepdim=True))
    magnitude = convert_to_tensor(gradients, track_meta=False).norm(dim=0, keepdim=True)
    return (magnitude / magnitude.amax().clamp_min(1e-6)).expand_as(image)


def _clutter(image: Tensor) -> Tensor:
    # Seen through a coloured relief of half the weight: 3 and 5 waves a side, each channel in a phase of its own.
    x, y = (torch.linspace(0, 2 * math.pi, side).to(image) for side in image.shape[1:])
    phase = torch.arange(len(image)).to(image)[:, None]
    waves = (3 * x + phase).sin()[:, :, None] * (5 * y + 2 * phase).cos()[:, None, :]
    return (image + 0.5 * (1 + waves)) / 2


def _soft(image: Tensor) -> Tensor:
    return tvf.gaussian_blur(image, 2 * (image.shape[-1] // 20) + 1)


def _noise(image: Tensor) -> Tensor:
    drawn = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return image + 0.25 * drawn.to(image)


def _flat(image: Tensor) -> Tensor:
    return 0.5 + 0.15 * (image.mean(0, keepdim=True).expand_as(image) - 0.5)


def _silhouette(image: Tensor) -> Tensor:
    grey = image.mean(0, keepdim=True)
    return (grey > grey.mean()).to(image).expand_as(image)


#: Name to a map of images (C, X, Y) in [0, 1]. None of them is in the family of maps that training draws from
#: (convolution, mixture, tone curve, bias field), so that they can judge it.
SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "negative": _negative,
    "dark": _dark,
    "solarize": _solarize,
    "equalize": _equalize,
    "edges": _edges,
    "clutter": _clutter,
}
#: More of them, for :func:`monai_degia.calibration_copies`: settings and checkpoints were never chosen by these.
FURTHER_SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "soft": _soft,
    "noise": _noise,
    "flat": _flat,
    "silhouette": _silhouette,
}
_KNOWN = {**SHIFTS, **FURTHER_SHIFTS}
#: What :func:`shifted_copies` takes if it is not told. Clutter stands for domains whose background is not even.
DEFAULT_SHIFTS = ("negative", "dark", "solarize", "equalize", "edges")


class AppearanceShiftd(MapTransform):
    """Apply the shift that a sample names; a sample that names none is left as it is.

    Args:
        keys: images (C, X, Y) in [0, 1].
        shift_key: key of the name, one of ``SHIFTS``, ``FURTHER_SHIFTS`` or "".
        allow_missing_keys: do nothing where an image is missing.

    Raises:
        ValueError: when called, if the shift is unknown.

    """

    def __init__(self, keys: KeysCollection, shift_key: str = "shift", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shift_key = shift_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Shift the images."""
        d = dict(data)
        name = d.get(self.shift_key)
        if not name:
            return d
        _check_name(name)
        for key in self.key_iterator(d):
            plain = convert_to_tensor(d[key], track_meta=False)
            d[key] = convert_to_dst_type(_KNOWN[name](plain).clamp(0, 1).contiguous(), d[key])[0]
        return d


def shifted_copies(
    items: Sequence[dict[str, Any]], shifts: Sequence[str] = DEFAULT_SHIFTS, both_sides: bool = False
) -> list[dict[str, Any]]:
    """Each item as it is, and once more with shift, framing and pose in turn: a harder validation set.

    It is made of source images alone, so settings and checkpoints may be chosen by it.

    Args:
        items: validation items.
        shifts: names of shifts to use; none gives back the items.
        both_sides: show every other item, and its copy, in a mirror, so that a network of both sides is judged on both.
            Items whose ``mirror`` is left to the file stay.

    Returns:
        Twice as many items, the copies with ``shift``, ``framing``, ``pose`` and their own ``domain``. Where there are
        no fingers, the pose is left out.

    Raises:
        ValueError: if a shift is unknown.

    """
    for name in shifts:
        _check_name(name)
    if both_sides:
        items = [_mirrored(item) if index % 2 else item for index, item in enumerate(items)]
    if not shifts:
        return list(items)
    copies = []
    for index, item in enumerate(items):
        name = shifts[index % len(shifts)]
        framing = list(FRAMINGS)[index // len(shifts) % len(FRAMINGS)]
        pose = list(POSES)[index // (len(shifts) * len(FRAMINGS)) % len(POSES)]
        changed = {"shift": name, "framing": framing, "pose": pose}
        copies.append({**item, **changed, "domain": f"{item.get('domain', 'source')}, {name}"})
    return [*items, *copies]


def _mirrored(item: dict[str, Any]) -> dict[str, Any]:
    mirror = item.get("mirror", False)
    return item if isinstance(mirror, str) else {**item, "mirror": not mirror}


def _check_name(name: str) -> None:
    if name not in _KNOWN:
        raise UserError(f"Unknown shift {name!r}. Available: {', '.join(_KNOWN)}.")
