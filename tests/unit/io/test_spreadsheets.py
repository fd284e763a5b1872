"""Cells that a spreadsheet would run."""

import csv
from pathlib import Path

import pytest

from monai_degia.io.spreadsheets import plain_row
from monai_degia.results.landmark_tables import write_failures


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_become_text_and_paths_stay_paths(start: str) -> None:
    name, other = plain_row([f"{start}1+cmd|' /C calc'!A0.png", f"{start}HYPERLINK()"])
    assert name == f"./{start}1+cmd|' /C calc'!A0.png" and other == f"'{start}HYPERLINK()"


def test_numbers_and_names_stay(tmp_path: Path) -> None:
    row = ["a=b.png", "-3.25", "+1e5", "-inf", "", "x"]
    assert plain_row(row) == row
    write_failures(tmp_path / "failures.csv", [("=a.png", "-x is no number")])
    assert list(csv.reader((tmp_path / "failures.csv").open()))[1] == ["./=a.png", "'-x is no number"]
