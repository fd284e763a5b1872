"""A network that starts from what another one learnt, of the same landmarks or of others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_names
from monai_degia.errors import UserError
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.networks.weights import load_weights

__all__ = ["initial_weights"]

_logger = logging.getLogger(__name__)
_OUTPUT = "head.output."


def initial_weights(
    network: nn.Module,
    start_weights: str | Path | None = None,
    init_from: str | Path | None = None,
    landmarks: Landmarks | None = None,
) -> nn.Module:
    """Give a network the weights that its training starts from.

    Args:
        network: its parameters are replaced.
        start_weights: file of weights of the very same network, see :func:`monai_degia.load_weights`.
        init_from: folder of a trained model, ``model.pt`` and ``model.json``. What finds a landmark of the same name is
            taken over, other landmarks start anew; a first layer for one channel gets the sum of one for three.
        landmarks: those of the network; needed with ``init_from``.

    Returns:
        The network; as it is if both are ``None``.

    Raises:
        ValueError: if both are given, there is no model, or it is of another kind of network.

    """
    if init_from is None:
        return load_weights(network, start_weights)
    if start_weights is not None:
        raise UserError("start_weights and init_from both say what to start from: give one of them.")
    if not isinstance(network, LandmarkRegressor) or landmarks is None:
        raise UserError("init_from is for a LandmarkRegressor with the landmarks that it finds.")
    folder = Path(init_from)
    described = ModelDescription.load(folder / DESCRIPTION_FILE)
    source = load_weights(described.build(), folder / "model.pt").state_dict()
    wanted, own = landmark_names(landmarks), landmark_names(described.landmarks)
    known = [name for name in wanted if name in own]
    state = {
        key: _output(value, source.get(key), wanted, own)
        if key.startswith(_OUTPUT)
        else _shared(key, value, source, folder)
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    _logger.info(
        "The network starts from %s: all but its last layer, and that for %d of %d landmarks.",
        folder,
        len(known),
        len(wanted),
    )
    return network


def _output(value: Tensor, source: Tensor | None, wanted: tuple[str, ...], own: tuple[str, ...]) -> Tensor:
    """Rows of the last layer, as many for each landmark; one that is new keeps its random start."""
    if source is None:
        return value
    new, old = (part.unflatten(0, (len(names), -1)) for part, names in ((value, wanted), (source, own)))
    if new.shape[1:] != old.shape[1:]:
        return value
    rows = [old[own.index(name)] if name in own else new[index] for index, name in enumerate(wanted)]
    return torch.stack(rows).flatten(0, 1)


def _shared(key: str, value: Tensor, source: Mapping[str, Tensor], folder: Path) -> Tensor:
    found = source.get(key)
    if found is not None and found.shape == value.shape:
        return found
    same_filters = (
        found is not None and value.ndim == 4 and found.shape[:1] + found.shape[2:] == value.shape[:1] + value.shape[2:]
    )
    if found is not None and same_filters and {found.shape[1], value.shape[1]} == {1, 3}:
        # A grey image is one with three equal channels.
        return found.sum(1, keepdim=True) if value.shape[1] == 1 else (found / 3).expand_as(value)
    what = "is not there" if found is None else f"has shape {tuple(found.shape)}, not {tuple(value.shape)}"
    raise UserError(
        f"The model in {folder} is of another kind of network: {key} {what}. Choose its backbone, head and options, "
        "and with head='regression' its image_size."
    )
