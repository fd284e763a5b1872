"""What a run is, and a grid of them: rows of a table, each repeated with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai_degia.errors import UserError
from monai_degia.experiments.comparison import Published

__all__ = ["Grid", "Row", "Run"]


@dataclass(frozen=True)
class Row:
    """One line of a table: what is trained, seeds aside.

    Args:
        labels: heading to entry of the table's first columns; they also name the run's folder.
        overlays: files under ``configs/``, without suffix, on top of the bundle's training config.
        overrides: single entries of the config, on top of the overlays.

    """

    labels: dict[str, str]
    overlays: tuple[str, ...]
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One row with one seed: trained once, then evaluated on every domain."""

    row: Row
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder and of its result file."""
        return "_".join(self.row.labels.values()).replace(" ", "-") + f"_seed={self.seed}"

    def configs(self, root: Path, evaluate: bool = False) -> list[str]:
        """The stack of config files, in the order in which they override each other."""
        files = [root / "bundle" / "configs" / "train.json"]
        files += [root / "configs" / f"{overlay}.yaml" for overlay in self.row.overlays]
        if evaluate:
            digits = any(overlay.startswith("digits/") for overlay in self.row.overlays)
            files.append(root / ("configs/digits/evaluate.yaml" if digits else "bundle/configs/evaluate.json"))
        return [str(file) for file in files]


@dataclass(frozen=True)
class Grid:
    """The rows of one experiment.

    Args:
        rows: what is compared.
        seeds: of each row.
        figure: the key of ``figures.FIGURES`` that the command prints.
        caption: a sentence above the printed table.
        published: figures of a paper to show those of plain training and DeGIA beside.
        columns: heading of the printed table to the domains whose mean stands under it; none shows every domain.

    """

    rows: Sequence[Row]
    seeds: Sequence[int]
    figure: str
    caption: str = ""
    published: Published = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def with_methods(self, files: Sequence[Path]) -> Grid:
        """The grid with further methods, a row for each network of it, called by the names of their files.

        Args:
            files: overlays that take the place of ``method/erm`` in the rows of plain training.

        Raises:
            ValueError: if a file is not there, or no row of the grid is plain training.

        """
        if missing := [str(file) for file in files if not file.is_file()]:
            raise UserError(f"There is no overlay {', '.join(missing)}: name YAML files like those in configs/method.")
        plain = [row for row in self.rows if row.labels.get("method") == "erm"]
        if files and not plain:
            raise UserError("This grid has no row of plain training (erm) in whose place a method could be put.")
        further = [
            Row(
                {**row.labels, "method": file.stem},
                # An absolute path stays as it is where the folder of the overlays is put before it.
                tuple(
                    str(file.resolve().with_suffix("")) if overlay.endswith("method/erm") else overlay
                    for overlay in row.overlays
                ),
                row.overrides,
            )
            for file in files
            for row in plain
        ]
        return replace(self, rows=[*self.rows, *further])

    def runs(
        self,
        seeds: Sequence[int] | None = None,
        only: Sequence[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> list[Run]:
        """The runs, seeds outermost, so that a grid that is stopped early holds whole comparisons.

        Args:
            seeds: other seeds than the grid's.
            only: labels of the rows to keep: those of one column are alternatives, and every column that is named must
                fit, so that ``("lenet", "erm", "degia")`` are two rows.
            overrides: entries of the config on top of those of every row.

        Raises:
            ValueError: if a name among ``only`` is no row's label, or no row has them all.

        """
        known = {label for row in self.rows for label in row.labels.values()}
        wanted = set(only or ())
        unknown = sorted(wanted - known)
        if unknown:
            raise UserError(f"No row is called {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
        columns = {column for row in self.rows for column, label in row.labels.items() if label in wanted}
        rows = [row for row in self.rows if all(row.labels.get(column) in wanted for column in columns)]
        if not rows:
            raise UserError(f"No row is {' and '.join(only or ())} at once: leave one of them out.")
        rows = [replace(row, overrides={**row.overrides, **(overrides or {})}) for row in rows]
        return [Run(row, seed) for seed in seeds or self.seeds for row in rows]
