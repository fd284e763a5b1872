"""Ratios of DeGIA and plain training beside those of a paper."""

from pathlib import Path
from typing import Any

import pytest

from monai_degia.experiments.__main__ import main
from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.comparison import comparison_table

KEPT = Path(__file__).parents[3] / "docs" / "results" / "hands"
PUBLISHED = {("lenet", "photo"): (0.4, 0.2), ("lenet", "depth"): (0.5, 0.1), ("vgg", "depth"): (0.1, 0.1)}


def result(network: str, method: str, seed: int, photo: float, depth: float) -> dict[str, Any]:
    metrics = {"photo": {"count": 3, "mse": photo}, "depth": {"count": 3, "mse": depth}}
    return {"labels": {"network": network, "method": method}, "seed": seed, "train_seconds": 1.0, "metrics": metrics}


def table(*results: dict[str, Any]) -> list[str]:
    return comparison_table(results, "MSE (normalised)", PUBLISHED).splitlines()


def test_ratios_are_of_means_over_seeds_and_the_source_does_not_count() -> None:
    lines = table(
        result("lenet", "erm", 0, 0.01, 0.2),
        result("lenet", "erm", 1, 0.01, 0.4),
        result("lenet", "degia", 0, 0.02, 0.1),
        result("lenet", "degia", 1, 0.02, 0.2),
        result("vgg", "erm", 0, 0.01, 0.2),
        result("vgg", "degia", 0, 0.01, 0.3),
        result("lenet", "randconv", 0, 9.0, 9.0),
    )
    assert lines[2:] == [
        "| lenet | photo | 0.01000 | 0.02000 | 2.00 | 2 | 0.4000 | 0.2000 | 0.50 |",
        "| lenet | depth | 0.30000 | 0.15000 | 0.50 | 2 | 0.5000 | 0.1000 | 0.20 |",
        "| vgg | depth | 0.20000 | 0.30000 | 1.50 | 1 | 0.1000 | 0.1000 | 1.00 |",
        "| mean | unseen |  |  | 1.00 |  |  |  | 0.60 |",
    ]


def test_a_network_without_both_methods_is_left_out() -> None:
    lone = result("vgg", "erm", 0, 0.01, 0.2)
    lines = table(lone, result("lenet", "erm", 0, 0.01, 0.4), result("lenet", "degia", 0, 0.02, 0.1))
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| lenet", "| lenet", "| mean"]
    assert table(lone) == []


def test_the_command_shows_them_for_every_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["table2", "--results", str(KEPT), "--only", "resnet", "--evaluate_with", "run/self_consistent"])
    printed = capsys.readouterr().out
    assert printed.count("beside the paper's:") == 2
    assert "DeGIA over plain training, evaluated with run/self_consistent, beside" in printed
    main(["hands", "--results", str(KEPT)])
    assert "beside the paper's" not in capsys.readouterr().out


def test_the_published_mean_ratio_is_that_of_the_paper() -> None:
    published = GRIDS["table2"].published
    unseen = [degia / plain for (_, domain), (plain, degia) in published.items() if domain != "photo"]
    assert len(published) == 15 and sum(unseen) / len(unseen) == pytest.approx(0.71, abs=0.005)
