import csv
from pathlib import Path

import pytest

from monai_degia.experiments.grids import GRIDS, Grid
from monai_degia.experiments.tables import markdown_table, write_tables


def result(method: str, seed: int, nme: float, domain: str = "xray") -> dict:
    return {
        "backbone": "lenet",
        "method": method,
        "seed": seed,
        "train_seconds": 10.0 + seed,
        "metrics": {domain: {"count": 3, "nme": nme, "mse": nme**2, "auc": 1 - nme}},
    }


def test_cells_are_mean_and_sample_deviation_over_seeds() -> None:
    results = [result("erm", 0, 0.10), result("erm", 1, 0.14), result("degia", 0, 0.05)]
    lines = markdown_table(results).splitlines()
    assert lines[2] == "| lenet | erm | 12.00 ± 2.83 | 2 | 10 |"
    assert lines[3] == "| lenet | degia | 5.00 | 1 | 10 |"


def test_files_hold_every_run(tmp_path: Path) -> None:
    write_tables([result("erm", 0, 0.1), result("degia", 0, 0.05)], tmp_path)
    rows = list(csv.DictReader((tmp_path / "summary.csv").open()))
    assert [(row["method"], float(row["nme"])) for row in rows] == [("erm", 0.1), ("degia", 0.05)]
    assert "MSE" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("name", GRIDS)
def test_every_stack_of_every_grid_exists(name: str) -> None:
    root = Path(__file__).parents[3]
    for run in GRIDS[name].runs():
        assert all(Path(config).is_file() for config in run.configs(root, evaluate=True))


def test_names_of_runs_differ() -> None:
    runs = Grid("hands", ("a", "b"), ("x", "y"), (0, 1)).runs()
    assert len({run.name for run in runs}) == 8
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4, "a grid that is stopped early holds whole comparisons"
