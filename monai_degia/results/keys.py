"""Names in ``engine.state.output`` and events of the two phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import EventEnum
from monai.utils import CommonKeys, StrEnum
from torch import Tensor

__all__ = ["DeGIAKeys", "MaximizationEvents", "RunEvents", "scalar_output", "stacked_from_engine"]


class DeGIAKeys(StrEnum):
    """Entries of ``engine.state.output`` beside MONAI's ``CommonKeys``."""

    NLL = "nll"  # negative log-likelihood, nats a dimension
    BITS_PER_DIM = "bits_per_dim"
    DISAGREEMENT = "disagreement"  # of predictions for moved copies, (B, K), as a fraction of the hand size
    OTHER_SIDE = "other_side"  # share of the weight that copies in a mirror would have, (B,)
    MIRRORED = "mirrored"  # whether the mirrored image was believed, (B,)
    CONFIDENCE = "confidence"  # that a landmark's error is small, (B, K); NaN where it is withheld
    RADIUS = "radius"  # that should hold 90 % of the true places, (B, K), of the size of the hand found; NaN likewise
    DOMAIN_SHIFT = "domain_shift"  # distance of the likelihood from that of source images, (B,)
    ONE_LOOK = "one_look"  # the prediction (B, K, 2) for the image as it is, beside that of its copies
    GENERATED = "generated"  # images (B, C, X, Y) that an ascent reached


class MaximizationEvents(EventEnum):
    """Fired by the maximiser around one round."""

    ROUND_STARTED = "round_started"
    ROUND_COMPLETED = "round_completed"


class RunEvents(EventEnum):
    """Fired by the trainer: where :class:`monai_degia.RunCheckpoint` and the handler of rounds meet."""

    ROUND_DUE = "round_due"  # all else of the epoch is done
    RESUMED = "resumed"  # behind the checkpoint's load; the round of its epoch may not have been done


def scalar_output(output: dict[str, Any] | list[dict[str, Any]]) -> dict[str, float]:
    """The scalars of a trainer's ``state.output``: task loss and, where the flow was trained, its likelihood.

    Args:
        output: of a batch, or of its samples, each of which has those of the batch.
    """
    output = output[0] if isinstance(output, list) else output
    keys = (CommonKeys.LOSS, DeGIAKeys.NLL, DeGIAKeys.BITS_PER_DIM)
    return {str(key): float(torch.as_tensor(output[key]).detach()) for key in keys if key in output}


def stacked_from_engine(keys: Sequence[str]) -> Callable[[Any], tuple[Tensor, ...]]:
    """An ``output_transform`` for metrics that gives tensors of a batch, also where MONAI has split it into samples.

    ``monai.handlers.from_engine`` gives lists of samples then, and ignite calls the metric once for each.

    Args:
        keys: entries of ``state.output`` with one row a sample, such as ``pred`` and ``label``.

    """

    def stack(output: dict[str, Any] | list[dict[str, Any]]) -> tuple[Tensor, ...]:
        if isinstance(output, dict):
            return tuple(output[key] for key in keys)
        return tuple(torch.stack([sample[key] for sample in output]) for key in keys)

    return stack
