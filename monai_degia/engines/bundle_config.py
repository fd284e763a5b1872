"""What a running bundle config cannot know of itself: where it is, and which of its keys mean nothing."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from pydoc import locate
from types import FrameType
from typing import Any, NamedTuple

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.config_item import ConfigComponent
from monai.bundle.properties import InferProperties, TrainProperties

from monai_degia.engines.config_values import unfit_values
from monai_degia.errors import UserError, did_you_mean

__all__ = ["bundle_root", "check_config", "component_config"]

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
    """Refuse a running config with an entry that means nothing or has a value of a wrong kind; call it from the config.

    MONAI takes any key, so a misspelt one would change nothing and the run would end well. An entry means something if
    another one refers to it, if a config beside the running one has it, if MONAI asks for it, or if it is an argument
    of the entry's ``_target_``. A value is of a wrong kind if it is a text where the bundle has a number, or a
    path that is no text.

    Raises:
        ValueError: if there is such an entry; the message suggests what may have been meant.

    """
    for frame in _frames():
        asking = frame.f_locals.get("self")
        if isinstance(asking, ConfigWorkflow):
            _check(asking.parser, Path(asking.config_root_path))
            return


def component_config(name: str) -> dict[str, Any] | None:
    """An entry of the running config as plain values that build it again: ``_target_`` and resolved arguments.

    Args:
        name: of the entry, such as ``network_def``.

    Returns:
        The values; ``None`` if nobody runs a config, the entry is no component, or an argument is no plain value.

    """
    for frame in _frames():
        asking = frame.f_locals.get("self")
        if isinstance(asking, ConfigParser):
            raw = asking.get(name)
            if not ConfigComponent.is_instantiable(raw):
                return None
            values = {k: asking.get_parsed_content(f"{name}#{k}") for k in raw if k not in _SPECIAL}
            try:
                return json.loads(json.dumps({"_target_": raw["_target_"], **values}))
            except TypeError:
                return None
    return None


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
    shipped = []
    for file in sorted(folder.glob("*.json")):
        with suppress(ValueError):  # a file of another kind that is damaged is nobody's business here
            shipped.append(json.loads(file.read_text(encoding="utf-8")))
    known = _ASKED_FOR.union(*map(_names, shipped))
    problems = _problems(parser, config, "", _Names(used, known))
    for problem in chain(problems, unfit_values(config, [entry for entry in shipped if isinstance(entry, dict)])):
        raise UserError(problem)


class _Names(NamedTuple):
    """Names of entries that mean something.

    Args:
        used: others refer to these, and so to all that is in them.
        known: these, and nothing that may be in them.

    """

    used: set[str]
    known: set[str]

    def __contains__(self, name: object) -> bool:
        text = str(name)
        if text in self.known or text.split("#")[0] == "_meta_":
            return True
        # A reference to what is in an entry uses the entry, too.
        return any(text == u or u.startswith(f"{text}#") or text.startswith(f"{u}#") for u in self.used)

    def decide(self, place: str) -> bool:
        """Whether the entries at a place are given by the bundle; ``source_sets``, for one, is for overlays to fill."""
        return not place or any(name.startswith(f"{place}#") for name in self.known)

    def at(self, place: str) -> set[str]:
        """Names of the entries at one place."""
        start = f"{place}#" if place else ""
        return {name[len(start) :].split("#")[0] for name in self.used | self.known if name.startswith(start)}


def _problems(parser: ConfigParser, config: Any, place: str, names: _Names) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for index, entry in enumerate(config):
            yield from _problems(parser, entry, _join(place, str(index)), names)
    if not isinstance(config, Mapping):
        return
    component = ConfigComponent.is_instantiable(config)
    arguments = _arguments(parser, config) if component else None
    for key, value in config.items():
        name = _join(place, str(key))
        if component and arguments is not None and key not in arguments:
            yield f"{config['_target_']} has no option {key!r} ({name}).{did_you_mean(key, arguments)}"
        if not component and name not in names and names.decide(place):
            yield f"Nothing in these configs knows the key {name!r}.{did_you_mean(key, names.at(place))}"
        if _FOLDER.search(str(key)) and isinstance(value, (int, float, tuple)) and not isinstance(value, bool):
            yield (
                f"{name} was read from the command line as {value!r}, which is no text and may not be what was typed. "
                "Write a folder whose name looks like a number or a list with its place before it, such as ./2024."
            )
        yield from _problems(parser, value, name, names)


def _names(config: Any, place: str = "") -> Iterator[str]:
    """Entries of a config file, without the arguments of components."""
    if isinstance(config, Mapping) and not ConfigComponent.is_instantiable(config):
        for key, value in config.items():
            name = _join(place, str(key).replace("::", "#"))
            yield name
            yield from _names(value, name)


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
