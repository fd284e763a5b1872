"""The bundle's inference config kept ready, for one image at a time."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from monai_degia.label_app.refusals import RefusedRequest

__all__ = ["BundleInference", "without_progress_bars"]


class BundleInference:
    """Run ``configs/inference.json`` on one file after the other, with the transforms, network and scores that it has.

    The objects of the config are made once; its own handler reads the weights anew for each image, so a file of weights
    that is replaced takes effect. Calls from several threads wait for each other.

    Args:
        bundle_dir: root of the bundle.
        weights: state dict of the task network; the flow and the calibration are those of the bundle.
        version: what to add to the model's version in results, such as ``+label.1``.
        overrides: further entries of the config, such as ``device``.

    Raises:
        ValueError: if the folder holds no such config.

    """

    def __init__(self, bundle_dir: str | Path, weights: str | Path, version: str = "", **overrides: Any) -> None:
        config = Path(bundle_dir) / "configs" / "inference.json"
        if not config.is_file():
            raise ValueError(f"There is no {config}. Name the folder of the bundle: --conf bundle FOLDER.")
        self._lock = threading.Lock()
        self._results = Path(tempfile.mkdtemp(prefix="landmarks_"))
        workflow = ConfigWorkflow(
            config_file=str(config),
            workflow_type="infer",
            logging_file=False,
            **{
                "bundle_root": str(bundle_dir),
                "output_dir": str(self._results),
                "ckpt_path": str(weights),
                "formats": ["markups"],
                "batch_size": 1,
                "num_workers": 0,
                "dataset::data": [{"image": ""}],  # replaced before each run
                **overrides,
            },
        )
        parser = workflow.parser
        parser["handlers"] = without_progress_bars(parser["handlers"])
        self._dataset, self._writer = parser.get_parsed_content("dataset"), parser.get_parsed_content("writer")
        self._evaluator = parser.get_parsed_content("evaluator")
        self._writer.model_version += version
        self.names: tuple[str, ...] = self._writer.names

    def __call__(self, file: str | Path) -> tuple[str, dict[str, Any]]:
        """Find the landmarks of one image.

        Args:
            file: the image.

        Returns:
            Text of the Slicer markups, and the entry of ``landmarks.json``.

        Raises:
            RefusedRequest: if the file cannot be read as an image, or has no place for landmarks.

        """
        with self._lock:
            try:
                return self._run(Path(file))
            finally:
                for left in self._results.iterdir():
                    left.unlink()

    def _run(self, file: Path) -> tuple[str, dict[str, Any]]:
        self._dataset.data = [{"image": str(file)}]
        self._writer.image_dir = file.parent
        self._evaluator.run()
        if self._writer.failures:
            reason = " ".join(str(self._writer.failures[0][1]).split())
            raise RefusedRequest(reason.replace(str(file), file.name))
        (entry,) = json.loads((self._results / "landmarks.json").read_text(encoding="utf-8"))
        (markups,) = self._results.glob("*.mrk.json")
        return markups.read_text(encoding="utf-8"), entry

    def close(self) -> None:
        """Remove the folder that results pass through."""
        shutil.rmtree(self._results, ignore_errors=True)


def without_progress_bars(handlers: Sequence[Any]) -> list[Any]:
    """Leave out what draws on a terminal: nobody looks at that of a server.

    Args:
        handlers: entries of a bundle's config.

    Returns:
        The others.

    """
    return [h for h in handlers if not (isinstance(h, dict) and str(h.get("_target_", "")).endswith("PhaseProgress"))]
