"""Samples on disk between runs: never stale, and rebuilt where a file is damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from monai.data import MetaTensor

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.fingerprint import describe, file_identities, program_versions

__all__ = ["DiskCache"]

_KIND = "__kind__"
# Some of MONAI's transforms write into their own options when they are called: what counts is how they were made.
_DESCRIPTIONS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class DiskCache:
    """One file a sample, named by a hash of all that the sample is made of.

    That is each file's path, size and date, all other fields of the item, the options of the transforms, and the
    versions of the programs. A file holds tensors and plain values and is read without running code from it.

    Args:
        folder: where the files are; made if missing. Several processes may share it.
        transform: what makes a sample of an item; described when it is first seen here.

    Raises:
        TypeError: if a transform does not tell its options.

    """

    def __init__(self, folder: str | Path, transform: Any) -> None:
        self.folder = Path(folder)
        try:
            if transform not in _DESCRIPTIONS:
                _DESCRIPTIONS[transform] = describe(transform)
            self.made_by = _DESCRIPTIONS[transform] + program_versions()
        except TypeError as error:
            raise UserError(
                f"cache_dir={str(folder)!r} needs transforms whose options can be compared between runs: {error}. Set "
                "cache_dir to null, or leave that transform to the augmentation."
            ) from None

    def path(self, item: Mapping[str, Any]) -> Path | None:
        """The file of an item's sample; ``None`` if no file is all of its image, or a field cannot be compared."""
        files = file_identities(item)
        if files is None:
            return None
        try:
            text = describe([self.made_by, files, item])
        except TypeError:
            return None
        name = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / name[:2] / f"{name}.pt"

    def load(self, path: Path) -> dict[str, Any] | None:
        """The sample in a file, ``None`` if there is none or it is damaged."""
        if not path.is_file():
            return None
        try:
            return _decoded(torch.load(path, weights_only=True))
        except Exception:  # damaged in one of many ways: it is made anew
            return None

    def save(self, path: Path, sample: Mapping[str, Any]) -> bool:
        """Write a sample as a whole; ``False`` if it holds what is neither a tensor nor a plain value."""
        try:
            content = _encoded(dict(sample))
        except TypeError:
            return False
        with whole_file(path) as partial:
            torch.save(content, partial)
        return True


def _encoded(value: Any) -> Any:
    """What ``torch.load`` takes without running code."""
    if isinstance(value, MetaTensor):
        parts = [_encoded(part) for part in (value.meta, value.applied_operations)]
        return {_KIND: "meta", "data": value.as_tensor().clone(), "parts": parts}
    if type(value) is torch.Tensor:
        return value.clone()  # a view would bring all that it is a view of
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {_KIND: "array", "data": torch.from_numpy(np.array(value))}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {_KIND: "scalar", "data": torch.from_numpy(np.array(value))}
    if isinstance(value, (list, tuple)):
        return {_KIND: type(value).__name__, "data": [_encoded(entry) for entry in value]}
    if type(value) is dict:
        return {_KIND: "dict", "data": [(_encoded(key), _encoded(entry)) for key, entry in value.items()]}
    if isinstance(value, str):
        return str.__str__(value)  # MONAI's enumerations of names are equal to their text
    if type(value) in (int, float, bool, type(None)):
        return value
    raise UserError(type(value).__name__)


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, data = value[_KIND], value["data"]
    if kind == "meta":
        meta, operations = (_decoded(part) for part in value["parts"])
        return MetaTensor(data, meta=meta, applied_operations=operations)
    if kind in ("array", "scalar"):
        return data.numpy() if kind == "array" else data.numpy()[()]
    if kind in ("list", "tuple"):
        entries = [_decoded(entry) for entry in data]
        return entries if kind == "list" else tuple(entries)
    return {_decoded(key): _decoded(entry) for key, entry in data}
