"""What commands share: how one is described, and entries of configs on the command line."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.packaged import packaged_folder

__all__ = ["Command", "bundle_config", "config_files", "overrides_of", "split_entries"]


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        name: as it is typed.
        help: what it does, one sentence without its full stop.
        add_options: adds its own options.
        run: does it, with its options and the entries of configs.
        takes_config: whether ``--key value`` may name entries of configs.

    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, dict[str, Any]], None]
    takes_config: bool = True


def bundle_config(name: str) -> Path:
    """A config of the bundle, such as ``train.json``."""
    return packaged_folder("bundle") / "configs" / name


def config_files(names: Sequence[str]) -> list[Path]:
    """Overlays by path, or by the name of one that comes with the package.

    Args:
        names: such as ``mine.yaml`` or ``backbone/densenet``.

    Raises:
        ValueError: if one is neither.

    """
    folder, found = packaged_folder("configs"), []
    for name in names:
        packaged = folder / f"{name}.yaml"
        path = packaged if packaged.is_file() else Path(name)
        if not path.is_file():
            known = [file.relative_to(folder).with_suffix("").as_posix() for file in sorted(folder.rglob("*.yaml"))]
            raise UserError(f"There is no config {name}.{did_you_mean(name, known)} Name a file, or one of {known}.")
        found.append(path)
    return found


def split_entries(
    arguments: Sequence[str], options: Container[str], flags: Container[str] = ()
) -> tuple[list[str], list[str]]:
    """Part the options of a command from entries of configs.

    Args:
        arguments: of the command line.
        options: the command's own, such as ``--out``.
        flags: those of them that take no value, such as ``--resume``; ``True`` or ``False`` behind one is understood.

    Returns:
        What belongs to the command, and names and values of entries.

    """
    own, entries, rest = [], [], list(arguments)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--") or name.partition("=")[0] in options:
            # Entries of configs are switched by True, and so whoever writes --resume True means the flag.
            said = rest.pop(0) if name in flags and rest and rest[0].lower() in ("true", "false") else "true"
            own += [name] if said.lower() == "true" else []
            continue
        entries.append(name)
        if "=" not in name and rest and not rest[0].startswith("--"):
            entries.append(rest.pop(0))
    return own, entries


def overrides_of(arguments: Sequence[str]) -> dict[str, Any]:
    """Entries of configs: ``--key value`` or ``--key=value``.

    A value is read as a number, list, ``None`` or ``True`` of Python, as the command line of ``monai.bundle`` does, and
    as text where it is none of these.

    Args:
        arguments: what no option took.

    Raises:
        ValueError: if something is not of that form.

    """
    overrides: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--") or len(name) < 3:
            raise UserError(f"{name!r} is no option: entries of configs are written --key value.")
        key, equals, text = name[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise UserError(f"--{key} has no value: write --{key} VALUE.")
            text = rest.pop(0)
        overrides[key] = _value(text)
    return overrides


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "null": None}.get(text, text)
