"""What a result depends on, as text to hash: the options of transforms, the files of an item, versions of programs."""

from __future__ import annotations

import hashlib
import inspect
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_degia.errors import UserError

__all__ = ["describe", "file_identities", "program_versions"]

_PACKAGE = Path(__file__).parents[1]
_PLAIN = (str, int, float, complex, bool, bytes, type(None), torch.dtype, torch.device, np.dtype)
#: Headers whose pixels may lie in another file, which the header's own date does not tell of.
_HEADER_SUFFIXES = (".mhd", ".hdr", ".nhdr")
_STATES = (np.random.RandomState, np.random.Generator, torch.Generator, threading.local)  # no options


def describe(value: Any) -> str:
    """Options as text that is the same in every process, and another one where a result may be another one.

    Args:
        value: a transform, an item, or whatever they hold: values, containers, arrays, functions, objects.

    Raises:
        TypeError: if there is something that does not tell its options.

    """
    return "".join(_tokens(value, ()))


def _tokens(value: Any, above: tuple[int, ...]) -> Iterator[str]:
    if id(value) in above:
        yield f"<{len(above) - above.index(id(value))} above>"
        return
    inside = (*above, id(value))
    if isinstance(value, _STATES):
        yield "<state>"
    elif isinstance(value, (*_PLAIN, np.generic, Path)):
        yield f"{type(value).__qualname__}:{value!r};"
    elif isinstance(value, (np.ndarray, torch.Tensor)):
        array = np.ascontiguousarray(torch.as_tensor(value).numpy(force=True))
        yield f"array:{value.dtype}:{array.shape}:{hashlib.sha256(array.tobytes()).hexdigest()};"
    elif isinstance(value, Mapping):
        entries = sorted(("".join(_tokens(key, inside)), entry) for key, entry in _by_text(value))
        yield from ("{", *(part for key, entry in entries for part in (key, "=", *_tokens(entry, inside))), "}")
    elif isinstance(value, (list, tuple)):
        yield from ("[", *(part for entry in value for part in _tokens(entry, inside)), "]")
    elif isinstance(value, (set, frozenset)):
        yield from ("{", *sorted("".join(_tokens(entry, inside)) for entry in value), "}")
    else:
        yield from _of_object(value, inside)


def _by_text(value: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    return iter(sorted(value.items(), key=lambda pair: str(pair[0])))


def _of_object(value: Any, inside: tuple[int, ...]) -> Iterator[str]:
    if isinstance(value, partial):
        yield from _tokens((value.func, value.args, value.keywords), inside)
    elif isinstance(value, type):
        yield f"type:{value.__module__}.{value.__qualname__}:{_source(value)};"
    elif inspect.isbuiltin(value) or inspect.ismodule(value):
        yield f"builtin:{value.__name__};"
    elif inspect.ismethod(value):
        yield from _tokens((value.__self__, value.__name__), inside)
    elif inspect.isfunction(value):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        yield f"function:{value.__module__}.{value.__qualname__}:"
        yield from _code(value.__code__)
        yield from _tokens((value.__defaults__, value.__kwdefaults__, closure), inside)
    elif hasattr(value, "__dict__"):
        yield from _tokens((type(value), vars(value)), inside)
    else:
        raise UserError(f"{type(value).__name__} does not tell its options")


def _code(code: Any) -> Iterator[str]:
    yield f"{code.co_code.hex()}:{code.co_names}:"
    for constant in code.co_consts:
        yield from _code(constant) if inspect.iscode(constant) else (repr(constant),)


@cache
def _source(kind: type) -> str:
    """A hash of the file that a class comes from: a transform of the user's own may change without a version."""
    try:
        return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()
    except (OSError, TypeError):  # built in, or typed at a prompt
        return ""


@cache
def program_versions() -> str:
    """Versions of the programs that read and transform images, and a hash of this package's own modules that do."""
    names = ("monai", "torch", "numpy", "pillow", "pydicom")
    sources = [
        path
        for folder in ("io", "data", "shifts", "augment", "reading")
        for path in sorted((_PACKAGE / folder).rglob("*.py"))
    ]
    own = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return describe([own, [(name, _installed(name)) for name in names]])


def _installed(name: str) -> str:
    try:
        return version(name)
    except Exception:  # not installed, or without meta data: a fork under another name
        return ""


def file_identities(item: Mapping[str, Any], stat: Callable[[str], os.stat_result] = os.stat) -> list[Any] | None:
    """Path, size and date of each file that an item names.

    Args:
        item: fields of a sample.
        stat: asked about each path.

    Returns:
        An entry a file; ``None`` if there is none, or one is not all of its image (a folder, a header).

    """
    found = []
    for key, value in sorted(item.items(), key=lambda pair: str(pair[0])):
        if not isinstance(value, (str, os.PathLike)):
            continue
        path = os.fspath(value)
        if os.path.isdir(path) or (os.path.isfile(path) and path.lower().endswith(_HEADER_SUFFIXES)):
            return None
        if os.path.isfile(path):
            status = stat(path)
            found.append((str(key), os.path.abspath(path), status.st_size, status.st_mtime_ns))
    return found or None
