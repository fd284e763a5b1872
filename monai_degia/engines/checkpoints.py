"""State on disk: the whole run for resuming, and the best network for use."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint
from torch import nn

from monai_degia.data.lists.landmark_sets import Landmarks
from monai_degia.engines.errors import on_interrupt
from monai_degia.engines.ranks import is_first_rank
from monai_degia.engines.run_folder import mark_run, no_checkpoint, run_of
from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.io.files import whole_file
from monai_degia.io.tensor_files import read_tensors
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription, check_sides
from monai_degia.results.keys import RunEvents

__all__ = ["BestModelSaver", "RunCheckpoint", "check_finite"]

_logger = logging.getLogger(__name__)


class RunCheckpoint:
    """Save everything a run needs to go on after each epoch and before each round; load it on request.

    MONAI's ``CheckpointSaver`` deletes the last checkpoint before it writes the next, and cannot hold the trainer that
    holds it. This one keeps one file, replaced in one step, and adds the trainer when it is attached. Attach it last,
    so that the state saved is that after validation and maximisation. Weights that are not finite never take the place
    of those of the last epoch.

    Args:
        path: file of the checkpoint.
        state: name to object with ``state_dict`` and ``load_state_dict``: networks, optimisers, the training set ...
        resume: continue from ``path``.
        map_location: device to load to.
        run_id: of the run, see :func:`monai_degia.claim_run`; it is saved, and the checkpoint of another run refused.

    Raises:
        ValueError: at the start of training, if ``resume`` is set and there is no checkpoint or it does not fit; when
            it saves, if weights are not finite or the file cannot be written: the last checkpoint stays.

    """

    def __init__(
        self,
        path: str | Path,
        state: Mapping[str, Any],
        resume: bool = False,
        map_location: Any = None,
        run_id: str | None = None,
    ) -> None:
        self.path, self.state, self.resume, self.map_location = Path(path), dict(state), resume, map_location
        self.run_id = run_id

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        self.state = {"trainer": engine, **self.state}
        engine.register_events(*RunEvents)
        if self.resume:
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(RunEvents.ROUND_DUE, self.save)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        on_interrupt(self._how_to_go_on)

    def save(self, engine: Engine | None = None) -> None:
        """Write the file; where several processes train, the first one does."""
        if not is_first_rank():
            return
        for name, entry in self.state.items():
            if isinstance(entry, nn.Module):
                check_finite(name, entry, self.path)
        with whole_file(self.path) as partial:
            _save({name: entry.state_dict() for name, entry in self.state.items()}, partial)
            if self.run_id is not None:
                mark_run(partial, self.run_id)

    def _how_to_go_on(self) -> str:
        if not self.path.is_file():
            return "No epoch was finished, so there is nothing to go on with: start again."
        return f"Go on after the last finished epoch with the same command and --resume True ({self.path})."

    def load(self, engine: Engine) -> None:
        """Load the file into the objects of the run; the number of epochs stays the one that is configured."""
        if not self.path.is_file():
            raise no_checkpoint(self.path)
        found = run_of(self.path)
        if self.run_id is not None and found != self.run_id:
            raise UserError(
                f"The checkpoint {self.path} belongs to run {found}, its folder to run {self.run_id}: name the folder "
                "of the run that is to go on."
            )
        self.run_id = found
        checkpoint = read_tensors(self.path, self.map_location)
        missing = sorted(set(self.state) - set(checkpoint))
        if missing:
            raise UserError(
                f"The checkpoint {self.path} has no {', '.join(missing)}: it was written by another method. Resume "
                "with the configs that the run was started with."
            )
        for name, entry in self.state.items():
            if isinstance(entry, nn.Module):
                self._check_fits(name, entry, checkpoint[name])
        max_epochs = engine.state.max_epochs
        try:
            Checkpoint.load_objects(to_load=self.state, checkpoint=checkpoint)
        except UserError:
            raise
        except Exception as error:  # each object has its own errors for a state that is not one of its own
            raise UserError(
                f"The checkpoint {self.path} holds no state of this run ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}): it is damaged, or was written with other configs."
            ) from error
        for entry in self.state.values():
            if isinstance(entry, torch.optim.Optimizer):
                _lay_out_as_parameters(entry)
        if max_epochs is not None and engine.state.epoch >= max_epochs:
            raise UserError(
                f"The run in {self.path.parent} has already done {engine.state.epoch} of {max_epochs} epochs: raise "
                "max_epochs to train on."
            )
        engine.state.max_epochs = max_epochs
        engine.fire_event(RunEvents.RESUMED)

    def _check_fits(self, name: str, module: nn.Module, state: Mapping[str, Any]) -> None:
        wanted, found = (_shapes(s) for s in (module.state_dict(), state))
        differing = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
        if differing:
            raise UserError(
                f"The checkpoint {self.path} has another {name} than these configs (first at {differing[0]!r}): "
                "resume with the configs that the run was started with; the flow of runs from before the wavelet flow "
                "has flow_def::kind real_nvp."
            )


def _shapes(state: Any) -> dict[str, tuple[int, ...] | None]:
    """Shape of each tensor of a state; of a damaged one, nothing, or ``None`` for what is no tensor."""
    entries = state if isinstance(state, Mapping) else {}
    return {key: tuple(value.shape) if torch.is_tensor(value) else None for key, value in entries.items()}


def _save(content: Mapping[str, Any], path: Path) -> None:
    """Through a file that is open: given a path, torch writes its name into the file, and equal runs would differ."""
    with path.open("wb") as file:
        torch.save(content, file)


def check_finite(name: str, module: nn.Module, path: Path) -> None:
    """Refuse to save weights that are not finite.

    Args:
        name: of the module.
        module: what would be saved; its buffers may be infinite, as masks are, but not NaN.
        path: file that stays as it is.

    Raises:
        ValueError: if there are such weights; it names the first.

    """
    learnt = {key for key, _ in module.named_parameters()}
    tensors = {key: value for key, value in module.state_dict().items() if torch.is_tensor(value)}
    bad = [k for k, v in tensors.items() if not torch.isfinite(v).all() and (k in learnt or torch.isnan(v).any())]
    if bad:
        raise UserError(
            f"The weights of {name} are no longer finite (first {bad[0]}): training cannot go on, and {path} stays as "
            f"it was. Lower the learning rate of {name} and go on from there, or check the images and landmarks of the "
            "data list."
        )


def _lay_out_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give each moment the strides of its parameter.

    A checkpoint keeps the layout it was written with, and torch's fused Adam on a CPU pairs the numbers of a parameter
    and of its moments by their place in memory: moments from a contiguous network would go to the wrong channels-last
    weights, without a word.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if torch.is_tensor(value) and value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


class BestModelSaver:
    """Keep the weights of the epoch whose key metric of validation was best; put its state into the run's checkpoint.

    Args:
        path: file of the weights, a bare state dict.
        network: the network to save.
        metric_cmp_fn: whether the first of two values is better, as in MONAI's evaluators; default: lower is better.
        companions: file name to a network that is saved beside it in the same epochs, such as the flow.
        landmarks: see :func:`monai_degia.landmark_set`: what the network is goes into ``model.json`` beside the
            weights, so that :meth:`monai_degia.TrainedModel.load` needs nothing but the folder. ``None`` leaves the
            weights alone.
        name: of the model, in ``model.json``.
        config: class and arguments of the network, see :class:`monai_degia.ModelDescription`; needed for networks other
            than :class:`monai_degia.LandmarkRegressor`.
        in_channels: of the network's images; default: the network's attribute.
        image_size: (X, Y) of the network's images; default: the network's attribute.
        both_sides: whether it is trained on left and right ones alike, for ``model.json``.

    Raises:
        ValueError: if ``both_sides`` is said of landmarks that have none.

    """

    def __init__(
        self,
        path: str | Path,
        network: nn.Module,
        metric_cmp_fn: Callable[[float, float], bool] = operator.lt,
        companions: Mapping[str, nn.Module] | None = None,
        landmarks: Landmarks | None = None,
        name: str = "landmarks",
        config: Mapping[str, Any] | None = None,
        in_channels: int | None = None,
        image_size: Sequence[int] | None = None,
        both_sides: bool = False,
    ) -> None:
        if landmarks is not None:
            check_sides(landmarks, both_sides)
        self.landmarks, self.name = landmarks, name
        self.about: dict[str, Any] = {
            "config": config,
            "in_channels": in_channels,
            "image_size": image_size,
            "both_sides": both_sides,
        }
        self.path, self.network, self.metric_cmp_fn = Path(path), network, metric_cmp_fn
        self.companions = dict(companions or {})
        self.best: float | None = None
        self._told = False
        self.epoch = 0

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Compare and save."""
        value = float(engine.state.metrics[engine.state.key_metric_name])
        # Nothing compares as better than NaN: taken as the best it would stay there.
        if not math.isnan(value) and (self.best is None or self.metric_cmp_fn(value, self.best)):
            self.best, self.epoch = value, engine.state.epoch
            if not is_first_rank():
                return
            self._save()

    def _save(self) -> None:
        files = {self.path: self.network, **{self.path.parent / n: m for n, m in self.companions.items()}}
        described = None
        if self.landmarks is not None:
            flow = next((module for module in self.companions.values() if isinstance(module, FlowPrior)), None)
            described = ModelDescription.of(self.network, self.landmarks, flow, self.name, **self.about)
            if described is None and not self._told:
                self._told = True
                _logger.warning("No %s beside %s: nobody could build the network again.", DESCRIPTION_FILE, self.path)
        for path, network in files.items():
            check_finite(path.stem, network, path)
        # All drafts first: what can fail, a full disk above all, fails before the files of the last best epoch change.
        with ExitStack() as drafts:
            for path, network in files.items():
                _save(network.state_dict(), drafts.enter_context(whole_file(path)))
            if described is not None:
                described.save(self.path.parent / DESCRIPTION_FILE)

    def state_dict(self) -> dict[str, Any]:
        """Best value, ``None`` before the first validation, and its epoch."""
        return {"best": self.best, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue comparing."""
        self.best, self.epoch = state["best"], int(state["epoch"])
