"""Weights to start from."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from monai_degia.errors import UserError
from monai_degia.io.tensor_files import read_tensors

__all__ = ["load_weights"]


def load_weights(network: nn.Module, path: str | Path | None) -> nn.Module:
    """Load a file of weights into a network, for a training that does not start anew.

    Args:
        network: what the weights belong to; its parameters are replaced.
        path: a state dict as ``torch.save`` writes it; ``None`` leaves the network as it is.

    Returns:
        The network.

    Raises:
        ValueError: if the file is missing or damaged, or its weights are those of another network.

    """
    if path is None:
        return network
    if not Path(path).is_file():
        raise UserError(f"There is no file of weights {path}.")
    state = read_tensors(path)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:  # the last two where an entry is no tensor
        raise UserError(f"The weights in {path} do not fit the network: {error}") from error
    return network
