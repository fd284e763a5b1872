import csv
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image

from monai_degia.experiments.catalogue import GRIDS
from monai_degia.experiments.grids import Grid, Row
from monai_degia.experiments.plots import plot_results
from monai_degia.experiments.tables import domain_table, figures_of, markdown_table, write_tables

NME = "NME (% of hand size)"


def result(method: str, seed: int, nme: float, domain: str = "xray") -> dict:
    return {
        "labels": {"network": "lenet", "method": method},
        "seed": seed,
        "train_seconds": 10.0 + seed,
        "metrics": {domain: {"count": 3, "nme": nme, "mse": nme**2, "auc": 1 - nme}},
    }


def test_cells_are_mean_and_sample_deviation_over_seeds() -> None:
    results = [result("erm", 0, 0.10), result("erm", 1, 0.14), result("degia", 0, 0.05)]
    lines = markdown_table(results, NME).splitlines()
    assert lines[2] == "| lenet | erm | 12.00 ± 2.83 | 2 | 10 |"
    assert lines[3] == "| lenet | degia | 5.00 | 1 | 10 |"


def test_a_domain_that_a_row_lacks_is_a_dash() -> None:
    lines = markdown_table([result("erm", 0, 0.1), result("degia", 0, 0.05, "depth")], NME).splitlines()
    assert lines[2] == "| lenet | erm | 10.00 | - | 1 | 10 |" and "| - | 5.00 |" in lines[3]


def test_columns_are_means_over_domains_first_and_over_seeds_then() -> None:
    def several(seed: int, **nme: float) -> dict:
        return {**result("erm", seed, 0), "metrics": {domain: {"nme": value} for domain, value in nme.items()}}

    results = [several(0, a=0.1, b=0.3, c=0.9), several(1, a=0.2, b=0.4), several(2, a=0.5)]
    columns = {"first": ("a",), "both": ("a", "b"), "none": ("d",)}
    lines = markdown_table(results, NME, columns).splitlines()
    assert lines[0] == "| network | method | first | both | none | seeds | seconds |"
    # The third seed has no b: half of a mean is none.
    assert lines[2] == "| lenet | erm | 26.67 ± 20.82 | 25.00 ± 7.07 | - | 3 | 11 |"


def test_a_line_a_domain() -> None:
    results = [result("erm", 0, 0.1), result("erm", 1, 0.2), result("degia", 0, 0.05, "depth")]
    lines = domain_table(results, NME).splitlines()
    assert lines == [
        "| domain | lenet, erm | lenet, degia |",
        "|---|---|---|",
        "| xray | 15.00 | - |",
        "| depth | - | 5.00 |",
    ]


def test_seconds_are_the_processors_where_they_are_known() -> None:
    known = {**result("erm", 0, 0.1), "train_processor_seconds": 4.0}
    assert markdown_table([known, result("erm", 5000, 0.1)], NME).splitlines()[2].endswith("| 2 | 4 |")


def test_runs_that_went_on_after_a_stop_have_no_seconds(tmp_path: Path) -> None:
    stopped = {**result("erm", 1, 0.1), "train_seconds": None}
    assert markdown_table([result("erm", 0, 0.1), stopped], NME).splitlines()[2].endswith("| 2 | 10 |")
    assert markdown_table([stopped], NME).splitlines()[2].endswith("| 1 | - |")
    write_tables([stopped], tmp_path)
    assert next(csv.DictReader((tmp_path / "summary.csv").open()))["train_seconds"] == ""


def test_files_hold_every_run(tmp_path: Path) -> None:
    write_tables([result("erm", 0, 0.1), {**result("degia", 0, 0.05), "train_processor_seconds": 4.0}], tmp_path)
    rows = list(csv.DictReader((tmp_path / "summary.csv").open()))
    assert [(row["method"], float(row["nme"])) for row in rows] == [("erm", 0.1), ("degia", 0.05)]
    assert [(row["train_seconds"], row["train_processor_seconds"]) for row in rows] == [("10.0", ""), ("10.0", "4.0")]
    assert "MSE" in (tmp_path / "summary.md").read_text()


def test_figures_are_those_that_were_measured() -> None:
    digits = {**result("erm", 0, 0.1), "metrics": {"mnist_m": {"count": 5, "accuracy": 0.5}}}
    assert figures_of([digits]) == ["Accuracy (%)"] and NME in figures_of([result("erm", 0, 0.1)])
    assert "| 50.00 |" in markdown_table([digits], "Accuracy (%)")


def test_millimetres_are_shown_where_they_are_known(tmp_path: Path) -> None:
    known, unknown = result("erm", 0, 0.1, "dicom"), result("erm", 0, 0.2, "photo")
    rates = {"thresholds_mm": [2.0, 10.0], "rates": [0.125, 0.75]}
    known["metrics"]["dicom"] |= {"mre_mm": 7.25, "sdr": rates}
    unknown["metrics"]["photo"] |= {"mre_mm": None, "sdr": None}
    both = {**known, "metrics": known["metrics"] | unknown["metrics"]}
    assert "| 7.2 | - |" in markdown_table([both], "MRE (mm)")
    assert "| 75.0 | - |" in markdown_table([both], "SDR within 10 mm (%)")
    assert not {"MRE (mm)", "SDR within 10 mm (%)"} & set(figures_of([unknown]))
    write_tables([both], tmp_path)
    rows = list(csv.DictReader((tmp_path / "summary.csv").open()))
    assert [(row["domain"], row["sdr_10mm"], row["mre_mm"]) for row in rows] == [
        ("dicom", "0.75", "7.25"),
        ("photo", "", ""),
    ]


def test_plot_grows_with_the_rows(tmp_path: Path) -> None:
    few = plot_results([result("erm", 0, 0.1)], NME, tmp_path / "few.png")
    many = plot_results([result(f"m{i}", 0, 0.1) for i in range(9)], NME, tmp_path / "many.png")
    assert Image.open(many).height > 1.5 * Image.open(few).height


@pytest.mark.parametrize(("figure", "shown"), [(NME, "1.24"), ("MSE (normalised)", "0.01235")])
def test_bars_are_labelled_as_the_table_is(
    figure: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, draw = [], Axes.bar_label
    monkeypatch.setattr(Axes, "bar_label", lambda self, *a, **k: labels.extend(draw(self, *a, **k)))
    row = result("erm", 0, 0.1, "photo")
    row["metrics"]["photo"] |= {"nme": 0.012351, "mse": 0.012351}
    plot_results([row], figure, tmp_path / "bars.png")
    assert [label.get_text() for label in labels] == [shown]


@pytest.mark.parametrize("name", GRIDS)
def test_every_stack_of_every_grid_exists(name: str) -> None:
    root = Path(__file__).parents[3]
    runs = GRIDS[name].runs()
    assert len({run.name for run in runs}) == len(runs), "two runs would share a folder"
    for run in runs:
        assert all(Path(config).is_file() for config in run.configs(root, evaluate=True))


ROWS = [Row({"network": n, "method": m}, ()) for n in ("a", "b") for m in ("x", "y z")]


def test_seeds_are_outermost_and_names_differ() -> None:
    runs = Grid(ROWS, (0, 1), NME).runs()
    assert len({run.name for run in runs}) == 8 and not any(" " in run.name for run in runs)
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4, "a grid that is stopped early holds whole comparisons"


def test_labels_of_several_columns_narrow_each_other_down() -> None:
    def kept(*only: str) -> list[tuple[str, ...]]:
        return [tuple(run.row.labels.values()) for run in Grid(ROWS, (0,), NME).runs(only=only)]

    assert kept("b", "x") == [("b", "x")] and kept("x", "y z", "a") == [("a", "x"), ("a", "y z")]
    assert len(kept("a", "b")) == len(kept()) == 4
    sparse = Grid([Row({"network": "a", "method": "x"}, ()), Row({"network": "b", "method": "y"}, ())], (0,), NME)
    with pytest.raises(ValueError, match=r"No row is a and y at once: leave"):
        sparse.runs(only=["a", "y"])


def test_only_keeps_rows_by_label() -> None:
    runs = Grid(ROWS, (0, 1), NME).runs(seeds=[5], only=["b"])
    assert [run.row.labels["network"] for run in runs] == ["b", "b"] and {run.seed for run in runs} == {5}
    with pytest.raises(ValueError, match=r"No row is called c\..*Known: a, b, x, y z"):
        Grid(ROWS, (0,), NME).runs(only=["c"])
