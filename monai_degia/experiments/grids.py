"""Which runs an experiment consists of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["GRIDS", "Grid", "Run"]


@dataclass(frozen=True)
class Run:
    """One network trained with one method and seed, then evaluated on every domain."""

    data: str
    backbone: str
    method: str
    seed: int
    extra: tuple[str, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its folder and of its result file."""
        return f"{self.backbone}_{self.method}_seed={self.seed}"

    def configs(self, root: Path, evaluate: bool = False) -> list[str]:
        """The stack of config files, in the order in which they override each other."""
        overlays = [f"data/{self.data}", f"backbone/{self.backbone}", f"method/{self.method}", *self.extra]
        files = [root / "bundle" / "configs" / "train.json"]
        files += [root / "configs" / f"{overlay}.yaml" for overlay in overlays]
        if evaluate:
            files.append(root / "bundle" / "configs" / "evaluate.json")
        return [str(file) for file in files]


@dataclass(frozen=True)
class Grid:
    """All combinations of backbones, methods and seeds on one data set."""

    data: str
    backbones: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    extra: tuple[str, ...] = ()

    def runs(self, seeds: Sequence[int] | None = None, **overrides: Any) -> list[Run]:
        """The runs, seeds outermost, so that a grid that is stopped early holds whole comparisons."""
        combinations = itertools.product(seeds or self.seeds, self.backbones, self.methods)
        return [Run(self.data, b, m, s, self.extra, dict(overrides)) for s, b, m in combinations]


GRIDS: dict[str, Grid] = {
    "demo": Grid("synthetic", ("lenet", "resnet"), ("erm", "degia"), (0,), ("run/demo",)),
    "hands": Grid("hands", ("resnet",), ("erm", "degia"), (0, 1, 2)),
}
