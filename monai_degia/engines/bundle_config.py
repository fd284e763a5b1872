"""What a running bundle config cannot know of itself: where it is, and which of its keys mean nothing."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pydoc import locate
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.config_item import ConfigComponent
from monai.bundle.properties import InferProperties, TrainProperties

from monai_degia.errors import UserError, did_you_mean

__all__ = ["bundle_root", "check_config"]

#: Entries that nothing in a config refers to, because MONAI, MONAI Label or an overlay asks for them by name.
_ASKED_FOR = {"imports", "initialize", "run", "finalize", "_meta_", "network_def", "preprocessing", "postprocessing"}
_ASKED_FOR |= {"evaluator", "inferer", "dataset", "train", "validate", "bundle_root", "save_execute_config"}
_ASKED_FOR |= {"tracking_uri", "experiment_name", "run_name", "is_not_rank0", "displayable_configs"}
_ASKED_FOR |= {entry["id"] for entry in (*TrainProperties.values(), *InferProperties.values())}
_REFERENCE = re.compile(r"@([A-Za-z_][\w#:]*(?:\[[^\]]*\])?[\w#:]*)")
_FOLDER = re.compile(r"(^|_)(dir|root|path|folder)$")
_SPECIAL = ConfigComponent.non_arg_keys


def bundle_root() -> str:
    """Folder of the bundle whose config asks: the one above ``configs/``, from whatever folder it is run.

    A config is not told its own place, so that is taken from whoever of MONAI evaluates it.

    Returns:
        The folder as the config's path was given; ``"."`` if nobody runs a config.

    """
    for frame in _frames():
        asking = frame.f_locals.get("self")
        if isinstance(asking, ConfigWorkflow):
            return _above(Path(asking.config_root_path))
        if frame.f_globals.get("__name__") == "monai.bundle.scripts":
            files = frame.f_locals.get("config_file_") or frame.f_locals.get("config_file")
            first = files[0] if isinstance(files, (list, tuple)) and files else files
            if isinstance(first, (str, Path)):
                return _above(Path(first).parent)
    return "."


def check_config() -> None:
    """Refuse a running config with an entry that means nothing, or a path that is no text; call it from the config.

    MONAI takes any key, so a misspelt one would change nothing and the run would end well. An entry means something if
    another one refers to it, if a config beside the running one has it, if MONAI asks for it, or if it is an argument
    of the entry's ``_target_``.

    Raises:
        ValueError: if there is such an entry; the message suggests what may have been meant.

    """
    for frame in _frames():
        asking = frame.f_locals.get("self")
        if isinstance(asking, ConfigWorkflow):
            _check(asking.parser, Path(asking.config_root_path))
            return


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _above(folder: Path) -> str:
    return str(folder.parent if folder.name == "configs" else folder)


def _check(parser: ConfigParser, folder: Path) -> None:
    config = parser.get()
    used = {name for text in _texts(config) for name in _references(text)}
    for file in sorted(folder.glob("*.json")):
        used |= set(_names(json.loads(file.read_text(encoding="utf-8"))))
    for problem in _problems(parser, config, "", used):
        raise UserError(problem)


def _problems(parser: ConfigParser, config: Any, place: str, used: set[str]) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for index, entry in enumerate(config):
            yield from _problems(parser, entry, _join(place, str(index)), used)
    if not isinstance(config, Mapping):
        return
    component = ConfigComponent.is_instantiable(config)
    known = _arguments(parser, config) if component else None
    for key, value in config.items():
        name = _join(place, str(key))
        if component and known is not None and key not in known:
            yield f"{config['_target_']} has no option {key!r} ({name}).{did_you_mean(key, known)}"
        if not component and not _is_used(name, used):
            siblings = [*(n for n in config if _is_used(_join(place, n), used)), *_of_level(used, place)]
            yield f"Nothing in these configs knows the key {name!r}.{did_you_mean(key, siblings)}"
        if _FOLDER.search(str(key)) and isinstance(value, (int, float, tuple)) and not isinstance(value, bool):
            yield (
                f"{name} was read from the command line as {value!r}, which is no text and may not be what was typed. "
                "Write a folder whose name looks like a number or a list with its place before it, such as ./2024."
            )
        yield from _problems(parser, value, name, used)


def _is_used(name: str, used: set[str]) -> bool:
    first = name.split("#")[0]
    if name in _ASKED_FOR or first == "_meta_":
        return True
    # A reference to an entry uses all that is in it, and one to what is in an entry uses the entry.
    return any(name == u or u.startswith(f"{name}#") or name.startswith(f"{u}#") for u in used)


def _names(config: Any, place: str = "") -> Iterator[str]:
    """Entries of a config file, without the arguments of components."""
    if isinstance(config, Mapping) and not ConfigComponent.is_instantiable(config):
        for key, value in config.items():
            name = _join(place, str(key).replace("::", "#"))
            yield name
            yield from _names(value, name)


def _of_level(used: set[str], place: str) -> set[str]:
    start = f"{place}#" if place else ""
    return {u[len(start) :].split("#")[0] for u in used if u.startswith(start)}


def _arguments(parser: ConfigParser, config: Mapping[str, Any]) -> set[str] | None:
    """Names that the target of a component takes; ``None`` if it takes any, or nobody can tell."""
    if config.get("_mode_", "default") != "default" or config.get("_disabled_") is True:
        return None
    try:
        target = ConfigComponent(dict(config), locator=parser.locator).resolve_module_name()
    except Exception:  # unknown targets are MONAI's to complain about
        return None
    return _takes(target)


def _takes(target: Any) -> set[str] | None:
    target = locate(target) if isinstance(target, str) else target
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters} | _SPECIAL


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _texts(value)


def _references(text: str) -> Iterator[str]:
    for found in _REFERENCE.finditer(text):
        yield found[1].replace("::", "#").split("[")[0].rstrip("#")


def _join(place: str, key: str) -> str:
    return f"{place}#{key}" if place else key
