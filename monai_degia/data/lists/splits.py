"""Data lists divided and joined."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.data.lists.same_picture import joined_groups
from monai_degia.errors import UserError

__all__ = ["SPLITS", "checked_splits", "merge_datalists", "mix_datalists", "split_datalist"]

#: What a list may say of an item in its ``split``.
SPLITS = ("training", "validation", "test")
_MAX_LISTED = 5

_logger = logging.getLogger(__name__)

Item = dict[str, Any]


def split_datalist(
    items: Sequence[Item],
    fractions: Sequence[float],
    seed: int = 0,
    group: Callable[[Item], Hashable] | str | None = None,
) -> list[list[Item]]:
    """Divide a data list into parts that share no picture, no person and no other group.

    Items that have a ``split`` go where it says; else they are divided at random. What has one ``group`` stays
    together, and so do items of one picture, which is the same file or another one with the same bytes.

    Args:
        items: the list to divide.
        fractions: share of each part, positive, with sum 1. With groups the shares are those of the groups' items,
            met as nearly as whole groups allow. Of a list that has a ``split`` but none for the second of three parts,
            validation, that is taken from the first, in proportion of their shares.
        seed: seed of the shuffle; the same seed gives the same parts.
        group: what must stay together beside that, a study for instance: a function of the item, or a regular
            expression with one group in parentheses that is searched in the image's file name.

    Returns:
        One list for each fraction, in the order of the items; together they hold each item once.

    Raises:
        ValueError: if the fractions are no division, there are fewer groups (or items) than parts, only some items have
            a ``split``, or one divides what belongs together.

    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.ndim != 1 or not len(shares) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise UserError(f"fractions must be positive numbers with sum 1, got {list(fractions)}.")
    groups = joined_groups(items, None if group is None else lambda item: _group_of(item, group))
    stated = [item.get("split") for item in items]
    if any(stated):
        return _as_stated(items, stated, shares, seed, groups)
    return [[items[index] for index in part] for part in _at_random(groups, shares, seed, group is not None)]


def checked_splits(parts: Sequence[Sequence[Item]]) -> list[list[Item]]:
    """Parts of several lists, such as one for training and one for validation, if they share no picture and no group.

    Args:
        parts: data lists.

    Returns:
        The same lists.

    Raises:
        ValueError: if a picture or a ``group`` is in more than one.

    """
    items = [item for part in parts for item in part]
    owner = [number for number, part in enumerate(parts) for _ in part]
    _check_whole(items, owner, joined_groups(items), [f"list {number + 1}" for number in range(len(parts))])
    return [list(part) for part in parts]


def _at_random(groups: Sequence[Sequence[int]], shares: np.ndarray, seed: int, grouped: bool) -> list[list[int]]:
    if len(groups) < len(shares):
        what = "groups of images that stay together" if grouped else "different images"
        raise UserError(
            f"The list is to be divided into {len(shares)} parts, each of which needs an image, and has {len(groups)} "
            f"{what}. Label more, or name lists of their own for validation and test."
        )
    total = sum(map(len, groups))
    parts: list[list[int]] = [[] for _ in shares]
    order = np.random.default_rng(seed).permutation(len(groups))
    for rank, chosen in enumerate(order):
        left, empty = len(groups) - rank, [k for k, part in enumerate(parts) if not part]
        deficit = shares * total - [len(part) for part in parts]
        # the last groups are kept for parts that would otherwise end up empty
        target = empty[0] if left <= len(empty) else int(deficit.argmax())
        parts[target] += groups[chosen]
    return [sorted(part) for part in parts]


def _as_stated(
    items: Sequence[Item], stated: Sequence[Any], shares: np.ndarray, seed: int, groups: Sequence[Sequence[int]]
) -> list[list[Item]]:
    if len(shares) != len(SPLITS):
        raise UserError(f"The list has a split, {', '.join(SPLITS)}; it cannot be divided into {len(shares)} parts.")
    lost = [index for index, name in enumerate(stated) if name not in SPLITS]
    if lost:
        item = items[lost[0]]
        raise UserError(
            f"{len(lost)} of {len(items)} items have no split that is one of {', '.join(SPLITS)}, the first is "
            f"{item.get('image')} with {stated[lost[0]]!r}. Give all of them one, or none."
        )
    owner = [SPLITS.index(name) for name in stated]
    _check_whole(items, owner, groups, SPLITS)
    parts = [[index for index, part in enumerate(owner) if part == number] for number in range(len(SPLITS))]
    if parts[0] and not parts[1]:
        _logger.info("No item is for validation: it is taken from those for training.")
        inside = [[index for index in members if owner[index] == 0] for members in groups]
        two = shares[:2] / shares[:2].sum()
        parts[:2] = _at_random([members for members in inside if members], two, seed, True)
    for name, part in zip(SPLITS, parts, strict=True):
        if not part:
            raise UserError(f"No item of the list is for {name}: its split must have {', '.join(SPLITS)}.")
    return [[items[index] for index in part] for part in parts]


def _check_whole(
    items: Sequence[Item], owner: Sequence[int], groups: Sequence[Sequence[int]], names: Sequence[str]
) -> None:
    torn = [members for members in groups if len({owner[index] for index in members}) > 1]
    if not torn:
        return
    lines = []
    for members in torn[:_MAX_LISTED]:
        first = members[0]
        other = next(index for index in members if owner[index] != owner[first])
        whose = f" (group {items[first]['group']!r})" if items[first].get("group") not in (None, "") else ""
        lines.append(
            f"{items[first].get('image')} is in {names[owner[first]]}, {items[other].get('image')} in "
            f"{names[owner[other]]}{whose}"
        )
    listed = "\n  ".join(lines) + (f"\n  ... and {len(torn) - _MAX_LISTED} more" if len(torn) > _MAX_LISTED else "")
    raise UserError(
        f"{len(torn)} pictures or persons are on more than one side of the split, so errors would be too small:\n  "
        f"{listed}\nMove all that belongs together to one side."
    )


def _group_of(item: Item, group: Callable[[Item], Hashable] | str) -> Hashable:
    if callable(group):
        return group(item)
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise UserError(f"group={group!r} is no regular expression: {error}.") from None
    if pattern.groups != 1:
        raise UserError(f"group={group!r} must have exactly one group in parentheses, it has {pattern.groups}.")
    found = pattern.search(Path(item["image"]).name)
    if found is None:
        raise UserError(f"group={group!r} does not match the file name {Path(item['image']).name!r}. Correct it.")
    return found.group(1)


def merge_datalists(*datalists: Sequence[Item]) -> list[Item]:
    """Join data lists of several domains so that their items can stand in one batch.

    Args:
        datalists: lists of items; all landmarks must be of one shape (K, n).

    Returns:
        All items in order. Where only some items know a ``spacing``, the others get NaN: unknown, never 1 mm.

    Raises:
        ValueError: if there is nothing to join, or the domains differ in the number of landmarks, or of their axes.

    """
    merged = [dict(item) for datalist in datalists for item in datalist]
    if not merged:
        raise UserError(f"merge_datalists needs at least one item, got {len(datalists)} empty lists.")
    counts: dict[int, list[str]] = {}
    for item in merged:
        domains = counts.setdefault(len(item.get("landmarks", ())), [])
        if item.get("domain", "?") not in domains:
            domains.append(item.get("domain", "?"))
    if len(counts) > 1:
        listed = "; ".join(f"{', '.join(map(repr, domains))} {count}" for count, domains in counts.items())
        raise UserError(
            f"Domains differ in the number of landmarks: {listed}. Load all with the same landmarks=... (by name)."
        )
    axes = {np.shape(item["landmarks"])[-1]: item.get("domain", "?") for item in merged if "landmarks" in item}
    if len(axes) > 1:
        listed = "; ".join(f"{domain!r} {count}" for count, domain in axes.items())
        raise UserError(f"Domains differ in the number of axes: {listed}. Images and volumes need a network each.")
    if any("spacing" in item for item in merged):
        for item in merged:
            item.setdefault("spacing", np.full(next(iter(axes), 2), np.nan, dtype=np.float32))
    return merged


def mix_datalists(datalists: Sequence[Sequence[Item]], shares: Sequence[float]) -> list[Item]:
    """Join training lists so that each has its share of the draws, however many items it holds.

    Args:
        datalists: lists of items, none of them empty.
        shares: how often each list is drawn from, positive; their sum need not be 1.

    Returns:
        All items in order, see :func:`merge_datalists`, each with a ``weight`` that :class:`GrowingSampler` heeds; the
        mean weight is 1.

    Raises:
        ValueError: if a list is empty or there is not one positive share for each.

    """
    if len(datalists) != len(shares) or not all(share > 0 for share in shares):
        raise UserError(
            f"mix_datalists needs one positive share for each of {len(datalists)} lists, got {list(shares)}."
        )
    empty = [index for index, datalist in enumerate(datalists) if not datalist]
    if empty:
        raise UserError(f"There is nothing to draw from lists {empty}, counted from 0: leave them out.")
    factor = sum(map(len, datalists)) / sum(shares)
    weights = [factor * share / len(datalist) for datalist, share in zip(datalists, shares, strict=True)]
    weighted = [
        [{**item, "weight": weight} for item in datalist] for datalist, weight in zip(datalists, weights, strict=True)
    ]
    return merge_datalists(*weighted)
