"""The adversarial augmentation: batches of images climbed into domains that were never seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable, RandomizableTrait
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_degia.ascent.gradient_ascent import gradient_ascent
from monai_degia.ascent.starts import Start, parametrization_start
from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.objective import AscentObjective

__all__ = [
    "AdversarialAscent",
    "AdversarialAscentd",
]


class AdversarialAscent(Randomizable, RandomizableTrait):
    """Climb a batch of images by Eq. (7), from the images on, and return what is reached; labels stay as they are.

    Works on batches, where the networks are: in a training step, an engine, or a loop of the user's; a network inside a
    worker of a data loader would be a copy that is never trained.

    Args:
        objective: what to climb, e.g. :class:`monai_degia.AscentObjective`.
        parametrization: what moves: a key of ``PARAMETRIZATIONS``; or a function of images (B, C, X, Y), flow (or
            ``None``) and generator that returns the :class:`Parametrization` to start from; or its ``module.name``.
        steps: ascent steps.
        step_size: length of a step in units of the parametrisation, see :func:`gradient_ascent`.
        rule: step rule, a key of ``STEP_RULES``.
        bounds: valid range of image values.
        flow: the flow that decodes latents; needed by ``latent`` alone.

    Raises:
        ValueError: if ``parametrization`` is unknown.

    """

    def __init__(
        self,
        objective: AscentObjective,
        parametrization: str | Start = "pixel",
        steps: int = 10,
        step_size: float = 0.02,
        rule: str = "sign",
        bounds: tuple[float, float] = (0.0, 1.0),
        flow: FlowPrior | None = None,
    ) -> None:
        self.start = parametrization_start(parametrization)
        self.objective, self.parametrization, self.flow = objective, parametrization, flow
        self.steps, self.step_size, self.rule, self.bounds = steps, step_size, rule, (bounds[0], bounds[1])
        self.seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw the seed of the batch: the start of ``appearance`` and the prior's noise follow from it."""
        self.seed = int(self.R.randint(np.iinfo(np.int32).max))

    def __call__(
        self,
        image: Tensor,
        target: Tensor,
        classes: Tensor | None = None,
        on_step: Callable[[int], None] | None = None,
        randomize: bool = True,
    ) -> Tensor:
        """Climb one batch.

        Args:
            image: source images within ``bounds``, shape (B, C, X, Y), or volumes (B, C, X, Y, Z).
            target: labels, e.g. landmarks (B, K, 2) in network coordinates, classes (B,), or masks (B, 1, X, Y, Z).
            classes: flow classes, shape (B,), or ``None`` where there is one class.
            on_step: called with the number of steps done, after each step.
            randomize: draw anew; ``False`` replays the last draw.

        Returns:
            Images of the same shape, a plain detached tensor.

        """
        if image.ndim not in (4, 5):
            raise UserError(
                "AdversarialAscent expects a batch of images (B, C, X, Y) or volumes (B, C, X, Y, Z), got shape "
                f"{tuple(image.shape)}."
            )
        if randomize:
            self.randomize()
        generator = torch.Generator().manual_seed(self.seed)
        image = _plain(image)
        start = self.start(image, self.flow, generator)
        with self.objective.bind(image, _plain(target), classes, generator) as objective:
            return gradient_ascent(
                start,
                objective,
                steps=self.steps,
                step_size=self.step_size,
                rule=self.rule,
                bounds=self.bounds,
                on_step=on_step,
            )


class AdversarialAscentd(MapTransform, Randomizable, RandomizableTrait):
    """Dictionary version of :class:`AdversarialAscent`, for batches as a data loader collates them, or for one sample.

    Args:
        keys: the image, ``(B, C, *spatial_shape)``, or ``(C, *spatial_shape)`` for one sample.
        ascent: the ascent to apply.
        target_key: key of the labels.
        class_key: key of the flow classes; may be missing from the data.
        allow_missing_keys: do nothing where an image is missing.
        spatial_dims: 2 for images, 3 for volumes.

    Raises:
        ValueError: when called, if the labels are missing or there is not one class an image.

    """

    def __init__(
        self,
        keys: KeysCollection,
        ascent: AdversarialAscent,
        target_key: str = "landmarks",
        class_key: str = "class",
        allow_missing_keys: bool = False,
        spatial_dims: int = 2,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spatial_dims = spatial_dims
        self.ascent, self.target_key, self.class_key = ascent, target_key, class_key

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> AdversarialAscentd:
        """Seed the ascent, as MONAI's random transforms do."""
        super().set_random_state(seed, state)
        self.ascent.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the images by the ones reached; everything else is kept."""
        d = dict(data)
        for key in self.key_iterator(d):
            if self.target_key not in d:
                raise UserError(f"AdversarialAscentd needs the labels {self.target_key!r}; keys: {list(d)}.")
            image = convert_to_tensor(d[key], track_meta=False)
            target = convert_to_tensor(d[self.target_key], track_meta=False)
            one = image.ndim == self.spatial_dims + 1
            if one:
                image, target = image[None], target[None]
            climbed = self.ascent(image, target, self._classes(d, len(image)))
            # Metadata and the record of applied transforms go on, so that the result can be inverted.
            d[key] = convert_to_dst_type(climbed[0] if one else climbed, d[key])[0]
        return d

    def _classes(self, d: Mapping[Hashable, Any], batch_size: int) -> Tensor | None:
        if d.get(self.class_key) is None:
            return None
        classes = torch.as_tensor(d[self.class_key])
        if classes.numel() != batch_size:
            raise UserError(
                f"AdversarialAscentd needs one class for each of {batch_size} images, got shape {tuple(classes.shape)} "
                f"under {self.class_key!r}."
            )
        return classes.reshape(batch_size)


def _plain(x: Tensor) -> Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else x
