"""Data lists divided and joined."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.errors import UserError

__all__ = ["merge_datalists", "mix_datalists", "split_datalist"]

Item = dict[str, Any]


def split_datalist(
    items: Sequence[Item],
    fractions: Sequence[float],
    seed: int = 0,
    group: Callable[[Item], Hashable] | str | None = None,
) -> list[list[Item]]:
    """Divide a data list at random into parts that share no item and, with ``group``, no group.

    Args:
        items: the list to divide.
        fractions: share of each part, positive, with sum 1. With groups the shares are those of the groups' items,
            met as nearly as whole groups allow.
        seed: seed of the shuffle; the same seed gives the same parts.
        group: what must stay together, a person or a study: a function of the item, or a regular expression with one
            group in parentheses that is searched in the image's file name.

    Returns:
        One list for each fraction, in the order of the items; together they hold each item once.

    Raises:
        ValueError: if the fractions are no division, or there are fewer groups (or items) than parts.

    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.ndim != 1 or not len(shares) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise UserError(f"fractions must be positive numbers with sum 1, got {list(fractions)}.")
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(index if group is None else _group_of(item, group), []).append(index)
    if len(groups) < len(shares):
        what = "items" if group is None else "groups"
        raise UserError(f"Cannot divide {len(groups)} {what} into {len(shares)} parts. Use fewer parts or more data.")
    members = list(groups.values())
    parts: list[list[int]] = [[] for _ in shares]
    order = np.random.default_rng(seed).permutation(len(members))
    for rank, chosen in enumerate(order):
        left, empty = len(members) - rank, [k for k, part in enumerate(parts) if not part]
        deficit = shares * len(items) - [len(part) for part in parts]
        # the last groups are kept for parts that would otherwise end up empty
        target = empty[0] if left <= len(empty) else int(deficit.argmax())
        parts[target] += members[chosen]
    return [[items[index] for index in sorted(part)] for part in parts]


def _group_of(item: Item, group: Callable[[Item], Hashable] | str) -> Hashable:
    if callable(group):
        return group(item)
    pattern = re.compile(group)
    if pattern.groups != 1:
        raise UserError(f"group={group!r} must have exactly one group in parentheses, it has {pattern.groups}.")
    found = pattern.search(Path(item["image"]).name)
    if found is None:
        raise UserError(f"group={group!r} does not match the file name {Path(item['image']).name!r}. Correct it.")
    return found.group(1)


def merge_datalists(*datalists: Sequence[Item]) -> list[Item]:
    """Join data lists of several domains so that their items can stand in one batch.

    Args:
        datalists: lists of items; all landmarks must be of one shape (K, 2).

    Returns:
        All items in order. Where only some items know a ``spacing``, the others get NaN: unknown, never 1 mm.

    Raises:
        ValueError: if there is nothing to join, or the domains differ in the number of landmarks.

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
    if any("spacing" in item for item in merged):
        for item in merged:
            item.setdefault("spacing", np.full(2, np.nan, dtype=np.float32))
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
