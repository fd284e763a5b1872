"""Bundle configs run from Python, as ``python -m monai.bundle run`` runs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["run_configs", "whole_config"]


def run_configs(
    configs: Sequence[str | Path], bundle: Path | None = None, tracking: str | None = None, **overrides: Any
) -> None:
    """Initialise, run and finalise a bundle workflow.

    Args:
        configs: config files, later ones override earlier ones.
        bundle: bundle whose ``logging.conf`` and ``metadata.json`` apply; ``None`` for neither.
        tracking: as MONAI takes it: ``mlflow``, or a file of settings.
        **overrides: entries on top of the configs.

    """
    # MONAI's bundle tools take a second to load, which --help should not wait for.
    from monai.bundle import ConfigWorkflow

    folder = None if bundle is None else bundle / "configs"
    workflow = ConfigWorkflow(
        config_file=[str(config) for config in configs],
        # An empty list: None would look for a file beside the configs, and complain that there is none.
        meta_file=[] if folder is None else str(folder / "metadata.json"),
        logging_file=False if folder is None else str(folder / "logging.conf"),
        workflow_type="train",
        tracking=tracking,
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def whole_config(configs: Sequence[str | Path], overrides: dict[str, Any]) -> dict[str, Any]:
    """All entries of several configs and what overrides them, as plain values.

    Args:
        configs: config files, later ones override earlier ones.
        overrides: entries on top of them, nested ones with ``::``.

    """
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_files([str(config) for config in configs]))
    parser.update(overrides)
    return dict(parser.get())
