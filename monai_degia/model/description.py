"""``model.json``: what a file of weights does not say of its network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

import torch
from torch import nn

from monai_degia.data.lists.landmark_sets import LANDMARK_SETS, Landmarks, flip_permutation, landmark_set
from monai_degia.errors import UserError, did_you_mean
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.io.files import whole_file
from monai_degia.io.plain_json import parse_json
from monai_degia.io.tensor_files import read_tensors
from monai_degia.model.description_checks import check_entries
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.networks.weights_hash import weights_hash

__all__ = ["DESCRIPTION_FILE", "ModelDescription"]

DESCRIPTION_FILE = "model.json"
_FORMAT = 1
_OWN = "monai_degia.LandmarkRegressor"


@dataclass(frozen=True)
class ModelDescription:
    """What a trained model is, but for the numbers in its weights.

    Args:
        name: of the model, without spaces.
        version: of the model, without spaces.
        landmarks: the landmark set in the form of ``LandmarkSet.to_config``.
        network: ``_target_``, the dotted name of a class of ``torch.nn.Module``, and its arguments, as in configs.
        in_channels: of the network's images.
        image_size: (X, Y) of the network's images in pixels.
        weights: hash of the network's weights, :func:`monai_degia.networks.weights_hash.weights_hash`.
        flow: what the flow's weights do not tell: ``gamma`` and ``shift_scale`` of Eq. (8), and ``flow_spacing`` where
            it sees a coarser image; ``None`` without a flow.
        format: version of the file's form.
        both_sides: the network was trained on left and right ones alike, so that nobody needs to tell it which it is.

    """

    name: str
    version: str
    landmarks: str | list[str] | dict[str, Any]
    network: dict[str, Any]
    in_channels: int
    image_size: tuple[int, int]
    weights: str
    flow: dict[str, Any] | None = None
    format: int = field(default=_FORMAT)
    both_sides: bool = False

    @classmethod
    def of(
        cls,
        network: nn.Module,
        landmarks: Landmarks,
        flow: FlowPrior | None = None,
        name: str = "landmarks",
        version: str | None = None,
        config: Mapping[str, Any] | None = None,
        in_channels: int | None = None,
        image_size: Sequence[int] | None = None,
        both_sides: bool = False,
    ) -> ModelDescription | None:
        """Describe a network.

        Args:
            network: to describe.
            landmarks: see :func:`monai_degia.landmark_set`.
            flow: its flow.
            name: of the model.
            version: of the model; default: the first 8 digits of the hash of its weights.
            config: what builds the network again, see ``network`` above; a :class:`monai_degia.LandmarkRegressor` with
                a backbone of this package needs none.
            in_channels: default: the network's attribute.
            image_size: default: the network's attribute.
            both_sides: see above.

        Returns:
            The description, ``None`` for a network that nobody could build again.

        Raises:
            ValueError: if ``both_sides`` is said of landmarks that have none.

        """
        check_sides(landmarks, both_sides)
        if config is None and isinstance(network, LandmarkRegressor) and network.options is not None:
            given = {key: value for key, value in network.options.items() if value is not None}
            config = {"_target_": _OWN, **given}
        size = image_size or getattr(network, "image_size", None)
        channels = in_channels or getattr(network, "in_channels", None)
        if config is None or size is None or channels is None:
            return None
        weights = weights_hash(network.state_dict())
        return cls(
            name=name,
            version=version or weights[:8],
            landmarks=landmark_set(landmarks).to_config(),
            network=dict(config),
            in_channels=int(channels),
            image_size=(int(size[0]), int(size[1])),
            weights=weights,
            flow=None if flow is None else _untold(flow),
            both_sides=bool(both_sides),
        )

    def build(self) -> nn.Module:
        """The network, with weights of its own.

        Raises:
            ValueError: if its class is not there, is no ``torch.nn.Module`` or does not take the arguments.

        """
        arguments = dict(self.network)
        target = str(arguments.pop("_target_", ""))
        try:
            kind = locate(target)
        except ErrorDuringImport as error:
            raise UserError(
                f"{DESCRIPTION_FILE} names a network {target!r}, whose module cannot be imported."
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise UserError(
                f"{DESCRIPTION_FILE} names a network {target!r}, which is no class of torch.nn.Module here."
            )
        try:
            return kind(**arguments)
        except Exception as error:  # each class has its own errors for arguments that it does not take
            raise UserError(
                f"{DESCRIPTION_FILE} names a network {target!r} that cannot be built "
                f"({type(error).__name__}: {' '.join(str(error).split())[:300]})."
            ) from error

    def load_flow(self, path: Path, device: torch.device) -> FlowPrior | None:
        """The flow with the weights of a file; ``None`` if the model has none, or the file is not there."""
        if self.flow is None or not path.is_file():
            return None
        state = read_tensors(path)
        return FlowPrior.from_state_dict(state, self.image_size, self.in_channels, **self.flow).to(device)

    def save(self, path: str | Path) -> None:
        """Write a JSON file, whole or not at all."""
        content = asdict(self)
        if not self.both_sides:  # versions from before the entry refuse what they do not know
            del content["both_sides"]
        with whole_file(path) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> ModelDescription:
        """Read a file of :meth:`save`.

        Raises:
            ValueError: if there is none, or it holds something else.

        """
        path = Path(path)
        if not path.is_file():
            raise UserError(
                f"There is no {path.name} in {path.parent}, which says what network the weights belong to: training "
                "writes it beside them. Weights from before it did can be described by "
                "TrainedModel(network, landmarks).save(folder)."
            )
        try:
            content = parse_json(path.read_bytes())
            return cls._of_content(content)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} describes no model: {error}") from error

    @classmethod
    def _of_content(cls, content: Any) -> ModelDescription:
        known = check_entries(content, _FORMAT)
        named = known["landmarks"]
        if isinstance(named, str) and named not in LANDMARK_SETS:  # that a name may also be a file is for people
            raise UserError(f"landmarks: Unknown landmark set {named!r:.60}.{did_you_mean(named, LANDMARK_SETS)}")
        try:
            landmarks = landmark_set(named)
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"landmarks: {error}") from error
        return cls(**{**known, "landmarks": landmarks.to_config(), "image_size": tuple(known["image_size"])})


def check_sides(landmarks: Landmarks, both_sides: bool) -> None:
    """Refuse ``both_sides`` of landmarks that have none.

    Raises:
        ValueError: if it is said of such.

    """
    if both_sides and not has_both_sides(landmarks):
        raise UserError(
            "both_sides is for landmarks of which there is a left and a right set, sided: true, and which keep their "
            "names in a mirror. Others exchange names there, as RandFlipLandmarksd does."
        )


def has_both_sides(landmarks: Landmarks) -> bool:
    """Whether a network can learn both sides of landmarks by mirrored images alone: names must stay where they are."""
    known = landmark_set(landmarks)
    return known.sided and flip_permutation(known) == list(range(len(known.names)))


def _untold(flow: FlowPrior) -> dict[str, Any]:
    coarse = {"flow_spacing": list(flow.flow_spacing)} if max(flow.flow_spacing) > 1 else {}
    return {"gamma": flow.prior.gamma, "shift_scale": flow.prior.shift_scale, **coarse}
