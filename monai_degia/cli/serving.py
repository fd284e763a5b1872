"""Start the MONAI Label server, and the demo."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai_degia
from monai_degia.cli.options import Command
from monai_degia.errors import MissingExtraError
from monai_degia.io.packaged import packaged_folder

__all__ = ["COMMANDS"]


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", metavar="STUDIES", help="folder of images, or address of a DICOMweb server")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="of a training; default: the bundle's own weights")
    parser.add_argument("--host", default="127.0.0.1", help="default: this computer alone")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument("--conf", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="of the app")


def _serve(options: argparse.Namespace, _overrides: dict[str, Any]) -> None:
    program = Path(sys.executable).with_name("monailabel")
    found = str(program) if program.exists() else shutil.which("monailabel")
    if found is None:
        raise MissingExtraError(
            "The server needs MONAI Label, in an environment of its own: pip install monai_degia[label]"
        )
    conf = [("bundle", str(packaged_folder("bundle"))), *options.conf]
    if options.model is not None:
        conf.append(("trained", str(options.model.resolve())))
    command = [found, "start_server", "--app", str(Path(monai_degia.__file__).parent / "label_app")]
    command += ["--studies", options.studies, "--host", options.host, "--port", str(options.port)]
    for name, value in conf:
        command += ["--conf", name, value]
    sys.exit(subprocess.run(command, check=False).returncode)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="FOLDER", help="default: runs/demo")


def _demo(options: argparse.Namespace, _overrides: dict[str, Any]) -> None:
    from monai_degia.experiments.__main__ import main as experiments

    root = packaged_folder("bundle").parent
    experiments(["demo", "--root", str(root), "--output_dir", str(options.out)])


COMMANDS = (
    Command("serve", "Start a MONAI Label server that labels images with the network", _add_server, _serve, False),
    Command(
        "demo", "Render hands, train plain and DeGIA networks on them, and compare (5 minutes)", _add_demo, _demo, False
    ),
)
