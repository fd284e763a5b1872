"""Patches of source samples, by MONAI's samplers, with their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monai.transforms import Compose
from monai.utils import convert_to_tensor

from monai_degia.errors import UserError

__all__ = ["PatchCutter"]


class PatchCutter:
    """Cut one patch out of image and label of a source sample; what an ascent has generated is a patch already.

    Args:
        transform: of dictionaries, e.g. MONAI's ``RandCropByPosNegLabeld`` or ``RandSpatialCropSamplesd``, with one
            patch of a fixed size a sample.
        target_key: of the label, which comes out as a plain tensor.

    """

    def __init__(self, transform: Sequence[Callable[..., Any]] | Callable[..., Any], target_key: str) -> None:
        self.transform, self.target_key = Compose(transform).flatten(), target_key

    def set_random_state(self, seed: int | None = None, state: Any = None) -> PatchCutter:
        """Seed the transform."""
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with a patch of its image and label.

        Raises:
            ValueError: if the transform cuts several patches.

        """
        if sample["generated"]:
            return sample
        cut = self.transform(sample)
        if isinstance(cut, list):
            if len(cut) != 1:
                raise UserError(
                    f"patches must cut one patch a sample, got {len(cut)}: set num_samples=1, a sample is drawn again."
                )
            (cut,) = cut
        return {**cut, self.target_key: convert_to_tensor(cut[self.target_key], track_meta=False)}
