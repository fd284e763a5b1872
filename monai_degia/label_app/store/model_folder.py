"""Which weights serve, and what training they come from: the part of the server's state that is not the data store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.plain_json import parse_json

__all__ = ["ModelFolder"]

_RECORD = "training.json"
_LONGEST = 255  # bytes of a name


class ModelFolder:
    """Fine-tuned weights beside the bundle, replaced whole or not at all.

    ``training.json`` names the weights in use and lists all trainings; it is written last and in one step, so a
    server that is killed while it saves goes on with what it had.

    Args:
        folder: of the weights and the record; made when there is something to save.
        trained: folder of the trained model, whose weights serve until there are others.

    Raises:
        ValueError: if the model has no weights, or the record cannot be read.

    """

    def __init__(self, folder: str | Path, trained: str | Path) -> None:
        self.folder, self.trained = Path(folder), Path(trained)
        self.shipped = self.trained / "model.pt"
        if not self.shipped.is_file():
            raise UserError(
                f"There are no weights at {self.shipped}. Name the bundle, --conf bundle FOLDER, or a trained model, "
                "--conf trained FOLDER."
            )
        self.history()  # a record that cannot be read must stop the server, not the first request

    def history(self) -> list[dict[str, Any]]:
        """All trainings so far, oldest first."""
        return list(self._record()["trainings"])

    @property
    def fine_tuned(self) -> Path | None:
        """The weights of the last training that was an improvement; None while those of the bundle serve."""
        name = self._record()["weights"]
        return self.folder / name if name else None

    @property
    def weights(self) -> Path:
        """The weights in use."""
        return self.fine_tuned or self.shipped

    @property
    def version(self) -> str:
        """What to add to the version of the bundle: empty, or ``+label.N`` after training N."""
        tuned = self.fine_tuned
        return f"+label.{tuned.stem.rpartition('_')[2]}" if tuned else ""

    def add_training(self, entry: dict[str, Any], weights: str | Path | None) -> None:
        """Record a training and, if it was an improvement, use its weights from now on.

        Args:
            entry: plain values that describe it.
            weights: file to copy; None keeps the weights in use.

        """
        record = self._record()
        record["trainings"].append(entry)
        if weights is not None:
            record["weights"] = f"model_{len(record['trainings'])}.pt"
            with whole_file(self.folder / record["weights"]) as partial:
                shutil.copyfile(weights, partial)
        with whole_file(self.folder / _RECORD) as partial:
            partial.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        for old in self.folder.glob("model_*.pt"):
            if old.name != record["weights"]:
                old.unlink()

    def _record(self) -> dict[str, Any]:
        path = self.folder / _RECORD
        if not path.is_file():
            return {"weights": None, "trainings": []}
        try:
            record = parse_json(path.read_bytes())
            weights, trainings = record["weights"], [dict(entry) for entry in record["trainings"]]
            plain = weights is None or (isinstance(weights, str) and _is_plain(weights))
            if not plain:
                raise UserError(f"weights must be the name of a file beside it, it is {str(weights)[:80]!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}). Restore it, or move {self.folder} away to start again with the weights "
                "of the bundle."
            ) from None
        if weights is not None and not (self.folder / weights).is_file():
            raise UserError(f"{path} names {weights}, which is not there. Restore it, or move {self.folder} away.")
        return {"weights": weights, "trainings": trainings}


def _is_plain(name: str) -> bool:
    """Whether a name leads to a file of the folder itself, and may be one on any disk."""
    return Path(name).name == name and "\0" not in name and len(os.fsencode(name)) <= _LONGEST
