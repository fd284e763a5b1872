"""The bundle's training config on corrected landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigWorkflow

from monai_degia.errors import UserError
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.markup_labels import markup_pixels
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription
from monai_degia.networks.weights import load_weights

__all__ = ["FineTuning", "TuningOptions", "labelled_items"]

_FEW = 5  # labels; below that, none can be spared for validation
_RANGES = {
    "max_epochs": (int, 1, 1000),
    "iterations_per_epoch": (int, 1, 10000),
    "batch_size": (int, 2, 1024),  # batch normalisation needs two
    "learning_rate": (float, 1e-8, 1.0),
}


@dataclass(frozen=True)
class TuningOptions:
    """What a request may choose; all are entries of ``configs/train.json``.

    Args:
        max_epochs: passes of ``iterations_per_epoch`` steps, each followed by validation.
        iterations_per_epoch: optimiser steps an epoch.
        batch_size: images a step; of few labels each comes several times, differently augmented.
        learning_rate: of Adam at the start.

    """

    max_epochs: int = 5
    iterations_per_epoch: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-4

    @classmethod
    def of_request(cls, request: Mapping[str, Any]) -> TuningOptions:
        """Take the options out of a request, which may hold other things too.

        Raises:
            RefusedRequest: if a value is of the wrong kind or out of range.

        """
        given = {name: request[name] for name in _RANGES if name in request}
        for name, value in given.items():
            kind, low, high = _RANGES[name]
            is_kind = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
            if not is_kind or not low <= value <= high:
                what = "an integer" if kind is int else "a number"
                raise RefusedRequest(f"{name} must be {what} from {low} to {high}, got {str(value)[:80]!r}.", 400)
        return cls(**given)


def labelled_items(labels: Sequence[tuple[str | Path, str | Path]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Training items of labelled images.

    Args:
        labels: pairs of an image file and its ``.mrk.json`` file.
        names: the K landmarks.

    Returns:
        Items as of :func:`monai_degia.load_datalist`; modality and mirroring are decided as in inference.

    Raises:
        RefusedRequest: if there is no label, or one cannot be used.

    """
    if not labels:
        raise RefusedRequest("There is no corrected label yet. Put one with PUT /datastore/label?image=ID.", 409)
    items = []
    for image, label in labels:
        try:
            points = markup_pixels(Path(label).read_bytes(), image, names)
        except RefusedRequest as error:
            raise RefusedRequest(f"The label {Path(label).name} cannot be used: {error}", 409) from None
        item = {"image": str(image), "landmarks": points.astype(np.float32), "class": 0, "domain": "labels"}
        items.append({**item, "modality": "auto", "mirror": "auto"})
    return items


class FineTuning:
    """Go on training the task network on labelled images, from given weights, without flow and maximisation.

    Every fifth label is kept for validation; if there are fewer than five, all serve for both. The weights that are
    left are the best on validation, those from the start included.

    Args:
        bundle_dir: root of the bundle, for its training config.
        trained: folder of the trained model.
        weights: state dict to start from.
        work_dir: folder of the run, for nothing else.
        options: what the request chose.
        device: to train on; default: the first GPU, if there is one.
        **overrides: further entries of the config.

    """

    def __init__(
        self,
        bundle_dir: str | Path,
        trained: str | Path,
        weights: str | Path,
        work_dir: str | Path,
        options: TuningOptions,
        device: str | None = None,
        **overrides: Any,
    ) -> None:
        self.config = Path(bundle_dir) / "configs" / "train.json"
        if not self.config.is_file():
            raise UserError(f"There is no {self.config}. Name the folder of the bundle: --conf bundle FOLDER.")
        self.weights, self.work_dir = Path(weights), Path(work_dir)
        described = ModelDescription.load(Path(trained) / DESCRIPTION_FILE)
        self.overrides = {
            "bundle_root": str(bundle_dir),
            "landmarks": described.landmarks,
            "network_def": described.network,
            "image_size": list(described.image_size),
            "in_channels": described.in_channels,
            # Configs from before there was the entry refuse it, and have no model that needs it.
            **({"both_sides": True} if described.both_sides else {}),
            **({"device": f"$torch.device({device!r})"} if device else {}),
            **asdict(options),
            **overrides,
        }

    def run(self, items: Sequence[dict[str, Any]]) -> tuple[Path | None, dict[str, Any]]:
        """Train.

        Args:
            items: of :func:`labelled_items`.

        Returns:
            File of the best weights, None if those from the start are better; and how it went: ``labels``, ``epochs``,
            and the normalised error on validation, ``error_before`` and ``error_after``.

        """
        kept_out = list(items[::_FEW]) if len(items) >= _FEW else list(items)
        seen = [item for index, item in enumerate(items) if index % _FEW] if len(items) >= _FEW else list(items)
        parser = self._workflow(seen, kept_out).parser
        network = parser.get_parsed_content("network")
        load_weights(network, self.weights)
        best, trainer = parser.get_parsed_content("best_model"), parser.get_parsed_content("train::trainer")
        parser.get_parsed_content("validate::evaluator").run()
        before = best.best
        trainer.run()
        parser.get_parsed_content("summary_writer").close()
        summary = {
            "labels": len(items),
            "epochs": trainer.state.epoch,
            "error_before": before,
            "error_after": best.best,
        }
        return (best.path if best.best < before else None), summary

    def _workflow(self, seen: list[dict[str, Any]], kept_out: list[dict[str, Any]]) -> ConfigWorkflow:
        workflow = ConfigWorkflow(
            config_file=str(self.config),
            workflow_type="train",
            logging_file=False,
            **{
                # A tuple, which the parser leaves alone: it would look for references in the paths of a list.
                "splits": (seen, kept_out, []),
                "use_flow": False,
                "maximize": False,
                "output_dir": str(self.work_dir / "eval"),
                "ckpt_dir": str(self.work_dir / "models"),
                **self.overrides,
            },
        )
        parser = workflow.parser
        parser["train::handlers"] = without_progress_bars(parser["train::handlers"])
        workflow.initialize()
        return workflow


def without_progress_bars(handlers: Sequence[Any]) -> list[Any]:
    """Leave out what draws on a terminal: nobody looks at that of a server.

    Args:
        handlers: entries of a bundle's config.

    Returns:
        The others.

    """
    return [h for h in handlers if not (isinstance(h, dict) and str(h.get("_target_", "")).endswith("PhaseProgress"))]
