"""Which items of a data list belong together: those of one picture, and those of one group."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["joined_groups", "same_pictures"]

_CHUNK = 1 << 20


def joined_groups(
    items: Sequence[dict[str, Any]], group: Callable[[dict[str, Any]], Hashable] | None = None
) -> list[list[int]]:
    """Places of the items that must stay together, in the order of the first of each.

    Args:
        items: of a data list. Those of one ``group`` (but for an empty one) belong together, and those of one picture.
        group: a further one, as a function of an item.

    """
    keys: list[list[Hashable]] = [[] for _ in items]
    for index, item in enumerate(items):
        if item.get("group") not in (None, ""):
            keys[index].append(("group", str(item["group"])))
        if group is not None:
            keys[index].append(("given", group(item)))
    for number, members in enumerate(same_pictures([item.get("image") for item in items])):
        for index in members:
            keys[index].append(("picture", number))
    return _joined(keys)


def same_pictures(images: Sequence[Any]) -> list[list[int]]:
    """Places of images that are one: the same path, or files with the same bytes.

    Args:
        images: paths; anything else is a picture of its own, and so is a file that is not there.

    Returns:
        The places of each picture that is there more than once.

    """
    by_file: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        if isinstance(image, (str, os.PathLike)):
            by_file.setdefault(os.path.abspath(image), []).append(index)
    by_size: dict[int, list[str]] = {}
    for file in by_file:
        if os.path.isfile(file):
            by_size.setdefault(os.path.getsize(file), []).append(file)
    # Only files of one size can be equal, so few are read.
    suspects = (file for files in by_size.values() if len(files) > 1 for file in files)
    by_content: dict[str, list[int]] = {}
    alone = dict(by_file)
    for file in suspects:
        by_content.setdefault(_digest(Path(file)), []).extend(alone.pop(file))
    return [sorted(members) for members in (*alone.values(), *by_content.values()) if len(members) > 1]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _joined(keys: Sequence[Iterable[Hashable]]) -> list[list[int]]:
    """Connected components of items that share a key."""
    root = list(range(len(keys)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    first: dict[Hashable, int] = {}
    for index, own in enumerate(keys):
        for key in own:
            a, b = find(index), find(first.setdefault(key, index))
            root[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for index in range(len(keys)):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())
