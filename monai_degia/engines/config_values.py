"""Whether values of a running config are of the kind that its entries take; those of the command line may not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

__all__ = ["unfit_values"]

_REFERS = ("$", "@", "%")


def unfit_values(config: Mapping[str, Any], shipped: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with plain values at the top of a config, one sentence each.

    An entry takes the kind of value that the configs of the bundle give it: ``True`` or ``False``, a whole number, a
    number, or a list of numbers. Entries that are computed, or of which the bundle's configs give several kinds, take
    anything.

    Args:
        config: the running one.
        shipped: configs of the bundle, as they are.

    """
    for name, value in config.items():
        kinds = {_kind(given[name]) for given in shipped if name in given} - {None}
        if len(kinds) == 1 and not _computed(value):
            (kind,) = kinds
            if kind is not None and not _is(value, kind):
                yield f"{name} must be {kind}, got {value!r}."
    device = config.get("device")
    if isinstance(device, str) and not _computed(device):
        yield from _unfit_device(device)


def _computed(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, str) and value.startswith(_REFERS))


def _kind(value: Any) -> str | None:
    """The kind of a value in words, ``None`` if it says nothing about others."""
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, list) and value and all(_is(entry, "a number") for entry in value):
        return "a list of numbers"
    return None


def _is(value: Any, kind: str) -> bool:
    if kind == "True or False":
        return value in (0, 1) if isinstance(value, (int, float)) else False
    if kind == "a list of numbers":
        return isinstance(value, (list, tuple)) and all(_computed(v) or _is(v, "a number") for v in value)
    number = int if kind == "a whole number" else (int, float)
    return isinstance(value, number) and not isinstance(value, bool)


def _unfit_device(name: str) -> Iterator[str]:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch raises is not of one kind
        reason = str(error).strip().splitlines()[0]
        yield f"device {name!r} cannot be used here ({reason}). Name one that this machine has, such as cpu."
