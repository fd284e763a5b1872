"""The tables on the page of performance are those of the result files kept here."""

import csv
import importlib.util
import json
import statistics
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "performance.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_last_measurement() -> None:
    spec = importlib.util.spec_from_file_location("speed", DOCS / "benchmarks" / "speed.py")
    assert spec is not None and spec.loader is not None
    speed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(speed)
    result = json.loads((DOCS / "results" / "speed.json").read_text(encoding="utf-8"))
    assert set(result["figures"]) == {key for key, *_ in speed.ROWS}, "measured without a baseline, or without data"
    assert result["repeats"] >= 5 and result["images"] >= 50
    assert speed.table(result) in PAGE, speed.table(result)
    assert result["machine"] in PAGE


def test_the_runtimes_are_those_printed() -> None:
    assert (DOCS / "results" / "runtimes.md").read_text(encoding="utf-8").strip() in PAGE


def test_the_bits_of_the_flow_are_those_of_the_curves() -> None:
    """Times and ratios follow from the curves: the first point of ours at or below the Glow's best."""
    rows = list(csv.DictReader((DOCS / "results" / "flow" / "curves.csv").open(encoding="utf-8")))
    for side in ("32", "64"):
        seeds = sorted({row["seed"] for row in rows if row["side"] == side})
        best, times = [], []
        for seed in seeds:
            own = [row for row in rows if row["side"] == side and row["seed"] == seed]
            glow = min(float(row["bits"]) for row in own if row["flow"] != "ours")
            best.append(glow)
            times.append(min(float(r["seconds"]) for r in own if r["flow"] == "ours" and float(r["bits"]) <= glow))
        assert len(seeds) == 3
        for values, digits in ((best, 3), (times, 1)):
            shown = f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"
            spread = f"{statistics.mean(values):.{digits}f} ± {statistics.pstdev(values):.{digits}f}"
            assert shown in PAGE or spread in PAGE, (side, shown, spread)
