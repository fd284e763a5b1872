"""A name for weights that follows from their values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["weights_hash"]


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of a state dict, whatever device or memory layout its tensors have.

    Args:
        state: of a network.

    Returns:
        64 hexadecimal digits.

    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = torch.as_tensor(state[name]).detach().cpu().contiguous()
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
