"""What each entry of ``model.json`` must be, checked before anything is built of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monai_degia.errors import UserError, did_you_mean

__all__ = ["check_entries"]

# Beyond these nobody has a network, and a wrong number would ask for all the memory there is.
_LARGEST_SIDE, _MOST_CHANNELS, _LARGEST = 16_384, 4_096, 1_000_000
_DEEPEST = 8
_FLOW = ("gamma", "shift_scale")
_OPTIONAL = ("flow", "both_sides")


def check_entries(content: Any, version: int) -> Mapping[str, Any]:
    """Refuse what :meth:`monai_degia.ModelDescription.save` does not write.

    Args:
        content: as parsed.
        version: of the file's form that is known.

    Returns:
        The same.

    Raises:
        ValueError: with the entry, its place and what it should be.

    """
    if not isinstance(content, Mapping):
        raise UserError("it is no JSON object.")
    if type(content.get("format")) is not int or content["format"] != version:
        raise UserError(f"its format is {content.get('format')!r:.40}, this version reads {version}.")
    known = {**_ENTRIES, "landmarks": None, **dict.fromkeys(_OPTIONAL), "format": None}
    if unknown := sorted(set(content) - set(known)):
        hint = did_you_mean(unknown[0], known)
        raise UserError(f"it has unknown entries: {', '.join(unknown)[:200]}.{hint}")
    if missing := [name for name in known if name not in content and name not in _OPTIONAL]:
        raise UserError(f"it lacks {', '.join(missing)}.")
    for name, check in _ENTRIES.items():
        check(name, content[name])
    if content.get("flow") is not None:
        _check_flow(content["flow"])
    if type(content.get("both_sides", False)) is not bool:
        raise _refuse("both_sides", content["both_sides"], "true or false")
    return content


def _refuse(place: str, value: Any, wanted: str) -> UserError:
    return UserError(f"{place} is {value!r:.60}, not {wanted}.")


def _check_text(place: str, value: Any) -> None:
    if not isinstance(value, str) or not value or len(value) > 1000:
        raise _refuse(place, value, "a text")


def _check_count(place: str, value: Any, most: int = _MOST_CHANNELS) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise _refuse(place, value, f"a whole number from 1 to {most}")


def _check_size(place: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _refuse(place, value, "two whole numbers [X, Y]")
    for index, side in enumerate(value):
        _check_count(f"{place}[{index}]", side, _LARGEST_SIDE)


def _check_network(place: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not isinstance(value.get("_target_"), str):
        raise _refuse(place, value, "an object with _target_, the name of a class, and its arguments")
    _check_arguments(place, value, 0)


def _check_arguments(place: str, value: Any, depth: int) -> None:
    """Numbers of a size that a network can have, and no deep nesting, wherever they are."""
    if depth > _DEEPEST:
        raise UserError(f"{place[:200]} is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:
        raise _refuse(place, value, f"a number of at most {_LARGEST}")
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        _check_arguments(f"{place}.{key}" if isinstance(value, Mapping) else f"{place}[{key}]", entry, depth + 1)


def _check_flow(value: Any) -> None:
    if not isinstance(value, Mapping) or set(value) - {"flow_spacing"} != set(_FLOW):
        raise _refuse("flow", value, f"an object with {' and '.join(_FLOW)}, or null")
    for name in _FLOW:
        if isinstance(value[name], bool) or not isinstance(value[name], int | float) or abs(value[name]) > _LARGEST:
            raise _refuse(f"flow.{name}", value[name], f"a number of at most {_LARGEST}")
    if "flow_spacing" in value:
        _check_size("flow.flow_spacing", value["flow_spacing"])


_ENTRIES: dict[str, Callable[[str, Any], None]] = {
    "name": _check_text,
    "version": _check_text,
    "network": _check_network,
    "in_channels": _check_count,
    "image_size": _check_size,
    "weights": _check_text,
}
